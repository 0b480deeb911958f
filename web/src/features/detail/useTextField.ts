import { useEffect, useRef, useState } from 'react';
import { change } from '@/lib/actions';
import type { Task } from '@/lib/api/types';
import { dropDraft, readDraft, type TextDraft, writeDraft } from '@/lib/drafts';
import { useSelect } from '@/lib/store';
import { conflicts, settleConflict } from '@/lib/sync';

const saveMs = 600;

type TextMember = 'title' | 'description' | 'category';

/**
 * A text of the task. What is typed is a draft until the server has it: it is saved 600 ms after the
 * last key, when the field is left and when the panel closes, with the version that was on the
 * screen when typing began. While nobody types here, what others write shows by itself.
 */
export function useTextField(task: Task, member: TextMember) {
  const name = `${task.id}.${member}`;
  const stored = task[member] ?? '';
  const draft = useRef<TextDraft | null>(readDraft<TextDraft>(name));
  const [value, setValue] = useState(draft.current?.value ?? stored);
  const timer = useRef<number | undefined>(undefined);
  const latest = useRef({ task, value });
  latest.current = { task, value };
  const conflict = useSelect(conflicts, (all) => all[task.id]?.find((one) => one.field === member));
  const sending = useRef(false);

  function keep(next: TextDraft | null) {
    draft.current = next;
    if (next === null) dropDraft(name);
    else writeDraft(name, next);
  }

  async function save(): Promise<void> {
    window.clearTimeout(timer.current);
    const current = draft.current;
    if (current === null || sending.current || conflicts.get()[task.id]?.some(isThis)) return;
    const text = current.value.trim();
    // A task without a title is none; the field says so, and the old title stands.
    if (member === 'title' && text === '') return;
    if (text === current.base.trim()) {
      keep(null);
      return;
    }
    const sent = current.value;
    sending.current = true;
    const seen = {
      ...latest.current.task,
      [member]: current.base || null,
      version: current.version,
    };
    try {
      const result = await change(
        latest.current.task,
        { [member]: member === 'title' ? text : text === '' ? null : sent },
        { seen },
      );
      sending.current = false;
      if (result.conflicts.some(isThis)) return;
      const version = result.task?.version ?? current.version;
      if (draft.current?.value === sent) keep(null);
      else if (draft.current !== null) {
        keep({ ...draft.current, base: sent, version });
        void save();
      }
    } catch {
      // Refused: the reason was told, and what was typed stays in the field.
      sending.current = false;
    }
  }
  const isThis = (one: { field: string }) => one.field === member;

  const saving = useRef(save);
  saving.current = save;
  useEffect(() => {
    if (draft.current !== null) void saving.current();
    return () => void saving.current();
  }, []);
  useEffect(() => {
    if (draft.current === null) setValue(stored);
  }, [stored]);

  function type(next: string) {
    setValue(next);
    const begun = draft.current ?? { base: stored, version: latest.current.task.version };
    keep({ ...begun, value: next });
    window.clearTimeout(timer.current);
    // Half a category is another category: it is saved when it is chosen or left.
    if (member === 'category') return;
    timer.current = window.setTimeout(() => void saving.current(), saveMs);
  }

  function keepMine() {
    if (conflict === undefined) return;
    settleConflict(task.id, member);
    keep({ value, base: String(conflict.theirs ?? ''), version: conflict.version });
    void save();
  }
  function takeTheirs() {
    if (conflict === undefined) return;
    settleConflict(task.id, member);
    keep(null);
    setValue(String(conflict.theirs ?? ''));
  }

  return { value, type, save: () => void save(), conflict, keepMine, takeTheirs };
}
