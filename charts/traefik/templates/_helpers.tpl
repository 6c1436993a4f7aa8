{{- define "traefik.name" -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* A workload's selector cannot be changed: neither can these. */}}
{{- define "traefik.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}-{{ .Release.Namespace }}
{{- end }}

{{- define "traefik.metadata" -}}
name: {{ include "traefik.name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "traefik.labels" . | nindent 2 }}
{{- end }}

{{- define "traefik.labels" -}}
{{ include "traefik.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{/* Traefik's arguments, a YAML list. */}}
{{- define "traefik.arguments" -}}
{{- range $key, $value := .Values.global }}
- {{ printf "--global.%s=%v" $key $value | quote }}
{{- end }}
{{- range $name, $port := .Values.ports }}
{{- $entryPoint := printf "--entryPoints.%s" $name }}
- {{ printf "%s.address=:%d/tcp" $entryPoint (int $port.port) | quote }}
{{- if $port.asDefault }}
- {{ printf "%s.asDefault=true" $entryPoint | quote }}
{{- end }}
{{- with $port.proxyProtocol }}
- {{ printf "%s.proxyProtocol.trustedIPs=%s" $entryPoint (join "," .trustedIPs) | quote }}
{{- end }}
{{- with $port.forwardedHeaders }}
- {{ printf "%s.forwardedHeaders.trustedIPs=%s" $entryPoint (join "," .trustedIPs) | quote }}
{{- end }}
{{- range $group, $times := $port.transport }}
{{- range $key, $value := $times }}
- {{ printf "%s.transport.%s.%s=%v" $entryPoint $group $key $value | quote }}
{{- end }}
{{- end }}
{{- with $port.http }}
{{- with ((.redirections).entryPoint) }}
{{- $target := index $.Values.ports .to | required (printf "ports.%s.http.redirections.entryPoint.to: got %q, want the name of another port" $name .to) }}
{{- /* By the port that clients use: by name it would be the container's. */}}
- {{ printf "%s.http.redirections.entryPoint.to=:%d" $entryPoint (int $target.exposedPort) | quote }}
- {{ printf "%s.http.redirections.entryPoint.scheme=%s" $entryPoint (.scheme | default "https") | quote }}
- {{ printf "%s.http.redirections.entryPoint.permanent=%t" $entryPoint (.permanent | default false) | quote }}
{{- end }}
{{- with .middlewares }}
- {{ printf "%s.http.middlewares=%s" $entryPoint (join "," .) | quote }}
{{- end }}
{{- if (.tls).enabled }}
- {{ printf "%s.http.tls=true" $entryPoint | quote }}
{{- end }}
{{- end }}
{{- end }}
- --api.dashboard=true
- --api.disableDashboardAd=true
- --ping=true
- --ping.terminatingStatusCode=503
- --log.level={{ .Values.logs.general.level }}
- --log.format={{ .Values.logs.general.format }}
{{- if .Values.logs.access.enabled }}
- --accesslog=true
- --accesslog.format={{ .Values.logs.access.format }}
{{- end }}
{{- with .Values.metrics.prometheus }}
- --metrics.prometheus=true
- --metrics.prometheus.entrypoint={{ .entryPoint }}
{{- end }}
{{- with .Values.providers }}
{{- if .kubernetesCRD.enabled }}
- --providers.kubernetescrd=true
- --providers.kubernetescrd.allowCrossNamespace={{ .kubernetesCRD.allowCrossNamespace }}
{{- end }}
{{- if .kubernetesIngress.enabled }}
- --providers.kubernetesingress=true
{{- end }}
{{- if .file.enabled }}
- --providers.file.directory=/etc/traefik/dynamic
- --providers.file.watch={{ .file.watch }}
{{- end }}
{{- end }}
{{- range .Values.additionalArguments }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{- define "traefik.podTemplate" -}}
metadata:
  labels:
    {{- include "traefik.selectorLabels" . | nindent 4 }}
  annotations:
    {{- with (.Values.metrics.prometheus) }}
    prometheus.io/scrape: "true"
    prometheus.io/path: /metrics
    prometheus.io/port: {{ (index $.Values.ports .entryPoint).port | quote }}
    {{- end }}
    {{- with .Values.deployment.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "traefik.name" . }}
  # Variables for every Service of the namespace would be read as Traefik's own settings.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.deployment.terminationGracePeriodSeconds }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- range $key := list "nodeSelector" "affinity" "tolerations" "topologySpreadConstraints" }}
  {{- with index $.Values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  containers:
    - name: traefik
      {{- with .Values.image }}
      image: {{ .registry }}/{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
      imagePullPolicy: {{ .pullPolicy }}
      {{- end }}
      args:
        {{- include "traefik.arguments" . | nindent 8 }}
      env:
        - name: POD_NAME
          valueFrom: { fieldRef: { fieldPath: metadata.name } }
        - name: POD_NAMESPACE
          valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
        {{- with .Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        {{- range $name, $port := .Values.ports }}
        - name: {{ $name }}
          containerPort: {{ $port.port }}
        {{- end }}
      readinessProbe:
        httpGet: { path: {{ .Values.deployment.readinessPath | default "/ping" }}, port: traefik }
        {{- toYaml .Values.readinessProbe | nindent 8 }}
      livenessProbe:
        httpGet: { path: {{ .Values.deployment.livenessPath | default "/ping" }}, port: traefik }
        {{- toYaml .Values.livenessProbe | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if .Values.providers.file.enabled }}
        - name: dynamic
          mountPath: /etc/traefik/dynamic
          readOnly: true
        {{- end }}
        {{- range .Values.volumes }}
        - name: {{ .name }}
          mountPath: {{ .mountPath }}
          readOnly: true
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
    {{- if .Values.providers.file.enabled }}
    - name: dynamic
      configMap:
        name: {{ include "traefik.name" . }}-file-provider
    {{- end }}
    {{- range .Values.volumes }}
    - name: {{ .name }}
      {{- if eq .type "secret" }}
      secret:
        secretName: {{ .name }}
      {{- else }}
      configMap:
        name: {{ .name }}
      {{- end }}
    {{- end }}
{{- end }}
