{{- define "todo-app.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Short enough that the longest name made of it still is a name. */}}
{{- define "todo-app.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "todo-app.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "todo-app.release-labels" -}}
app.kubernetes.io/name: {{ include "todo-app.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "todo-app.labels" -}}
{{ include "todo-app.release-labels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* What the Service, the budget and the spread select: the server's pods, not those of jobs. */}}
{{- define "todo-app.server-labels" -}}
{{ include "todo-app.release-labels" . }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "todo-app.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "todo-app.service-account" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "todo-app.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The Secret with DATABASE_URL and, perhaps, DATABASE_DIRECT_URL and OPENAI_API_KEY. */}}
{{- define "todo-app.database-secret" -}}
{{- default .Values.secrets.databaseSecret .Values.secrets.existingSecret -}}
{{- end -}}

{{/* The Secret with JWT_SECRET and AUDIT_KEY: the operator's, or one that the chart makes. */}}
{{- define "todo-app.keys-secret" -}}
{{- default (printf "%s-keys" (include "todo-app.fullname" .)) .Values.secrets.existingSecret -}}
{{- end -}}

{{- define "todo-app.api-token-secret" -}}
{{- default (printf "%s-dapr-api-token" (include "todo-app.fullname" .)) .Values.dapr.tokens.existingApiTokenSecret -}}
{{- end -}}

{{- define "todo-app.app-token-secret" -}}
{{- default (printf "%s-app-api-token" (include "todo-app.fullname" .)) .Values.dapr.tokens.existingAppTokenSecret -}}
{{- end -}}

{{/*
A key of a Secret that the chart makes: what is there stays, whoever put it there, so that an upgrade
signs nobody out and a rotated key is not turned back. Takes (context, secret, key).
*/}}
{{- define "todo-app.kept-or-new" -}}
{{- $context := index . 0 -}}
{{- $there := lookup "v1" "Secret" $context.Release.Namespace (index . 1) | default dict -}}
{{- $data := get $there "data" | default dict -}}
{{- get $data (index . 2) | default (randAlphaNum 48 | b64enc) -}}
{{- end -}}

{{- define "todo-app.pod-security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "todo-app.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "todo-app.pull-secrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "todo-app.database-env" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "todo-app.database-secret" . }}
      key: DATABASE_URL
- name: DATABASE_DIRECT_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "todo-app.database-secret" . }}
      key: DATABASE_DIRECT_URL
      optional: true
{{- end -}}

{{/* Egress that every pod of the release needs: names, and the database. */}}
{{- define "todo-app.egress-database" -}}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- to:
    {{- range .Values.networkPolicy.databaseCidrs }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  ports:
    - port: {{ .Values.networkPolicy.databasePort }}
      protocol: TCP
{{- end -}}

{{- define "todo-app.readable-secrets" -}}
{{- $names := list (include "todo-app.database-secret" .) (include "todo-app.keys-secret" .) -}}
{{- if eq .Values.kafka.auth.type "password" -}}
{{- $names = append $names .Values.kafka.auth.passwordSecret -}}
{{- end -}}
{{- if and .Values.kafka.tls.enabled .Values.kafka.tls.caSecret -}}
{{- $names = append $names .Values.kafka.tls.caSecret -}}
{{- end -}}
{{- range uniq $names }}
- {{ . }}
{{- end }}
{{- end -}}
