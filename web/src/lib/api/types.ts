import type { components } from './schema.gen';

type Schemas = components['schemas'];

export type Task = Schemas['Task'];
export type TaskChange = Schemas['TaskChange'];
export type NewTask = Schemas['NewTask'];
export type Reading = Schemas['QuickAddReading'];
export type User = Schemas['User'];
export type Preferences = Schemas['Preferences'];
export type Notification = Schemas['Notification'];
export type NotificationPage = Schemas['NotificationPage'];
export type AuditEntry = Schemas['AuditEntry'];
export type AuditAction = Schemas['AuditAction'];
export type Reminder = Schemas['Reminder'];
export type ApiToken = Schemas['ApiToken'];
export type Problem = Schemas['Problem'];
export type Priority = NonNullable<Schemas['Priority']>;
export type Rule = Schemas['RecurrenceRule'];
export type Weekday = 'mo' | 'tu' | 'we' | 'th' | 'fr' | 'sa' | 'su';
