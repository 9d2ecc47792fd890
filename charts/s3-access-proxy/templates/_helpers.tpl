{{/* Names, labels, images, and what every pod has in common. */}}

{{- define "s3-access-proxy.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Start of every name. Short enough for what is put behind it. */}}
{{- define "s3-access-proxy.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "s3-access-proxy.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "s3-access-proxy.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Objects of the cluster carry the namespace too: there may be two releases of one name. */}}
{{- define "s3-access-proxy.clusterName" -}}
{{- printf "%s-%s" (include "s3-access-proxy.fullname" .) .Release.Namespace | trunc 104 | trimSuffix "-" -}}
{{- end -}}

{{/* (list $ "gateway") -> what a component's pods are selected by */}}
{{- define "s3-access-proxy.selectorLabels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "s3-access-proxy.name" $root | quote }}
app.kubernetes.io/instance: {{ $root.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* (list $ "gateway") */}}
{{- define "s3-access-proxy.labels" -}}
{{- $root := index . 0 -}}
{{- $fixed := dict
    "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
    "app.kubernetes.io/version" $root.Chart.AppVersion
    "app.kubernetes.io/managed-by" $root.Release.Service
    "app.kubernetes.io/part-of" "s3-access-proxy" -}}
{{- $selector := include "s3-access-proxy.selectorLabels" . | fromYaml -}}
{{- mergeOverwrite (dict) $root.Values.commonLabels $fixed $selector | toYaml -}}
{{- end -}}

{{/* (list $ "gateway" given) -> labels of pods. Without the chart's version, which would restart them for nothing. */}}
{{- define "s3-access-proxy.podLabels" -}}
{{- $root := index . 0 -}}
{{- include "s3-access-proxy.selectorLabels" . | fromYaml | mergeOverwrite (dict) $root.Values.commonLabels (index . 2) | toYaml -}}
{{- end -}}

{{/*
Metadata of an object: (dict "root" $ "component" "gateway" "name" "…"), and as one likes "labels", "annotations",
"cluster" true for an object that has no namespace.
*/}}
{{- define "s3-access-proxy.metadata" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ .root.Release.Namespace | quote }}
{{- end }}
labels:
  {{- include "s3-access-proxy.labels" (list .root .component) | fromYaml | mergeOverwrite (dict) (default dict .labels) | toYaml | nindent 2 }}
{{- with mergeOverwrite (dict) .root.Values.commonAnnotations (default dict .annotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* (list $ .Values.image "default tag") -> registry/repository@digest, or :tag */}}
{{- define "s3-access-proxy.imageOf" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- with $root.Values.global.imageRegistry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest -}}@{{ $image.digest }}{{- else -}}:{{ default (index . 2) $image.tag }}{{- end -}}
{{- end -}}

{{/* The proxy's image */}}
{{- define "s3-access-proxy.image" -}}
{{- include "s3-access-proxy.imageOf" (list . .Values.image .Chart.AppVersion) -}}
{{- end -}}

{{- define "s3-access-proxy.pullSecrets" -}}
{{- $names := concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq -}}
{{- with $names }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* The restricted Pod Security Standard; only who the user is can be chosen. */}}
{{- define "s3-access-proxy.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.securityContext }}
{{- if not (kindIs "invalid" .runAsUser) }}
runAsUser: {{ .runAsUser | int64 }}
{{- end }}
{{- if not (kindIs "invalid" .runAsGroup) }}
runAsGroup: {{ .runAsGroup | int64 }}
{{- end }}
{{- if not (kindIs "invalid" .fsGroup) }}
fsGroup: {{ .fsGroup | int64 }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- with .seLinuxOptions }}
seLinuxOptions:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "s3-access-proxy.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- with .Values.securityContext }}
{{- if not (kindIs "invalid" .runAsUser) }}
runAsUser: {{ .runAsUser | int64 }}
{{- end }}
{{- if not (kindIs "invalid" .runAsGroup) }}
runAsGroup: {{ .runAsGroup | int64 }}
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Names of components */}}
{{- define "s3-access-proxy.gateway.name" -}}
{{- include "s3-access-proxy.fullname" . }}-gateway
{{- end -}}

{{- define "s3-access-proxy.webhook.name" -}}
{{- include "s3-access-proxy.fullname" . }}-webhook
{{- end -}}

{{/* Components that have metrics, as a list in JSON */}}
{{- define "s3-access-proxy.scraped" -}}
{{- $components := list -}}
{{- if .Values.gateway.enabled }}{{ $components = append $components "gateway" }}{{ end -}}
{{- if eq .Values.injection.by "webhook" }}{{ $components = append $components "webhook" }}{{ end -}}
{{- toJson $components -}}
{{- end -}}

{{/* "1m 30s" -> 90 */}}
{{- define "s3-access-proxy.seconds" -}}
{{- $minutes := regexFind "[0-9]+m($|[^s])" . | trim | trimSuffix "m" | regexFind "[0-9]+" | default "0" | int -}}
{{- $seconds := regexFind "[0-9]+s" . | trimSuffix "s" | default "0" | int -}}
{{- add (mul 60 $minutes) $seconds -}}
{{- end -}}

{{/* (list $ component given) -> spread of a Deployment's pods over zones and nodes */}}
{{- define "s3-access-proxy.topologySpread" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- if index . 2 -}}
{{- toYaml (index . 2) -}}
{{- else -}}
{{- $labels := include "s3-access-proxy.selectorLabels" (list $root $component) | fromYaml -}}
{{- $constraints := list -}}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" -}}
{{- /* Without the hash of the template, pods of the last version would count during a rollout. */ -}}
{{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway"
    "labelSelector" (dict "matchLabels" $labels) "matchLabelKeys" (list "pod-template-hash")) -}}
{{- end -}}
{{- toYaml $constraints -}}
{{- end -}}
{{- end -}}
