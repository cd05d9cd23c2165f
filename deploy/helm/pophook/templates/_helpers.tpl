{{- define "pophook.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "pophook.selector" -}}
app.kubernetes.io/name: pophook
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pophook.labels" -}}
{{ include "pophook.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "pophook.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "pophook.fullname" .) "default") }}
{{- end -}}

{{- define "pophook.secret" -}}
{{ .Values.secret.name | default (include "pophook.fullname" .) }}
{{- end -}}

{{- define "pophook.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}
