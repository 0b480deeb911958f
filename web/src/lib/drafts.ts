/**
 * What was typed and is not on the server yet. sessionStorage: it survives a reload, ends with the
 * tab, and signing out clears it.
 */
const prefix = 'todo.draft.';

export interface TextDraft {
  value: string;
  /** What the field held, and at which version, when typing began. */
  base: string;
  version: number;
}

export function readDraft<T>(name: string): T | null {
  try {
    const text = sessionStorage.getItem(prefix + name);
    return text === null ? null : (JSON.parse(text) as T);
  } catch {
    return null;
  }
}

export function writeDraft(name: string, draft: unknown): void {
  try {
    sessionStorage.setItem(prefix + name, JSON.stringify(draft));
  } catch {
    // A full storage loses only the copy: the text is still in its field.
  }
}

export function dropDraft(name: string): void {
  sessionStorage.removeItem(prefix + name);
}

export function dropAllDrafts(): void {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(prefix)) sessionStorage.removeItem(key);
  }
}

/** The drafts of a task go with it when it gets its id. */
export function renameDrafts(from: string, to: string): void {
  const start = `${prefix}${from}.`;
  for (const key of Object.keys(sessionStorage)) {
    const text = key.startsWith(start) ? sessionStorage.getItem(key) : null;
    if (text === null) continue;
    sessionStorage.setItem(`${prefix}${to}.${key.slice(start.length)}`, text);
    sessionStorage.removeItem(key);
  }
}
