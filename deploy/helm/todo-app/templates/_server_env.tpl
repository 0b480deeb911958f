{{/* The server's settings; those left empty keep the program's defaults. */}}
{{- define "todo-app.server-env" -}}
{{- $s := .Values.settings -}}
- {name: HOST, value: 0.0.0.0}
- {name: PORT, value: "8080"}
- {name: METRICS_PORT, value: "9464"}
{{- with $s.publicUrl }}
- {name: PUBLIC_URL, value: {{ . | quote }}}
{{- end }}
{{- with $s.trustedProxies }}
- {name: TRUSTED_PROXIES, value: {{ . | quote }}}
{{- end }}
- {name: REGISTRATION, value: {{ $s.registration | quote }}}
- {name: RATE_LIMITS, value: {{ $s.rateLimits | quote }}}
- {name: DB_POOL, value: {{ $s.dbPool | quote }}}
- {name: REMINDER_INTERVAL, value: {{ $s.reminderInterval | quote }}}
- {name: AUDIT_RETENTION, value: {{ $s.auditRetention | quote }}}
- {name: SHUTDOWN_DELAY, value: {{ $s.shutdownDelay | quote }}}
- {name: LOG_LEVEL, value: {{ $s.logLevel | quote }}}
{{- if .Values.dapr.enabled }}
- {name: EVENT_BUS, value: dapr}
- {name: PUBSUB_NAME, value: todo-pubsub}
- {name: APP_PORT, value: "8000"}
- {name: DAPR_HTTP_PORT, value: "3500"}
{{- if .Values.secrets.store.enabled }}
- {name: SECRET_STORE, value: todo-secrets}
{{- end }}
- name: DAPR_API_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ include "todo-app.api-token-secret" . }}
      key: token
- name: APP_API_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ include "todo-app.app-token-secret" . }}
      key: token
{{- with .Values.dapr.tracing.otlpEndpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ printf "http://%s" . | quote }}}
{{- end }}
{{- else }}
- {name: EVENT_BUS, value: embedded}
{{- end }}
{{- $only := and .Values.dapr.enabled .Values.secrets.store.enabled .Values.secrets.store.only }}
{{- if and $only (ne .Values.secrets.existingSecret "todo-backend") }}
{{- fail "secrets.store.only needs secrets.existingSecret to be todo-backend: that is what the program asks the store for" }}
{{- end }}
{{- if not $only }}
{{ include "todo-app.database-env" . }}
- name: JWT_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ include "todo-app.keys-secret" . }}
      key: JWT_SECRET
- name: AUDIT_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "todo-app.keys-secret" . }}
      key: AUDIT_KEY
- name: OPENAI_API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "todo-app.database-secret" . }}
      key: OPENAI_API_KEY
      optional: true
{{- end }}
{{- with $s.openaiBaseUrl }}
- {name: OPENAI_BASE_URL, value: {{ . | quote }}}
{{- end }}
{{- with $s.openaiModel }}
- {name: OPENAI_MODEL, value: {{ . | quote }}}
{{- end }}
{{- with $s.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
