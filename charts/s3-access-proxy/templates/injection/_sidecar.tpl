{{/* The containers and volumes of a sidecar, in YAML; values that start with `cel:` are expressions. */}}

{{/* (dict "root" $ "name" "…" "image" "…" "port" 1 "portName" "…" "alive" "/livez" "ready" "/readyz") -> what all have in common */}}
{{- define "s3-access-proxy.sidecar.base" -}}
{{- $settings := include "s3-access-proxy.injection.settings" .root | fromYaml -}}
name: {{ .name }}
image: {{ .image | quote }}
imagePullPolicy: {{ $settings.image_pull_policy }}
restartPolicy: Always
terminationMessagePolicy: FallbackToLogsOnError
ports:
  - {name: {{ .portName }}, containerPort: {{ int .port }}, protocol: TCP}
startupProbe:
  httpGet: {path: {{ .ready }}, port: {{ int .port }}}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 120
livenessProbe:
  httpGet: {path: {{ .alive }}, port: {{ int .port }}}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 6
resources:
  requests: {{ default dict $settings.resources.requests | toJson }}
  limits: {{ default dict $settings.resources.limits | toJson }}
securityContext:
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  privileged: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  {{- if ne (toString $settings.run_as_user) "assigned" }}
  runAsUser: {{ $settings.run_as_user | int64 }}
  runAsGroup: {{ $settings.run_as_user | int64 }}
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "s3-access-proxy.sidecar.proxy" -}}
{{- $settings := include "s3-access-proxy.injection.settings" . | fromYaml -}}
{{- $tls := "/var/run/s3-access-proxy/tls" -}}
{{ include "s3-access-proxy.sidecar.base" (dict "root" . "name" "s3-access-proxy" "image" $settings.image "portName" "s3proxy-admin" "port" $settings.ports.admin "alive" "/livez" "ready" "/readyz") }}
args: [run, --config, /etc/s3-access-proxy/config.yaml]
env:
  - {name: AWS_ROLE_ARN, value: 'cel:object.metadata.annotations["s3-access-proxy.io/role-arn"]'}
  - {name: AWS_WEB_IDENTITY_TOKEN_FILE, value: /var/run/secrets/s3-access-proxy/token}
  {{- with $settings.region }}
  - {name: AWS_REGION, value: {{ . | quote }}}
  {{- end }}
  - {name: S3PROXY_LISTEN, value: "127.0.0.1:{{ int $settings.ports.proxy }}"}
  - {name: S3PROXY_ADMIN, value: "{{ $settings.bind_address }}:{{ int $settings.ports.admin }}"}
  - {name: S3PROXY_TLS__CERTIFICATE, value: {{ $tls }}/tls.crt}
  - {name: S3PROXY_TLS__PRIVATE_KEY, value: {{ $tls }}/tls.key}
  - {name: S3PROXY_TLS__CLIENT_CA, value: {{ $tls }}/ca.crt}
  - {name: S3PROXY_CREDENTIALS__SOURCE, value: web_identity}
volumeMounts:
  - {name: s3-access-proxy-tls, mountPath: {{ $tls }}, readOnly: true}
  - {name: s3-access-proxy-token, mountPath: /var/run/secrets/s3-access-proxy, readOnly: true}
  - {name: s3-access-proxy-config, mountPath: /etc/s3-access-proxy, readOnly: true}
{{- end -}}

{{- define "s3-access-proxy.sidecar.bridge" -}}
{{- $settings := include "s3-access-proxy.injection.settings" . | fromYaml -}}
{{- $tls := "/var/run/s3-access-proxy/tls" -}}
{{- $gateway := default dict $settings.gateway -}}
{{- $mode := (include "s3-access-proxy.cel.wish" . | fromYaml).mode -}}
{{- $common := list "--cert" (printf "%s/tls.crt" $tls) "--key" (printf "%s/tls.key" $tls) "--ca" (printf "%s/ca.crt" $tls) "--listen" (printf "127.0.0.1:%d" (int $settings.ports.plain)) "--admin" (printf "%s:%d" $settings.bind_address (int $settings.ports.bridge_admin)) -}}
{{- $own := concat (list "connect" "--to" (printf "127.0.0.1:%d" (int $settings.ports.proxy))) $common (list "--server-name" "localhost") -}}
{{- $away := concat (list "connect" "--to" (default "" $gateway.to)) $common -}}
{{- with $gateway.server_name }}{{ $away = concat $away (list "--server-name" .) }}{{ end -}}
{{ include "s3-access-proxy.sidecar.base" (dict "root" . "name" "s3-access-proxy-bridge" "image" $settings.image "portName" "s3bridge-admin" "port" $settings.ports.bridge_admin "alive" "/livez" "ready" "/readyz") }}
args: {{ printf "cel:(%s == \"sidecar\" ? %s : %s)" $mode (toJson $own) (toJson $away) | toJson }}
volumeMounts:
  - {name: s3-access-proxy-tls, mountPath: {{ $tls }}, readOnly: true}
{{- end -}}

