{{/*
What speaks against a pod, as a list of checks in YAML: name, expression (true where all is well) and message, both in CEL. They
are the policy's conditions for adding a sidecar, and the validations that refuse the pod.
*/}}
{{- define "s3-access-proxy.cel.checks" -}}
{{- $settings := include "s3-access-proxy.injection.settings" . | fromYaml -}}
{{- $wish := include "s3-access-proxy.cel.wish" . | fromYaml -}}
{{- $annotations := include "s3-access-proxy.cel.annotations" . -}}
{{- $containers := include "s3-access-proxy.cel.containers" . -}}
{{- $ours := include "s3-access-proxy.cel.ours" . -}}
{{- $volumes := include "s3-access-proxy.cel.volumes" . -}}
{{- $known := list "certificate" "client" "config" "mode" "own-aws-credentials" "resources" "role-arn" -}}
{{- $knownKeys := list "s3-access-proxy.io/spiffe-helper" -}}
{{- range $known }}{{ $knownKeys = append $knownKeys (printf "s3-access-proxy.io/%s" .) }}{{ end -}}
{{- $unknown := printf "%s.filter(k, k.startsWith(\"s3-access-proxy.io/\") && !(k in %s))" $annotations (toJson $knownKeys) -}}
{{- $name := include "s3-access-proxy.cel.objectName" . -}}
{{- $quantity := "[0-9]{1,12}([.][0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?" -}}
{{- $entry := printf "(requests|limits)[.](cpu|memory)=%s" $quantity -}}
{{- $roles := list "AWS_ROLE_ARN" "AWS_WEB_IDENTITY_TOKEN_FILE" "AWS_CONTAINER_CREDENTIALS_FULL_URI" "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" | toJson -}}
{{- $withRole := printf "%s.filter(c, has(c.env) && c.env.exists(e, e.name in %s))" $containers $roles -}}
{{- $withKey := printf "%s.filter(c, has(c.env) && c.env.exists(e, e.name == \"AWS_ACCESS_KEY_ID\" && has(e.value) && (e.value.startsWith(\"AKIA\") || e.value.startsWith(\"ASIA\"))))" $containers -}}
{{- $audiences := list "sts.amazonaws.com" "pods.eks.amazonaws.com" $settings.token.audience | uniq | toJson -}}
{{- $tokens := printf "%s.filter(v, v.name != \"s3-access-proxy-token\" && has(v.projected) && has(v.projected.sources) && v.projected.sources.exists(s, has(s.serviceAccountToken) && has(s.serviceAccountToken.audience) && s.serviceAccountToken.audience in %s))" $volumes $audiences -}}
{{- $withToken := printf "(%s + object.spec.containers).filter(c, c.name != \"s3-access-proxy\" && has(c.volumeMounts) && c.volumeMounts.exists(m, m.name == \"s3-access-proxy-token\"))" (include "s3-access-proxy.cel.init" .) -}}
{{- $takenNames := printf "object.spec.containers.filter(c, c.name in %s)" $ours -}}
{{- $ourVolumes := list "s3-access-proxy-tls" "s3-access-proxy-token" "s3-access-proxy-config" "s3-access-proxy-workload-api" "s3-access-proxy-spiffe-helper" | toJson -}}
{{- $takenVolumes := printf "%s.filter(v, v.name in %s)" $volumes $ourVolumes -}}
{{- $exception := "; take the role off the ServiceAccount, or say s3-access-proxy.io/own-aws-credentials: \"true\"" -}}
- name: annotations
  expression: {{ printf "size(%s) == 0" $unknown | toJson }}
  message: {{ printf "\"annotation \" + %s.join(\", \") + %s" $unknown (printf ": unknown; known are %s" (join ", " $known) | toJson) | toJson }}
- name: mode
  expression: {{ include "s3-access-proxy.cel.holds" (list $ "mode" "value in [\"sidecar\", \"bridge\"]") | toJson }}
  message: {{ include "s3-access-proxy.cel.wrong" (list $ "mode" "not one of sidecar, bridge") | toJson }}
{{- range $mode := list "sidecar" "bridge" }}
{{- if not (has $mode $settings.modes) }}
- name: {{ $mode }}-is-on
  expression: {{ printf "%s != %s" $wish.mode (toJson $mode) | toJson }}
  message: {{ printf "annotation s3-access-proxy.io/mode: '%s': this cluster's administrator has switched it off" $mode | toJson | toJson }}
{{- end }}
{{- end }}
- name: client
  expression: {{ include "s3-access-proxy.cel.holds" (list $ "client" "value in [\"plain\", \"certificate\"]") | toJson }}
  message: {{ include "s3-access-proxy.cel.wrong" (list $ "client" "not one of plain, certificate") | toJson }}
- name: role-is-named
  expression: {{ printf "%s != \"sidecar\" || \"s3-access-proxy.io/role-arn\" in %s" $wish.mode $annotations | toJson }}
  message: {{ "annotation s3-access-proxy.io/role-arn: missing; it names the role of this pod's proxy, arn:aws:iam::123456789012:role/name" | toJson | toJson }}
- name: role-arn
  expression: {{ include "s3-access-proxy.cel.holds" (list $ "role-arn" (printf "value.matches(%s) && size(value) <= 640" (toJson "^arn:[a-z-]*:iam::[0-9]{12}:role/([!-)+->@-~]*/)?[!-)+-.0->@-~]{1,64}$"))) | toJson }}
  message: {{ include "s3-access-proxy.cel.wrong" (list $ "role-arn" "a role is written arn:aws:iam::123456789012:role/name") | toJson }}
