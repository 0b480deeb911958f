import { dropDraft, readDraft, writeDraft } from '@/lib/drafts';
import { follow, type Range } from '@/lib/literals';
import { createStore } from '@/lib/store';
import { returnedText } from '@/lib/sync';

const draftName = 'quick-add';

/** What is being typed, wherever the quick add shows: it survives a change of page and a reload. */
export interface Typed {
  text: string;
  /** The moment of typing, which "tomorrow" counts from. */
  now: string;
  /** Parts that were turned back into words. */
  literals: readonly Range[];
}

export const emptyTyped: Typed = { text: '', now: '', literals: [] };

const kept = readDraft<Typed>(draftName);
export const typed = createStore<Typed>(kept ?? emptyTyped);

typed.subscribe(() => {
  const current = typed.get();
  if (current.text === '') dropDraft(draftName);
  else writeDraft(draftName, current);
});

export function typeText(text: string): void {
  typed.set((old) => ({
    text,
    now: new Date().toISOString(),
    literals: follow(old.literals, old.text, text),
  }));
}

/** Turns a recognised part back into words. */
export function makeLiteral(range: Range): void {
  typed.set((old) => ({ ...old, literals: [...old.literals, range] }));
}

// What the server would not take comes back, unless something else is being typed by now.
returnedText.subscribe(() => {
  const text = returnedText.get();
  if (text === null) return;
  returnedText.set(null);
  if (typed.get().text === '') typeText(text);
});
