import { type ClipboardEvent, type KeyboardEvent, Suspense, useId, useRef, useState } from 'react';
import { Icon } from '@/components/icons';
import { add } from '@/lib/actions';
import type { NewTask } from '@/lib/api/types';
import { giveFocusBack } from '@/lib/layers';
import { escapeWords } from '@/lib/literals';
import { lazyPart } from '@/lib/parts';
import { newTaskOf } from '@/lib/quickadd';
import { openTask } from '@/lib/router';
import { useStore } from '@/lib/store';
import { emptyTyped, makeLiteral, typed as typedStore, typeText } from './state';
import { type Part, useDryRun } from './useDryRun';

const textMax = 2_000;
const linesMax = 200;

const Chips = lazyPart(() => import('./Chips'));

interface Props {
  /** What the page adds where the text says nothing of it: its date or its category. */
  defaults: Partial<NewTask>;
  autoFocus?: boolean;
  /** Called after Shift+Enter, which opens the new task. */
  onOpen?: () => void;
}

export function QuickAdd({ defaults, autoFocus = false, onOpen }: Props) {
  const typed = useStore(typedStore);
  const { latest, current } = useDryRun(typed);
  const [plain, setPlain] = useState(false);
  const [refused, setRefused] = useState(false);
  const [lines, setLines] = useState<readonly string[]>([]);
  const field = useRef<HTMLInputElement>(null);
  const marks = useRef<HTMLDivElement>(null);
  const before = useRef<Element | null>(null);
  const id = useId();
  const own = plain ? {} : defaults;

  function addLines() {
    const now = new Date().toISOString();
    for (const line of lines) add({ text: line, now, body: null, defaults: own });
    setLines([]);
    field.current?.focus();
  }

  function submit(open: boolean) {
    if (lines.length > 0) return addLines();
    const text = typed.text.trim();
    if (text === '') return;
    if (current !== null && current.answer.task.title === '') {
      setRefused(true);
      return;
    }
    const { sent } = escapeWords(text, typed.literals);
    const taskId = add({
      text: current === null ? sent : text,
      now: typed.now,
      body: current === null ? null : newTaskOf(current.answer.task, own),
      defaults: own,
    });
    typedStore.set(emptyTyped);
    setPlain(false);
    if (!open) return;
    openTask(taskId);
    onOpen?.();
  }

  function press(event: KeyboardEvent<HTMLInputElement>) {
    if (event.nativeEvent.isComposing) return;
    if (event.key === 'Enter') {
      event.preventDefault();
      submit(event.shiftKey);
    } else if (event.key === 'Escape' && before.current !== null) {
      event.stopPropagation();
      giveFocusBack(before.current);
    } else if (event.key === 'Backspace' && !event.ctrlKey && !event.metaKey) {
      const { selectionStart, selectionEnd } = event.currentTarget;
      const part = current?.parts.find((one) => one.end === selectionStart);
      if (part === undefined || selectionStart !== selectionEnd) return;
      event.preventDefault();
      makeLiteral(part);
    }
  }

  function paste(event: ClipboardEvent) {
    const pasted = event.clipboardData
      .getData('text')
      .split(/\r?\n/)
      .map((line) => line.replace(/^\s*[-*•]\s+/, '').trim())
      .filter((line) => line !== '');
    if (pasted.length < 2) return;
    event.preventDefault();
    setLines(pasted.slice(0, linesMax));
  }

  const shown = typed.text === '' ? null : latest;
  return (
    <div className="px-2 pb-2">
      <div className="relative rounded-sm border border-edge bg-page focus-within:border-accent">
        <span className="-translate-y-1/2 absolute top-1/2 left-3 text-muted">
          <Icon name="plus" size={18} />
        </span>
        <div
          ref={marks}
          aria-hidden="true"
          className="quick-text pointer-events-none absolute inset-0 overflow-hidden text-transparent"
        >
          <Marked text={typed.text} parts={current?.parts ?? []} />
        </div>
        <input
          ref={field}
          data-quick-add
          data-autofocus={autoFocus || undefined}
          className="quick-text relative w-full rounded-sm bg-transparent"
          aria-label="Add a task"
          aria-describedby={`${id}-hint`}
          aria-invalid={refused || undefined}
          placeholder="Add a task: call mom tomorrow 5pm !high #home"
          autoComplete="off"
          enterKeyHint="done"
          maxLength={textMax}
          value={typed.text}
          onChange={(event) => {
            setRefused(false);
            typeText(event.target.value);
          }}
          onFocus={(event) => {
            before.current = event.relatedTarget ?? before.current;
          }}
          onKeyDown={press}
          onPaste={paste}
          onScroll={(event) => {
            if (marks.current) marks.current.scrollLeft = event.currentTarget.scrollLeft;
          }}
        />
      </div>
      <p id={`${id}-hint`} className="mt-1 px-1 text-red text-xs empty:hidden" role="alert">
        {refused ? 'What is to be done?' : null}
      </p>
      {lines.length > 0 && (
        <div className="mt-2 flex flex-wrap gap-2">
          <button type="button" className="btn btn-primary" onClick={addLines}>
            Add {lines.length} tasks
          </button>
          <button
            type="button"
            className="btn"
            onClick={() => {
              typeText(`${typed.text}${lines.join(' ')}`.slice(0, textMax));
              setLines([]);
              field.current?.focus();
            }}
          >
            As one task
          </button>
        </div>
      )}
      {typed.text !== '' && (
        // Of the height of the chips from the first letter on: the list does not jump when they come.
        <div className="mt-2 flex min-h-6 flex-wrap items-center gap-1 coarse:min-h-11">
          <Suspense>
            <Chips
              parsed={shown}
              fresh={current !== null}
              defaults={own}
              dropDefaults={() => setPlain(true)}
              refocus={() => field.current?.focus()}
            />
          </Suspense>
        </div>
      )}
    </div>
  );
}

/** What is recognised is marked; a rule that is not is underlined. */
function Marked({ text, parts }: { text: string; parts: readonly Part[] }) {
  const sorted = parts.toSorted((a, b) => a.start - b.start);
  let at = 0;
  const pieces = sorted.flatMap((part) => {
    const before = text.slice(at, part.start);
    at = part.end;
    const unknown = part.kind === 'recurrence_unsupported';
    return [
      before,
      <mark key={part.start} className={unknown ? 'mark-unknown' : 'mark-known'}>
        {text.slice(part.start, part.end)}
      </mark>,
    ];
  });
  return (
    <>
      {pieces}
      {text.slice(at)}
    </>
  );
}
