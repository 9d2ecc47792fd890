{{/*
What the schema cannot say, because it is about several values: every problem at once, each with the key and what to do.
*/}}
{{- define "s3-access-proxy.validate" -}}
{{- $problems := list -}}
{{- if .Values.gateway.enabled -}}
{{- $problems = concat $problems (include "s3-access-proxy.gateway.problems" . | fromYamlArray) -}}
{{- end -}}
{{- if ne .Values.injection.by "none" -}}
{{- $problems = concat $problems (include "s3-access-proxy.injection.problems" . | fromYamlArray) -}}
{{- end -}}
{{- if .Values.audit.enabled -}}
{{- $problems = concat $problems (include "s3-access-proxy.audit.problems" . | fromYamlArray) -}}
{{- end -}}
{{- $problems = concat $problems (include "s3-access-proxy.monitoring.problems" . | fromYamlArray) -}}
{{- if $problems -}}
{{- fail (printf "\n\nthe values need a change:\n- %s\n" (join "\n- " $problems)) -}}
{{- end -}}
{{- end -}}

{{- define "s3-access-proxy.gateway.problems" -}}
{{- $gateway := .Values.gateway -}}
{{- $tls := .Values.tls -}}
{{- $upstream := default dict $gateway.config.upstream -}}
{{- if not (or $gateway.existingConfigMap .Values.aws.region $upstream.region) }}
- "aws.region: missing: the region of the buckets, such as eu-west-1"
{{- end }}
{{- if and (eq .Values.aws.identity "irsa") (not .Values.aws.roleArn) }}
- "aws.roleArn: missing: the ARN of the gateway's role, such as arn:aws:iam::123456789012:role/s3-gateway (or choose another aws.identity)"
{{- end }}
{{- if and (ne .Values.aws.identity "none") (hasKey (default dict $gateway.config.credentials) "source") }}
- "gateway.config.credentials.source: aws.identity says where credentials come from; set aws.identity to none to choose a source here"
{{- end }}
{{- if and (eq .Values.aws.identity "none") (not $gateway.existingConfigMap) (not (hasKey (default dict $gateway.config.credentials) "source")) }}
- "gateway.config.credentials.source: missing: with aws.identity none it says where credentials come from"
{{- end }}
{{- $issuer := .Values.certManager.issuerRef.name -}}
{{- if and (eq $tls.source "certManager") (not $issuer) }}
- "certManager.issuerRef.name: missing: the issuer of the gateway's certificate (tls.source is certManager)"
{{- end }}
{{- if and (eq $tls.source "csi") (eq $tls.csi.driver "csi.cert-manager.io") (not $issuer) (not (hasKey $tls.csi.volumeAttributes "csi.cert-manager.io/issuer-name")) }}
- "certManager.issuerRef.name: missing: the issuer of the gateway's certificate (tls.csi.driver is csi.cert-manager.io)"
{{- end }}
{{- range $key := list "clientCa" "clientCrl" }}
{{- $from := index $tls $key }}
{{- if and $from.secretName $from.configMapName }}
- "tls.{{ $key }}: give secretName or configMapName, not both"
{{- end }}
{{- end }}
{{- if and (eq $gateway.kind "DaemonSet") $gateway.autoscaling.enabled }}
- "gateway.autoscaling.enabled: a DaemonSet has one pod a node; set gateway.kind to Deployment"
{{- end }}
{{- if and (eq $gateway.kind "Deployment") (eq $gateway.service.internalTrafficPolicy "Local") }}
- "gateway.service.internalTrafficPolicy: Local would leave nodes without a pod of the Deployment without a gateway; use a DaemonSet, or gateway.service.trafficDistribution"
{{- end }}
{{- if gt (int $gateway.autoscaling.minReplicas) (int $gateway.autoscaling.maxReplicas) }}
- "gateway.autoscaling.minReplicas: is more than maxReplicas"
{{- end }}
{{- if hasKey $gateway.serviceAccount.annotations "eks.amazonaws.com/role-arn" }}
- "gateway.serviceAccount.annotations: eks.amazonaws.com/role-arn gives the role to every container of a pod; set aws.roleArn, which gives it to the proxy alone"
{{- end }}
{{- if not (or $gateway.serviceAccount.create $gateway.serviceAccount.name) }}
- "gateway.serviceAccount.name: missing: the ServiceAccount to use, as serviceAccount.create is false"
{{- end }}
{{- $least := add $gateway.preStopSleepSeconds (include "s3-access-proxy.gateway.drainSeconds" .) -}}
{{- if le (include "s3-access-proxy.gateway.graceSeconds" . | int) (int $least) }}
- "gateway.terminationGracePeriodSeconds: must be more than {{ $least }}, which is preStopSleepSeconds and limits.drain_timeout: requests in flight would be cut off"
{{- end }}
{{- end -}}

{{- define "s3-access-proxy.injection.problems" -}}
{{- $injection := .Values.injection -}}
{{- if not (or $injection.sidecar.enabled $injection.bridge.enabled) }}
- "injection.by: neither injection.sidecar.enabled nor injection.bridge.enabled; set injection.by to none to inject nothing"
{{- else if not (index $injection $injection.defaultMode).enabled }}
- "injection.defaultMode: {{ $injection.defaultMode }} is switched off by injection.{{ $injection.defaultMode }}.enabled"
{{- end }}
{{- if and $injection.bridge.enabled (not .Values.gateway.enabled) (not $injection.bridge.to) }}
- "injection.bridge.to: missing: HOST:PORT of a gateway, as this release has none (or set injection.bridge.enabled to false)"
{{- end }}
{{- if and (eq $injection.certificate "csi.cert-manager.io") (not $injection.certManager.issuer) }}
- "injection.certManager.issuer: missing: the issuer of certificates of added proxies (injection.certificate is csi.cert-manager.io)"
{{- end }}
{{- if eq $injection.by "webhook" }}
{{- if and (eq .Values.webhook.certificate.source "certManager") (not .Values.certManager.issuerRef.name) }}
- "certManager.issuerRef.name: missing: the issuer of the webhook's certificate (webhook.certificate.source is certManager)"
{{- end }}
{{- if not (or .Values.webhook.serviceAccount.create .Values.webhook.serviceAccount.name) }}
- "webhook.serviceAccount.name: missing: the ServiceAccount to use, as serviceAccount.create is false"
{{- end }}
{{- end }}
{{- end -}}

{{- define "s3-access-proxy.monitoring.problems" -}}
{{- $monitoring := .Values.monitoring -}}
{{- if and $monitoring.serviceMonitor.enabled $monitoring.podMonitor.enabled }}
- "monitoring.podMonitor.enabled: the ServiceMonitor scrapes the same pods; enable one of them"
{{- end }}
{{- if and $monitoring.prometheusRule.enabled (not (.Files.Get "files/alerts.yaml")) }}
- "monitoring.prometheusRule.enabled: files/alerts.yaml is not in this chart"
{{- end }}
{{- if and $monitoring.dashboard.enabled (not (.Files.Get "files/dashboard.json")) }}
- "monitoring.dashboard.enabled: files/dashboard.json is not in this chart"
{{- end }}
{{- end -}}
