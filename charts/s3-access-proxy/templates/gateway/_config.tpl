{{/* What the gateway is configured with, where its files are, and what its AWS role comes from. */}}

{{- define "s3-access-proxy.gateway.serviceAccountName" -}}
{{- if .Values.gateway.serviceAccount.create -}}
{{- default (include "s3-access-proxy.gateway.name" .) .Values.gateway.serviceAccount.name -}}
{{- else -}}
{{- .Values.gateway.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "s3-access-proxy.gateway.tlsSecretName" -}}
{{- default (printf "%s-tls" (include "s3-access-proxy.gateway.name" .)) .Values.tls.secretName -}}
{{- end -}}

{{/* Names by which pods reach the gateway, and those of virtual-hosted-style buckets, as a list in JSON */}}
{{- define "s3-access-proxy.gateway.dnsNames" -}}
{{- $name := include "s3-access-proxy.gateway.name" . -}}
{{- $names := list
    (printf "%s.%s.svc" $name .Release.Namespace)
    (printf "%s.%s.svc.cluster.local" $name .Release.Namespace)
    (printf "%s.%s" $name .Release.Namespace)
    $name -}}
{{- range default (list) .Values.gateway.config.domains -}}
{{- $names = concat $names (list . (printf "*.%s" .)) -}}
{{- end -}}
{{- concat $names .Values.tls.dnsNames | uniq | toJson -}}
{{- end -}}

{{/* Folders of the proxy's container */}}
{{- define "s3-access-proxy.gateway.tokenFile" -}}/var/run/secrets/s3-access-proxy/token{{- end -}}

{{- define "s3-access-proxy.gateway.clientCa" -}}
{{- if or .Values.tls.clientCa.secretName .Values.tls.clientCa.configMapName -}}
/client-ca/{{ .Values.tls.clientCa.key }}
{{- else -}}
/tls/{{ .Values.tls.files.ca }}
{{- end -}}
{{- end -}}

{{/* The whole configuration: what the chart knows, and `gateway.config` on top */}}
{{- define "s3-access-proxy.gateway.config" -}}
{{- $tls := dict
    "certificate" (printf "/tls/%s" .Values.tls.files.certificate)
    "private_key" (printf "/tls/%s" .Values.tls.files.privateKey)
    "client_ca" (include "s3-access-proxy.gateway.clientCa" .)
    "min_version" (.Values.tls.minVersion | toString) -}}
{{- if or .Values.tls.clientCrl.secretName .Values.tls.clientCrl.configMapName -}}
{{- $_ := set $tls "client_crl" (printf "/client-crl/%s" .Values.tls.clientCrl.key) -}}
{{- end -}}
{{- $upstream := dict -}}
{{- with .Values.aws.region }}{{ $_ := set $upstream "region" . }}{{ end -}}
{{- $credentials := dict -}}
{{- if eq .Values.aws.identity "irsa" -}}
{{- $credentials = dict "source" "web_identity" "role_arn" .Values.aws.roleArn
    "token_file" (include "s3-access-proxy.gateway.tokenFile" .) -}}
{{- else if eq .Values.aws.identity "podIdentity" -}}
{{- $credentials = dict "source" "pod_identity" "agent_uri" .Values.aws.podIdentity.agentUri
    "token_file" (include "s3-access-proxy.gateway.tokenFile" .) -}}
{{- end -}}
{{- $known := dict
    "listen" (printf "%s:8443" .Values.bindAddress)
    "admin" (printf "%s:9090" .Values.bindAddress)
    "tls" $tls "upstream" $upstream "credentials" $credentials -}}
{{- $given := dict -}}
{{- range $key, $value := .Values.gateway.config -}}
{{- if not (or (kindIs "invalid" $value) (and (kindIs "slice" $value) (empty $value))) }}{{ $_ := set $given $key $value }}{{ end -}}
{{- end -}}
{{- mergeOverwrite $known (deepCopy $given) | toYaml -}}
{{- end -}}

{{/* What a running proxy does not take up by itself: everything but these sections */}}
{{- define "s3-access-proxy.gateway.fixedAtStart" -}}
{{- omit (include "s3-access-proxy.gateway.config" . | fromYaml) "grants" "guardrails" "tls" | toYaml -}}
{{- end -}}

{{- define "s3-access-proxy.gateway.drainSeconds" -}}
{{- $limits := default dict .Values.gateway.config.limits -}}
{{- include "s3-access-proxy.seconds" (default "30s" $limits.drain_timeout | toString) -}}
{{- end -}}

{{- define "s3-access-proxy.gateway.graceSeconds" -}}
{{- if kindIs "invalid" .Values.gateway.terminationGracePeriodSeconds -}}
{{- add .Values.gateway.preStopSleepSeconds (include "s3-access-proxy.gateway.drainSeconds" .) 10 -}}
{{- else -}}
{{- .Values.gateway.terminationGracePeriodSeconds | int64 -}}
{{- end -}}
{{- end -}}

{{/* The variables by which AWS's tools know a role. They also keep EKS's webhooks from adding their own to the container. */}}
{{- define "s3-access-proxy.gateway.awsEnv" -}}
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- if eq .Values.aws.identity "irsa" }}
- name: AWS_ROLE_ARN
  value: {{ .Values.aws.roleArn | quote }}
- name: AWS_WEB_IDENTITY_TOKEN_FILE
  value: {{ include "s3-access-proxy.gateway.tokenFile" . }}
{{- else if eq .Values.aws.identity "podIdentity" }}
- name: AWS_CONTAINER_CREDENTIALS_FULL_URI
  value: {{ .Values.aws.podIdentity.agentUri | quote }}
- name: AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
  value: {{ include "s3-access-proxy.gateway.tokenFile" . }}
{{- end }}
{{- end -}}
