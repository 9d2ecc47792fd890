{{/* The gateway's pod, the same for a DaemonSet and a Deployment. */}}

{{- define "s3-access-proxy.gateway.podTemplate" -}}
{{- $gateway := .Values.gateway -}}
{{- $known := dict "kubectl.kubernetes.io/default-container" "proxy" -}}
{{- if not $gateway.existingConfigMap -}}
{{- /* Grants, guardrails and certificates are taken up while the proxy runs: a change of those restarts nothing. */ -}}
{{- $_ := set $known "checksum/fixed-at-start" (include "s3-access-proxy.gateway.fixedAtStart" . | sha256sum) -}}
{{- end -}}
metadata:
  labels:
    {{- include "s3-access-proxy.podLabels" (list . "gateway" $gateway.podLabels) | nindent 4 }}
  annotations:
    {{- mergeOverwrite $known .Values.commonAnnotations $gateway.podAnnotations | toYaml | nindent 4 }}
spec:
  {{- include "s3-access-proxy.pullSecrets" . | nindent 2 | trimSuffix "\n  " }}
  serviceAccountName: {{ include "s3-access-proxy.gateway.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "s3-access-proxy.gateway.graceSeconds" . }}
  securityContext:
    {{- include "s3-access-proxy.podSecurityContext" . | nindent 4 }}
  {{- with $gateway.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with $gateway.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  nodeSelector:
    {{- mergeOverwrite (dict "kubernetes.io/os" "linux") $gateway.nodeSelector | toYaml | nindent 4 }}
  {{- with $gateway.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $gateway.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq $gateway.kind "Deployment" }}
  topologySpreadConstraints:
    {{- include "s3-access-proxy.topologySpread" (list . "gateway" $gateway.topologySpreadConstraints) | nindent 4 }}
  {{- end }}
  {{- if or $gateway.extraInitContainers (eq .Values.tls.source "spiffe") }}
  initContainers:
    {{- if eq .Values.tls.source "spiffe" }}
    {{- include "s3-access-proxy.gateway.spiffeHelper" . | nindent 4 }}
    {{- end }}
    {{- with $gateway.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    {{- include "s3-access-proxy.gateway.container" . | nindent 4 }}
    {{- with $gateway.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "s3-access-proxy.gateway.volumes" . | nindent 4 }}
    {{- with $gateway.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "s3-access-proxy.gateway.container" -}}
{{- $gateway := .Values.gateway -}}
- name: proxy
  image: {{ include "s3-access-proxy.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - run
    - --config=/etc/s3-access-proxy/config.yaml
    {{- range $gateway.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  {{- with concat (include "s3-access-proxy.gateway.awsEnv" . | fromYamlArray) $gateway.extraEnv }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $gateway.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    - name: s3
      containerPort: 8443
      protocol: TCP
    - name: admin
      containerPort: 9090
      protocol: TCP
  # The kubelet has no client certificate: it asks the port for the platform.
  startupProbe:
    httpGet: {path: /livez, port: admin}
    {{- toYaml $gateway.startupProbe | nindent 4 }}
  livenessProbe:
    httpGet: {path: /livez, port: admin}
    {{- toYaml $gateway.livenessProbe | nindent 4 }}
  readinessProbe:
    httpGet: {path: /readyz, port: admin}
    {{- toYaml $gateway.readinessProbe | nindent 4 }}
  {{- if gt (int $gateway.preStopSleepSeconds) 0 }}
  lifecycle:
    preStop:
      sleep:
        seconds: {{ int $gateway.preStopSleepSeconds }}
  {{- end }}
  resources:
    {{- toYaml $gateway.resources | nindent 4 }}
  securityContext:
    {{- include "s3-access-proxy.containerSecurityContext" . | nindent 4 }}
  # Whole folders, never `subPath`: the kubelet does not update those.
  volumeMounts:
    {{- include "s3-access-proxy.gateway.volumeMounts" . | nindent 4 }}
{{- end -}}

{{- define "s3-access-proxy.gateway.volumeMounts" -}}
- name: config
  mountPath: /etc/s3-access-proxy
  readOnly: true
- name: tls
  mountPath: /tls
  readOnly: true
{{- if or .Values.tls.clientCa.secretName .Values.tls.clientCa.configMapName }}
- name: client-ca
  mountPath: /client-ca
  readOnly: true
{{- end }}
{{- if or .Values.tls.clientCrl.secretName .Values.tls.clientCrl.configMapName }}
- name: client-crl
  mountPath: /client-crl
  readOnly: true
{{- end }}
{{- if ne .Values.aws.identity "none" }}
- name: aws-token
  mountPath: {{ include "s3-access-proxy.gateway.tokenFile" . | dir }}
  readOnly: true
{{- end }}
{{- with .Values.gateway.extraVolumeMounts }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end -}}
