import { api, data } from '@/lib/api/client';
import type { Notification } from '@/lib/api/types';
import { cachedTask, preferencesKey, queryClient } from '@/lib/cache';
import { openLayer } from '@/lib/layers';
import { onNotification } from '@/lib/live';
import { prefs } from '@/lib/prefs';
import { openTask } from '@/lib/router';
import { fetchTask } from '@/lib/sync';
import { toast } from '@/lib/toasts';
import { wordsOf } from './words';

/** Whether the user wants toasts, as the settings have it. */
const toastsWanted = async () => {
  const preferences = await queryClient.fetchQuery({
    queryKey: preferencesKey,
    queryFn: () => data(api.GET('/api/v1/auth/me/preferences')),
    staleTime: Number.POSITIVE_INFINITY,
  });
  return preferences.toast_notifications;
};

async function rescheduleLater(taskId: string) {
  const task = cachedTask(taskId) ?? (await fetchTask(taskId));
  if (task === null) return;
  openLayer({ kind: 'reschedule', tasks: [task], anchor: null, reminder: true });
}

function tell(notification: Notification): void {
  const { title, text } = wordsOf(notification);
  const { task_id } = notification;
  toast(`${title} · ${text}`, {
    ...(task_id === null ? {} : { open: () => openTask(task_id) }),
    actions:
      task_id === null ? [] : [{ label: 'Reschedule', run: () => void rescheduleLater(task_id) }],
  });
}

function tellSystem(notification: Notification): void {
  if (!prefs.get().systemNotifications || !('Notification' in window)) return;
  if (window.Notification.permission !== 'granted' || document.visibilityState === 'visible')
    return;
  const { title, text } = wordsOf(notification);
  const shown = new window.Notification(title, { body: text, tag: notification.id });
  shown.onclick = () => {
    window.focus();
    if (notification.task_id !== null) openTask(notification.task_id);
  };
}

/** Reminders as they come: toasts, and the system's own notifications where they are allowed. */
export function startTelling(): () => void {
  return onNotification(async (notification) => {
    tellSystem(notification);
    if (await toastsWanted().catch(() => true)) tell(notification);
  });
}
