import type { Notification } from '@/lib/api/types';
import { instantWords, momentWords } from '@/lib/time';

interface ReminderData {
  kind: 'due' | 'overdue';
  task_title: string;
  due_date: string | null;
  due_on: string | null;
}

/** What a notification is about, in the user's zone; the server's own words where it is no reminder. */
export function wordsOf(notification: Notification): { title: string; text: string } {
  const about = notification.data as Partial<ReminderData>;
  if (about.kind === undefined || about.task_title === undefined) {
    return { title: notification.title, text: notification.message };
  }
  const due = about.due_on
    ? momentWords(Temporal.PlainDate.from(about.due_on), null)
    : about.due_date
      ? instantWords(about.due_date)
      : '';
  const verb = about.kind === 'overdue' ? 'Was due' : 'Due';
  return { title: about.task_title, text: due === '' ? notification.message : `${verb} ${due}` };
}
