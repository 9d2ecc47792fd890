{{/*
CEL of the admission policies: what `proxy webhook` decides, in expressions. src/inject/ has the same in Rust, and
tests/data/inject the pods on which both must agree, to the letter of each refusal.
*/}}

{{/*
A value as a CEL literal: (list value "Object.spec.initContainers"). Maps become objects of that type, because Kubernetes' CEL
has no maps of mixed types; maps below requests, limits, volumeAttributes and matchLabels stay maps. Text that starts with `cel:`
is an expression.
*/}}
{{- define "s3-access-proxy.cel" -}}
{{- $value := index . 0 -}}
{{- $type := index . 1 -}}
{{- if kindIs "map" $value -}}
{{- $plain := has (last (splitList "." $type)) (list "requests" "limits" "volumeAttributes") -}}
{{- if not $plain }}{{ $type }}{{ end -}}
{
{{- range $i, $key := keys $value | sortAlpha -}}
{{- if $i }}, {{ end -}}
{{- if $plain }}{{ toJson $key }}{{ else }}{{ $key }}{{ end }}: {{ include "s3-access-proxy.cel" (list (index $value $key) (printf "%s.%s" $type $key)) -}}
{{- end -}}
}
{{- else if kindIs "slice" $value -}}
[
{{- range $i, $item := $value -}}
{{- if $i }}, {{ end -}}
{{- include "s3-access-proxy.cel" (list $item $type) -}}
{{- end -}}
]
{{- else if and (kindIs "string" $value) (hasPrefix "cel:" $value) -}}
{{- trimPrefix "cel:" $value -}}
{{- else -}}
{{- toJson $value -}}
{{- end -}}
{{- end -}}

{{/* The pod's annotations, whether it has any or not */}}
{{- define "s3-access-proxy.cel.annotations" -}}
(has(object.metadata.annotations) ? object.metadata.annotations : {})
{{- end -}}

{{/* (list $ "mode" (list words) default) -> the annotation where it is one of the words, else the default */}}
{{- define "s3-access-proxy.cel.word" -}}
{{- $annotations := include "s3-access-proxy.cel.annotations" . -}}
{{- $key := printf "s3-access-proxy.io/%s" (index . 1) | toJson -}}
({{ $key }} in {{ $annotations }} && {{ $annotations }}[{{ $key }}] in {{ index . 2 | toJson }} ? {{ $annotations }}[{{ $key }}] : {{ index . 3 | toJson }})
{{- end -}}

{{/* (list $ "config" "regular expression" default) -> the annotation where it matches, else the default */}}
{{- define "s3-access-proxy.cel.matching" -}}
{{- $annotations := include "s3-access-proxy.cel.annotations" . -}}
{{- $key := printf "s3-access-proxy.io/%s" (index . 1) | toJson -}}
({{ $key }} in {{ $annotations }} && {{ $annotations }}[{{ $key }}].matches({{ index . 2 | toJson }}) ? {{ $annotations }}[{{ $key }}] : {{ index . 3 | toJson }})
{{- end -}}

{{/* What a pod asks for, defaults included: mode, client, certificate, config, own (credentials beside the proxy's) */}}
{{- define "s3-access-proxy.cel.wish" -}}
{{- $settings := include "s3-access-proxy.injection.settings" . | fromYaml -}}
{{- $name := include "s3-access-proxy.cel.objectName" . -}}
mode: {{ include "s3-access-proxy.cel.word" (list $ "mode" (list "sidecar" "bridge") $settings.mode) | toJson }}
client: {{ include "s3-access-proxy.cel.word" (list $ "client" (list "plain" "certificate") $settings.client) | toJson }}
certificate: {{ include "s3-access-proxy.cel.matching" (list $ "certificate" $name $settings.certificate) | toJson }}
config: {{ include "s3-access-proxy.cel.matching" (list $ "config" $name $settings.config) | toJson }}
own: {{ printf "%s == \"true\"" (include "s3-access-proxy.cel.word" (list $ "own-aws-credentials" (list "true" "false") "false")) | toJson }}
{{- end -}}

{{- define "s3-access-proxy.cel.objectName" -}}
^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$
{{- end -}}

{{/* Containers of ours; the pod's init containers; its own containers of both kinds */}}
{{- define "s3-access-proxy.cel.ours" -}}
["s3-access-proxy", "s3-access-proxy-bridge", "s3-access-proxy-spiffe"]
{{- end -}}

{{- define "s3-access-proxy.cel.init" -}}
(has(object.spec.initContainers) ? object.spec.initContainers : [])
{{- end -}}

{{- define "s3-access-proxy.cel.containers" -}}
({{ include "s3-access-proxy.cel.init" . }}.filter(c, !(c.name in {{ include "s3-access-proxy.cel.ours" . }})) + object.spec.containers)
{{- end -}}

{{- define "s3-access-proxy.cel.injected" -}}
{{ include "s3-access-proxy.cel.init" . }}.exists(c, c.name in {{ include "s3-access-proxy.cel.ours" . }})
{{- end -}}

{{- define "s3-access-proxy.cel.volumes" -}}
(has(object.spec.volumes) ? object.spec.volumes : [])
{{- end -}}

{{- define "s3-access-proxy.cel.asked" -}}
object.metadata.labels["s3-access-proxy.io/inject"] == "true"
{{- end -}}

{{/* (list $ "key" "what is wrong, behind the value") -> a check's message, in CEL */}}
{{- define "s3-access-proxy.cel.wrong" -}}
{{- $key := printf "s3-access-proxy.io/%s" (index . 1) -}}
{{- printf "annotation %s: '" $key | toJson }} + {{ include "s3-access-proxy.cel.annotations" . }}[{{ toJson $key }}] + {{ printf "': %s" (index . 2) | toJson -}}
{{- end -}}

{{/* (list $ "key" "CEL that holds for `value`") -> that the annotation is not there, or as it should be */}}
{{- define "s3-access-proxy.cel.holds" -}}
{{- $annotations := include "s3-access-proxy.cel.annotations" . -}}
{{- $key := printf "s3-access-proxy.io/%s" (index . 1) | toJson -}}
!({{ $key }} in {{ $annotations }}) || [{{ $annotations }}[{{ $key }}]].all(value, {{ index . 2 }})
{{- end -}}