{{- define "s3-access-proxy.sidecar.helper" -}}
{{- $settings := include "s3-access-proxy.injection.settings" . | fromYaml -}}
{{ include "s3-access-proxy.sidecar.base" (dict "root" . "name" "s3-access-proxy-spiffe" "image" $settings.spiffe.helper_image "portName" "s3spiffe-health" "port" $settings.ports.helper "alive" "/live" "ready" "/ready") }}
args: [-config, /etc/spiffe-helper/helper.conf]
volumeMounts:
  - {name: s3-access-proxy-tls, mountPath: /var/run/s3-access-proxy/tls}
  - {name: s3-access-proxy-workload-api, mountPath: /spiffe-workload-api, readOnly: true}
  - {name: s3-access-proxy-spiffe-helper, mountPath: /etc/spiffe-helper, readOnly: true}
{{- end -}}

{{/* What spiffe-helper is told; src/inject/volumes.rs has the same. */}}
{{- define "s3-access-proxy.sidecar.helperConfig" -}}
{{- $settings := include "s3-access-proxy.injection.settings" . | fromYaml -}}
{{- printf "agent_address = \"/spiffe-workload-api/%s\"\ncert_dir = \"/var/run/s3-access-proxy/tls\"\nsvid_file_name = \"tls.crt\"\nsvid_key_file_name = \"tls.key\"\nsvid_bundle_file_name = \"ca.crt\"\ndaemon_mode = true\nhealth_checks {\n  listener_enabled = true\n  bind_port = %d\n  liveness_path = \"/live\"\n  readiness_path = \"/ready\"\n}\n" $settings.spiffe.socket (int $settings.ports.helper) -}}
{{- end -}}

{{/* Volumes by where the certificate comes from, and those of a proxy */}}
{{- define "s3-access-proxy.sidecar.volumes" -}}
{{- $settings := include "s3-access-proxy.injection.settings" . | fromYaml -}}
{{- $wish := include "s3-access-proxy.cel.wish" . | fromYaml -}}
{{- $issuer := $settings.cert_manager -}}
{{- $group := ne (toString $settings.run_as_user) "assigned" | ternary (toString ($settings.run_as_user | int64)) "" -}}
secret:
  - name: s3-access-proxy-tls
    secret: {secretName: {{ printf "cel:%s" $wish.certificate | toJson }}}
certManager:
  - name: s3-access-proxy-tls
    csi:
      driver: csi.cert-manager.io
      readOnly: true
      volumeAttributes:
        csi.cert-manager.io/issuer-name: {{ $issuer.issuer | quote }}
        csi.cert-manager.io/issuer-kind: {{ $issuer.kind | quote }}
        csi.cert-manager.io/issuer-group: {{ $issuer.group | quote }}
        csi.cert-manager.io/dns-names: localhost
        csi.cert-manager.io/uri-sans: {{ printf "spiffe://%s/ns/${POD_NAMESPACE}/sa/${SERVICE_ACCOUNT_NAME}" $issuer.trust_domain | quote }}
        csi.cert-manager.io/key-usages: digital signature,server auth,client auth
        {{- with $group }}
        csi.cert-manager.io/fs-group: {{ . | quote }}
        {{- end }}
certManagerSpiffe:
  - name: s3-access-proxy-tls
    csi:
      driver: spiffe.csi.cert-manager.io
      readOnly: true
      {{- with $group }}
      volumeAttributes:
        spiffe.csi.cert-manager.io/fs-group: {{ . | quote }}
      {{- end }}
spiffe:
  - name: s3-access-proxy-tls
    emptyDir: {medium: Memory, sizeLimit: 1Mi}
  - name: s3-access-proxy-workload-api
    csi: {driver: csi.spiffe.io, readOnly: true}
  - name: s3-access-proxy-spiffe-helper
    downwardAPI:
      items:
        - path: helper.conf
          fieldRef: {fieldPath: "metadata.annotations['s3-access-proxy.io/spiffe-helper']"}
