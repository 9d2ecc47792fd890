{{/* The injection webhook: names, and what it is told. */}}

{{- define "s3-access-proxy.webhook.serviceAccountName" -}}
{{- if .Values.webhook.serviceAccount.create -}}
{{- default (include "s3-access-proxy.webhook.name" .) .Values.webhook.serviceAccount.name -}}
{{- else -}}
{{- .Values.webhook.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "s3-access-proxy.webhook.selfManaged" -}}
{{- if eq .Values.webhook.certificate.source "selfManaged" }}true{{ end -}}
{{- end -}}

{{- define "s3-access-proxy.webhook.host" -}}
{{- include "s3-access-proxy.webhook.name" . }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{- define "s3-access-proxy.webhook.config" -}}
listen: {{ printf "%s:8443" .Values.bindAddress | quote }}
admin: {{ printf "%s:9090" .Values.bindAddress | quote }}
tls:
  {{- if include "s3-access-proxy.webhook.selfManaged" . }}
  self_managed:
    names: [{{ include "s3-access-proxy.webhook.host" . }}]
    secret: {{ .Release.Namespace }}/{{ include "s3-access-proxy.webhook.name" . }}
    mutating: [{{ include "s3-access-proxy.clusterName" . }}]
    validating: [{{ include "s3-access-proxy.clusterName" . }}]
  {{- else }}
  certificate: /tls/tls.crt
  private_key: /tls/tls.key
  {{- end }}
limits:
  drain_timeout: 10s
injection:
  {{- include "s3-access-proxy.injection.settings" . | nindent 2 }}
{{- end -}}

{{/* (list $ "/mutate") -> what both configurations of the API server say */}}
{{- define "s3-access-proxy.webhook.registration" -}}
{{- $root := index . 0 -}}
admissionReviewVersions: [v1]
clientConfig:
  service:
    name: {{ include "s3-access-proxy.webhook.name" $root }}
    namespace: {{ $root.Release.Namespace | quote }}
    path: {{ index . 1 }}
    port: 443
# Fail is safe because only pods that carry the label are asked about: no other pod can be refused, whatever is down.
failurePolicy: Fail
matchPolicy: Equivalent
sideEffects: None
timeoutSeconds: {{ $root.Values.webhook.timeoutSeconds | int }}
objectSelector:
  {{- include "s3-access-proxy.injection.objectSelector" $root | nindent 2 }}
namespaceSelector:
  {{- include "s3-access-proxy.injection.namespaceSelector" $root | nindent 2 }}
{{- end -}}

{{/* cert-manager fills in the authority; a webhook that manages itself does so with `patch`. Neither is in the template. */}}
{{- define "s3-access-proxy.webhook.caAnnotations" -}}
{{- if not (include "s3-access-proxy.webhook.selfManaged" .) -}}
cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/{{ include "s3-access-proxy.webhook.name" . }}
{{- end -}}
{{- end -}}
