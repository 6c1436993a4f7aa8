{{- define "consul.name" -}}
{{ .Chart.Name }}
{{- end }}

{{- define "consul.fullname" -}}
{{ .Values.global.name | default (printf "%s-consul" .Release.Name) | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "consul.serverName" -}}
{{ include "consul.fullname" . }}-server
{{- end }}

{{/* A StatefulSet's selector cannot be changed: neither can these. */}}
{{- define "consul.selectorLabels" -}}
app: {{ include "consul.name" . }}
release: {{ .Release.Name | quote }}
component: server
{{- end }}

{{- define "consul.labels" -}}
{{ include "consul.selectorLabels" . }}
chart: {{ .Chart.Name }}-{{ .Chart.Version }}
heritage: {{ .Release.Service }}
{{- end }}

{{/* Whether the servers answer plain HTTP. */}}
{{- define "consul.http" -}}
{{- if not (and .Values.global.tls.enabled .Values.global.tls.httpsOnly) }}true{{ end }}
{{- end }}

{{/* YAML in a string, with templates, that must be a list or a map: list $ "server.affinity" value kind */}}
{{- define "consul.yaml" -}}
{{- $root := index . 0 }}
{{- $path := index . 1 }}
{{- $kind := index . 3 }}
{{- $text := tpl (index . 2) $root }}
{{- $parsed := index (fromYaml (printf "value:\n%s" (indent 2 $text)) | default dict) "value" }}
{{- if not (kindIs $kind $parsed) }}
{{- fail (printf "%s: got %q, want a %s in YAML" $path $text (eq $kind "slice" | ternary "list" "map")) }}
{{- end }}
{{- toYaml $parsed }}
{{- end }}

{{/*
What all servers read. It holds no secret: those are put beside it when a server starts.

A server that is stopped leaves: it gives up its vote, and its name may appear at another address at once. One that is merely gone
keeps both for half a minute, which makes a rolling update of three a matter of minutes. Back again, it gets its vote after
server_stabilization_time (of which only the first start of all takes notice), and only then is the next one stopped
(minReadySeconds). When all stop, the last one keeps the data and its vote, and the others join it again.
*/}}
{{- define "consul.config" -}}
{{- $tls := .Values.global.tls }}
{{- $config := dict
  "datacenter" .Values.global.datacenter
  "data_dir" "/consul/data"
  "server" true
  "bootstrap_expect" (int .Values.server.replicas)
  "log_level" .Values.global.logLevel
  "bind_addr" "0.0.0.0"
  "client_addr" "0.0.0.0"
  "leave_on_terminate" true
  "skip_leave_on_interrupt" true
  "retry_interval" "5s"
  "disable_update_check" true
  "ui_config" (dict "enabled" .Values.ui.enabled)
  "connect" (dict "enabled" false)
  "performance" (dict "raft_multiplier" 1)
  "autopilot" (dict "min_quorum" (int .Values.server.replicas) "server_stabilization_time" "2s")
  "ports" (dict
    "http" (eq (include "consul.http" .) "true" | ternary 8500 -1)
    "https" ($tls.enabled | ternary 8501 -1)
    "dns" -1
    "grpc" -1
    "grpc_tls" -1
    "serf_wan" -1)
}}
{{- if $tls.enabled }}
{{- $_ := set $config "tls" (dict
  "defaults" (dict
    "ca_file" "/consul/tls/ca/tls.crt"
    "cert_file" "/consul/tls/server/tls.crt"
    "key_file" "/consul/tls/server/tls.key"
    "verify_outgoing" $tls.verify)
  "internal_rpc" (dict "verify_incoming" $tls.verify "verify_server_hostname" $tls.verify)
  "https" (dict "verify_incoming" false))
}}
{{- end }}
{{- if .Values.global.acls.manageSystemACLs }}
{{- $_ := set $config "acl" (dict
  "enabled" true
  "default_policy" "deny"
  "enable_token_persistence" true)
}}
{{- end }}
{{- toPrettyJson $config }}
{{- end }}

{{/* Checked here because a server that cannot read it would only say so in its log. */}}
{{- define "consul.extraConfig" -}}
{{- $text := tpl .Values.server.extraConfig . }}
{{- $parsed := fromJson $text }}
{{- with $parsed.Error }}
{{- fail (printf "server.extraConfig: want an object in JSON: %s" .) }}
{{- end }}
{{- toPrettyJson $parsed }}
{{- end }}

{{/*
The command of a server. Secrets come from mounted files and go to files in memory by what the shell itself can do:
neither arguments nor environment of any process, which others can read, ever hold them.

A server joins the others by name but never itself: joining itself counts as success, so a server that is the first to
find its own name in DNS would look for nobody else.
*/}}
{{- define "consul.start" -}}
umask 077
{{- if .Values.global.gossipEncryption.secretName }}
read -r key </consul/gossip/key || [ -n "$key" ]
printf '{"encrypt":"%s"}\n' "$key" >/consul/secrets/gossip.json
{{- end }}
{{- if .Values.global.acls.manageSystemACLs }}
read -r token </consul/acl/token || [ -n "$token" ]
printf '{"acl":{"tokens":{"initial_management":"%s","agent":"%s"}}}\n' "$token" "$token" >/consul/secrets/acl.json
{{- end }}
set --
{{- $server := include "consul.serverName" . }}
for peer in {{ range until (int .Values.server.replicas) }}{{ $server }}-{{ . }} {{ end }}; do
  [ "$peer" = "$POD_NAME" ] || set -- "$@" "-retry-join=$peer.{{ $server }}.$NAMESPACE.svc"
done
exec consul agent -node="$POD_NAME" -advertise="$POD_IP" -config-file=/consul/config/server.json \
  -config-dir=/consul/secrets -config-file=/consul/config/extra-from-values.json "$@"
{{- end }}