proxy:
  - name: s3-access-proxy-token
    projected:
      sources:
        - serviceAccountToken:
            audience: {{ $settings.token.audience | quote }}
            expirationSeconds: {{ $settings.token.expiration_seconds | int64 }}
            path: token
  - name: s3-access-proxy-config
    configMap: {name: {{ printf "cel:%s" $wish.config | toJson }}}
{{- end -}}

{{/* (list $ "containers" "object.spec.containers" "0") -> operations that equip the pod's own containers of a kind */}}
{{- define "s3-access-proxy.cel.equip" -}}
{{- $settings := include "s3-access-proxy.injection.settings" (index . 0) | fromYaml -}}
{{- $kind := index . 1 -}}
{{- $list := index . 2 -}}
{{- $places := printf "variables.%s" $kind -}}
{{- $path := printf "\"/spec/%s/\" + string(i + %s)" $kind (index . 3) -}}
{{- $type := printf "Object.spec.%s" $kind -}}
{{- $sets := printf "has(%s[i].env) && %s[i].env.exists(e, e.name in %%s)" $list $list -}}
{{- $credentials := printf $sets (toJson (list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" "AWS_PROFILE" "AWS_ROLE_ARN" "AWS_WEB_IDENTITY_TOKEN_FILE" "AWS_CONTAINER_CREDENTIALS_FULL_URI" "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")) -}}
{{ $places }}.filter(i, !has({{ $list }}[i].env)).map(i, JSONPatch{op: "add", path: {{ $path }} + "/env", value: []})
+ {{ $places }}.map(i, JSONPatch{op: "add", path: {{ $path }} + "/env/-", value: {{ $type }}.env{name: "AWS_ENDPOINT_URL_S3", value: variables.endpoint}})
+ (variables.shows ? {{ $places }}.filter(i, !({{ printf $sets (toJson (list "AWS_CA_BUNDLE")) }})).map(i, JSONPatch{op: "add", path: {{ $path }} + "/env/-", value: {{ $type }}.env{name: "AWS_CA_BUNDLE", value: "/var/run/s3-access-proxy/tls/ca.crt"}}) : [])
{{- with $settings.region }}
+ {{ $places }}.filter(i, !({{ printf $sets (toJson (list "AWS_REGION" "AWS_DEFAULT_REGION")) }})).map(i, JSONPatch{op: "add", path: {{ $path }} + "/env/-", value: {{ $type }}.env{name: "AWS_REGION", value: {{ toJson . }}}})
{{- end }}
+ {{ $places }}.filter(i, !({{ $credentials }})).map(i, JSONPatch{op: "add", path: {{ $path }} + "/env/-", value: {{ $type }}.env{name: "AWS_ACCESS_KEY_ID", value: "s3-access-proxy"}})
+ {{ $places }}.filter(i, !({{ $credentials }})).map(i, JSONPatch{op: "add", path: {{ $path }} + "/env/-", value: {{ $type }}.env{name: "AWS_SECRET_ACCESS_KEY", value: "s3-access-proxy"}})
+ (variables.shows ? {{ $places }}.filter(i, !has({{ $list }}[i].volumeMounts)).map(i, JSONPatch{op: "add", path: {{ $path }} + "/volumeMounts", value: []})
  + {{ $places }}.map(i, JSONPatch{op: "add", path: {{ $path }} + "/volumeMounts/-", value: {{ $type }}.volumeMounts{name: "s3-access-proxy-tls", mountPath: "/var/run/s3-access-proxy/tls", readOnly: true}}) : [])
{{- end -}}

{{/* (list $ (list volumes)) -> operations that add them */}}
{{- define "s3-access-proxy.cel.addVolumes" -}}
[
{{- range $i, $volume := . -}}
{{- if $i }}, {{ end -}}
JSONPatch{op: "add", path: "/spec/volumes/-", value: {{ include "s3-access-proxy.cel" (list $volume "Object.spec.volumes") }}}
{{- end -}}
]
{{- end -}}

{{/* YAML of a container -> operations that put it in front, with the pod's own resources */}}
{{- define "s3-access-proxy.cel.addContainer" -}}
[JSONPatch{op: "add", path: "/spec/initContainers/0", value: {{ include "s3-access-proxy.cel" (list (fromYaml .) "Object.spec.initContainers") }}}]
+ variables.resources.map(x, JSONPatch{op: "add", path: "/spec/initContainers/0/resources/" + x.split("=")[0].replace(".", "/"), value: x.split("=")[1]})
{{- end -}}
