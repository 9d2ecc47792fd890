{{/* The gateway's volumes, and the helper that writes SPIRE's certificates into one. */}}

{{/* (dict "name" "client-ca" "from" .Values.tls.clientCa) */}}
{{- define "s3-access-proxy.fileVolume" -}}
- name: {{ .name }}
  {{- if .from.secretName }}
  secret:
    secretName: {{ .from.secretName | quote }}
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ .from.configMapName | quote }}
    defaultMode: 0440
  {{- end }}
{{- end -}}

{{- define "s3-access-proxy.gateway.volumes" -}}
{{- $tls := .Values.tls -}}
- name: config
  configMap:
    name: {{ default (include "s3-access-proxy.gateway.name" .) .Values.gateway.existingConfigMap }}
    defaultMode: 0440
- name: tls
  {{- if eq $tls.source "csi" }}
  csi:
    driver: {{ $tls.csi.driver }}
    readOnly: true
    volumeAttributes:
      {{- include "s3-access-proxy.gateway.csiAttributes" . | nindent 6 }}
  {{- else if eq $tls.source "spiffe" }}
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
- name: spiffe-workload-api
  csi:
    driver: {{ $.Values.spiffe.driver }}
    readOnly: true
- name: spiffe-helper
  configMap:
    name: {{ include "s3-access-proxy.gateway.name" . }}-spiffe-helper
    defaultMode: 0440
  {{- else }}
  secret:
    secretName: {{ include "s3-access-proxy.gateway.tlsSecretName" . }}
    defaultMode: 0440
  {{- end }}
{{- if or $tls.clientCa.secretName $tls.clientCa.configMapName }}
{{ include "s3-access-proxy.fileVolume" (dict "name" "client-ca" "from" $tls.clientCa) }}
{{- end }}
{{- if or $tls.clientCrl.secretName $tls.clientCrl.configMapName }}
{{ include "s3-access-proxy.fileVolume" (dict "name" "client-crl" "from" $tls.clientCrl) }}
{{- end }}
{{- if ne .Values.aws.identity "none" }}
- name: aws-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          audience: {{ ternary "pods.eks.amazonaws.com" .Values.aws.audience (eq .Values.aws.identity "podIdentity") }}
          expirationSeconds: {{ .Values.aws.tokenExpirationSeconds | int64 }}
          path: token
{{- end }}
{{- end -}}

{{- define "s3-access-proxy.gateway.csiAttributes" -}}
{{- $known := dict -}}
{{- if eq .Values.tls.csi.driver "csi.cert-manager.io" -}}
{{- $known = dict
    "csi.cert-manager.io/issuer-name" .Values.certManager.issuerRef.name
    "csi.cert-manager.io/issuer-kind" .Values.certManager.issuerRef.kind
    "csi.cert-manager.io/issuer-group" .Values.certManager.issuerRef.group
    "csi.cert-manager.io/dns-names" (include "s3-access-proxy.gateway.dnsNames" . | fromJsonArray | join ",")
    "csi.cert-manager.io/duration" .Values.certManager.duration
    "csi.cert-manager.io/renew-before" .Values.certManager.renewBefore
    "csi.cert-manager.io/key-usages" "digital signature,server auth"
    "csi.cert-manager.io/certificate-file" .Values.tls.files.certificate
    "csi.cert-manager.io/privatekey-file" .Values.tls.files.privateKey
    "csi.cert-manager.io/ca-file" .Values.tls.files.ca -}}
{{- if not (kindIs "invalid" .Values.securityContext.fsGroup) -}}
{{- $_ := set $known "csi.cert-manager.io/fs-group" (.Values.securityContext.fsGroup | int64 | toString) -}}
{{- end -}}
{{- end -}}
{{- mergeOverwrite $known .Values.tls.csi.volumeAttributes | toYaml -}}
{{- end -}}

{{/* Writes SPIRE's certificates to memory. A native sidecar: the proxy starts when they are there. */}}
{{- define "s3-access-proxy.gateway.spiffeHelper" -}}
{{- $helper := .Values.spiffe.helper -}}
- name: spiffe-helper
  image: {{ include "s3-access-proxy.imageOf" (list . $helper.image "") }}
  imagePullPolicy: {{ $helper.image.pullPolicy }}
  restartPolicy: Always
  args: [-config, /etc/spiffe-helper/helper.conf]
  ports:
    - name: spiffe-helper
      containerPort: 8081
      protocol: TCP
  startupProbe:
    httpGet: {path: /ready, port: spiffe-helper}
    periodSeconds: 1
    failureThreshold: 120
  livenessProbe:
    httpGet: {path: /live, port: spiffe-helper}
    periodSeconds: 10
    failureThreshold: 6
  resources:
    {{- toYaml $helper.resources | nindent 4 }}
  securityContext:
    {{- include "s3-access-proxy.containerSecurityContext" . | nindent 4 }}
  volumeMounts:
    - name: spiffe-helper
      mountPath: /etc/spiffe-helper
      readOnly: true
    - name: spiffe-workload-api
      mountPath: /spiffe-workload-api
      readOnly: true
    - name: tls
      mountPath: /tls
{{- end -}}
