{{/* What network policies and certificates of the components have in common. */}}

{{/* Peers that answer DNS -> an egress rule */}}
{{- define "s3-access-proxy.dnsEgress" -}}
# DNS.
- to:
    {{- if . }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
    - ipBlock: {cidr: 169.254.20.10/32}
    {{- end }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* Rules for what goes to S3 and STS */}}
{{- define "s3-access-proxy.awsEgress" -}}
# S3 and STS.
- to:
    {{- range .Values.networkPolicy.awsCidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- else }}
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}
    - ipBlock: {cidr: "::/0", except: ["fd00:ec2::254/128"]}
    {{- end }}
  ports:
    {{- range .Values.networkPolicy.awsPorts }}
    - {protocol: TCP, port: {{ . | int }}}
    {{- end }}
{{- if eq .Values.aws.identity "podIdentity" }}
# The agent of EKS Pod Identity on the node.
- to:
    - ipBlock: {cidr: 169.254.170.23/32}
    - ipBlock: {cidr: "fd00:ec2::23/128"}
  ports:
    - {protocol: TCP, port: 80}
{{- end }}
{{- end -}}

{{/* (list $ names) -> the rest of a Certificate's spec */}}
{{- define "s3-access-proxy.certificateSpec" -}}
{{- $root := index . 0 -}}
duration: {{ $root.Values.certManager.duration }}
renewBefore: {{ $root.Values.certManager.renewBefore }}
privateKey:
  algorithm: ECDSA
  size: 256
  rotationPolicy: Always
usages: [digital signature, server auth]
dnsNames:
  {{- toYaml (index . 1) | nindent 2 }}
issuerRef:
  {{- toYaml $root.Values.certManager.issuerRef | nindent 2 }}
{{- end -}}
