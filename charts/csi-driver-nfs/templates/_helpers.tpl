{{/* An image by its key in the values; the driver's own has the chart's version where it has no tag. */}}
{{- define "image" -}}
{{- $image := index .root.Values.image .key -}}
image: {{ printf "%s:%s" $image.repository (default .root.Chart.AppVersion $image.tag) | quote }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- end -}}

{{/* Security context of what only talks to the API server and over a socket. */}}
{{- define "sidecarSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{/* What a small container asks for. */}}
{{- define "smallResources" -}}
resources: { requests: { cpu: 10m, memory: 20Mi }, limits: { memory: 400Mi } }
{{- end -}}