- name: config
  expression: {{ include "s3-access-proxy.cel.holds" (list $ "config" (printf "value.matches(%s)" (toJson $name))) | toJson }}
  message: {{ include "s3-access-proxy.cel.wrong" (list $ "config" "a name is lower-case letters, digits, '-' and '.', and up to 253 of them") | toJson }}
- name: certificate
  expression: {{ include "s3-access-proxy.cel.holds" (list $ "certificate" (printf "value.matches(%s)" (toJson $name))) | toJson }}
  message: {{ include "s3-access-proxy.cel.wrong" (list $ "certificate" "neither a Secret's name nor csi.cert-manager.io, spiffe.csi.cert-manager.io, csi.spiffe.io") | toJson }}
{{- if not $settings.cert_manager.issuer }}
- name: issuer
  expression: {{ printf "%s != \"csi.cert-manager.io\"" $wish.certificate | toJson }}
  message: {{ "annotation s3-access-proxy.io/certificate: 'csi.cert-manager.io': this cluster's administrator has named no issuer" | toJson | toJson }}
{{- end }}
- name: certificate-of-a-server
  expression: {{ printf "%s != \"spiffe.csi.cert-manager.io\" || %s != \"sidecar\"" $wish.certificate $wish.mode | toJson }}
  message: {{ "annotation s3-access-proxy.io/certificate: 'spiffe.csi.cert-manager.io': its certificates bear no DNS name, which a server needs; take csi.cert-manager.io, or the mode bridge" | toJson | toJson }}
- name: resources
  expression: {{ include "s3-access-proxy.cel.holds" (list $ "resources" (printf "value.matches(%s) && [\"requests.cpu\", \"requests.memory\", \"limits.cpu\", \"limits.memory\"].all(k, value.split(\",\").filter(x, x.startsWith(k + \"=\")).size() <= 1)" (toJson (printf "^%s(,%s)*$" $entry $entry)))) | toJson }}
  message: {{ include "s3-access-proxy.cel.wrong" (list $ "resources" "this is written like requests.cpu=50m,requests.memory=64Mi,limits.memory=256Mi") | toJson }}
- name: own-aws-credentials
  expression: {{ include "s3-access-proxy.cel.holds" (list $ "own-aws-credentials" "value in [\"true\", \"false\"]") | toJson }}
  message: {{ include "s3-access-proxy.cel.wrong" (list $ "own-aws-credentials" "neither \"true\" nor \"false\"") | toJson }}
- name: windows
  expression: {{ "!(has(object.spec.os) && object.spec.os.name == \"windows\") && !(has(object.spec.nodeSelector) && \"kubernetes.io/os\" in object.spec.nodeSelector && object.spec.nodeSelector[\"kubernetes.io/os\"] == \"windows\")" | toJson }}
  message: {{ "spec: the sidecar does not run on Windows; remove the label s3-access-proxy.io/inject" | toJson | toJson }}
- name: host-network
  expression: "!has(object.spec.hostNetwork) || !object.spec.hostNetwork"
  message: {{ "spec.hostNetwork: on the node's network every process of the node would reach the proxy; remove it, or the label s3-access-proxy.io/inject" | toJson | toJson }}
{{- range $key := list "shareProcessNamespace" "hostPID" }}
- name: {{ kebabcase $key }}
  expression: {{ printf "%s != \"sidecar\" || !has(object.spec.%s) || !object.spec.%s" $wish.mode $key $key | toJson }}
  message: {{ printf "spec.%s: who sees the proxy's process can read its token; remove it, or take the mode bridge" $key | toJson | toJson }}
{{- end }}
- name: number-of-containers
  expression: {{ printf "size(object.spec.containers) <= 32 && size(%s) <= 32" (include "s3-access-proxy.cel.init" .) | toJson }}
  message: {{ "spec.containers: a pod with a sidecar has 32 containers of a kind at most" | toJson | toJson }}
- name: container-names
  expression: {{ printf "size(%s) == 0" $takenNames | toJson }}
  message: {{ printf "\"spec.containers: only the sidecar is called \" + %s.map(c, c.name).join(\", \") + \"; rename the container\"" $takenNames | toJson }}
- name: volume-names
  expression: {{ printf "%s || size(%s) == 0" (include "s3-access-proxy.cel.injected" .) $takenVolumes | toJson }}
  message: {{ printf "\"spec.volumes: only the sidecar's are called \" + %s.map(v, v.name).join(\", \") + \"; rename the volume\"" $takenVolumes | toJson }}
- name: own-role
  expression: {{ printf "%s || size(%s) == 0" $wish.own $withRole | toJson }}
  message: {{ printf "\"spec.containers: \" + %s.map(c, c.name).join(\", \") + %s" $withRole (printf ": the environment holds an AWS role beside the proxy's%s" $exception | toJson) | toJson }}
- name: own-keys
  expression: {{ printf "%s || size(%s) == 0" $wish.own $withKey | toJson }}
  message: {{ printf "\"spec.containers: \" + %s.map(c, c.name).join(\", \") + %s" $withKey (": the environment holds an AWS access key; take it out, or say s3-access-proxy.io/own-aws-credentials: \"true\"" | toJson) | toJson }}
- name: own-token
  expression: {{ printf "%s || size(%s) == 0" $wish.own $tokens | toJson }}
  message: {{ printf "\"spec.volumes: \" + %s.map(v, v.name).join(\", \") + %s" $tokens (printf ": a token for AWS beside the proxy's%s" $exception | toJson) | toJson }}
- name: proxy-token
  expression: {{ printf "size(%s) == 0" $withToken | toJson }}
  message: {{ printf "\"spec.containers: \" + %s.map(c, c.name).join(\", \") + \": the proxy's token is mounted; remove the mount of s3-access-proxy-token\"" $withToken | toJson }}
{{- end -}}
