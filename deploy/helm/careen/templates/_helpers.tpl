{{/* The release's name, with the chart's unless it has it. */}}
{{- define "careen.name" -}}
{{- $name := ternary .Release.Name (printf "%s-careen" .Release.Name) (contains "careen" .Release.Name) -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* What finds the pods; it never changes. */}}
{{- define "careen.selector" -}}
app.kubernetes.io/name: careen
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "careen.labels" -}}
{{ include "careen.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "careen.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "careen.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "careen.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* careen.toml. A JSON string, number or boolean is one of TOML, too. */}}
{{- define "careen.settings" -}}
{{- $chart := dict "data" "/data" "host" "0.0.0.0" "port" 5000 -}}
{{- $_ := set $chart "drain_delay" .Values.drainDelay -}}
{{- $_ := set $chart "shutdown_timeout" .Values.shutdownTimeout -}}
{{- $secret := list "database" "access_key_id" "secret_access_key" -}}
{{- range $name, $_ := .Values.config -}}
{{- if hasKey $chart $name }}{{ fail (printf "config.%s is the chart's own to set: see values.yaml" $name) }}{{ end -}}
{{- if has $name $secret }}{{ fail (printf "config.%s is a secret: see values.yaml" $name) }}{{ end -}}
{{- end -}}
{{- if .Values.ingress.enabled }}{{ $_ := set $chart "public_url" (printf "https://%s" .Values.ingress.host) }}{{ end -}}
{{- range $name, $value := merge (deepCopy .Values.config) $chart -}}
{{ $name }} = {{ $value | toRawJson }}
{{ end -}}
{{- end -}}

{{/* Variables from the keys of the Secret. Several nodes have a database, and it must be there; the others may be. */}}
{{- define "careen.secrets" -}}
{{- $variables := dict -}}
{{- if eq .Values.store "shared" }}{{ $_ := set $variables "CAREEN_DATABASE" "database" }}{{ end -}}
{{- $_ := set $variables "AWS_ACCESS_KEY_ID" "aws-access-key-id" -}}
{{- $_ := set $variables "AWS_SECRET_ACCESS_KEY" "aws-secret-access-key" -}}
{{- $_ := set $variables "CAREEN_ACCESS_KEY_ID" "root-access-key-id" -}}
{{- $_ := set $variables "CAREEN_SECRET_ACCESS_KEY" "root-secret-access-key" -}}
{{- range $variable, $key := $variables }}
- name: {{ $variable }}
  valueFrom: {secretKeyRef: {name: {{ $.Values.secret }}, key: {{ $key }}, optional: {{ ne $key "database" }}}}
{{- end }}
{{- end -}}
