{{/* The scheduled review of S3 Inventory. */}}

{{- define "s3-access-proxy.audit.name" -}}
{{- include "s3-access-proxy.fullname" . }}-audit
{{- end -}}

{{- define "s3-access-proxy.audit.serviceAccountName" -}}
{{- default (include "s3-access-proxy.audit.name" .) .Values.audit.serviceAccount.name -}}
{{- end -}}

{{- define "s3-access-proxy.audit.problems" -}}
{{- $audit := .Values.audit -}}
{{- if not $audit.report }}
- "audit.report: missing: the folder of an inventory, such as s3://logs/inventory/reports-prod/all/"
{{- end }}
{{- if not .Values.aws.region }}
- "aws.region: missing: the region of the inventory's bucket, such as eu-west-1"
{{- end }}
{{- if and (eq .Values.aws.identity "irsa") (not $audit.roleArn) }}
- "audit.roleArn: missing: the ARN of a role that reads the inventory, and nothing else (or choose another aws.identity)"
{{- end }}
{{- if and $audit.rules $audit.existingConfigMap }}
- "audit.existingConfigMap: audit.rules is given too; leave one of them out"
{{- end }}
{{- if not (or $audit.serviceAccount.create $audit.serviceAccount.name) }}
- "audit.serviceAccount.name: missing: the ServiceAccount to use, as serviceAccount.create is false"
{{- end }}
{{- end -}}
