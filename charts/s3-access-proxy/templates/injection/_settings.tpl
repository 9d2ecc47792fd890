{{/* What the values say about injection, in the words of `proxy webhook`: the same for the webhook and the policies. */}}

{{/* HOST:PORT of the gateway for bridges */}}
{{- define "s3-access-proxy.bridge.to" -}}
{{- if .Values.injection.bridge.to -}}
{{- .Values.injection.bridge.to -}}
{{- else -}}
{{- printf "%s.%s.svc:%d" (include "s3-access-proxy.gateway.name" .) .Release.Namespace (int .Values.gateway.service.port) -}}
{{- end -}}
{{- end -}}

{{/* The section `injection` of the webhook's configuration */}}
{{- define "s3-access-proxy.injection.settings" -}}
{{- $injection := .Values.injection -}}
image: {{ include "s3-access-proxy.image" . | quote }}
image_pull_policy: {{ .Values.image.pullPolicy }}
modes:
  {{- range $mode := list "sidecar" "bridge" }}
  {{- if (index $injection $mode).enabled }}
  - {{ $mode }}
  {{- end }}
  {{- end }}
mode: {{ $injection.defaultMode }}
client: {{ $injection.client }}
{{- with .Values.aws.region }}
region: {{ . | quote }}
{{- end }}
config: {{ $injection.config | quote }}
certificate: {{ $injection.certificate | quote }}
cert_manager:
  issuer: {{ $injection.certManager.issuer | quote }}
  kind: {{ $injection.certManager.kind | quote }}
  group: {{ $injection.certManager.group | quote }}
  trust_domain: {{ $injection.certManager.trustDomain | quote }}
spiffe:
  helper_image: {{ include "s3-access-proxy.imageOf" (list . .Values.spiffe.helper.image "") | quote }}
  socket: {{ .Values.spiffe.socket | quote }}
{{- if $injection.bridge.enabled }}
gateway:
  to: {{ include "s3-access-proxy.bridge.to" . | quote }}
  server_name: {{ $injection.bridge.serverName | quote }}
{{- end }}
token:
  audience: {{ .Values.aws.audience | quote }}
  expiration_seconds: {{ .Values.aws.tokenExpirationSeconds | int64 }}
resources:
  {{- toYaml $injection.resources | nindent 2 }}
run_as_user: {{ kindIs "invalid" .Values.securityContext.runAsUser | ternary "assigned" (.Values.securityContext.runAsUser | int64) }}
ports:
  proxy: {{ $injection.ports.proxy | int }}
  plain: {{ $injection.ports.plain | int }}
  admin: {{ $injection.ports.admin | int }}
  bridge_admin: {{ $injection.ports.bridgeAdmin | int }}
  helper: {{ $injection.ports.helper | int }}
bind_address: {{ .Values.bindAddress | quote }}
{{- end -}}

{{/* Which namespaces take part: those of the values, never the excluded ones nor the release's own */}}
{{- define "s3-access-proxy.injection.namespaceSelector" -}}
{{- $given := deepCopy .Values.injection.namespaceSelector -}}
{{- $excluded := append .Values.injection.excludedNamespaces .Release.Namespace | uniq -}}
{{- $never := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn" "values" $excluded -}}
{{- set $given "matchExpressions" (append (default list $given.matchExpressions) $never) | toYaml -}}
{{- end -}}

{{/* Which pods: all that carry the label, so that a value that is neither "true" nor "false" is refused, not left out */}}
{{- define "s3-access-proxy.injection.objectSelector" -}}
matchExpressions:
  - {key: s3-access-proxy.io/inject, operator: Exists}
{{- end -}}
