import { type ClipboardEvent, type KeyboardEvent, useId, useRef, useState } from 'react';
import { Icon } from '@/components/icons';
import { priorityNames } from '@/components/parts';
import { add } from '@/lib/actions';
import type { NewTask, Priority } from '@/lib/api/types';
import { giveFocusBack } from '@/lib/layers';
import { escapeWords } from '@/lib/literals';
import { newTaskOf, type ParsedTask } from '@/lib/quickadd';
import { openTask } from '@/lib/router';
import { useStore } from '@/lib/store';
import { dayName, dueOf, ruleWords, shortDate, timeWords, today } from '@/lib/time';
import { emptyTyped, makeLiteral, typed as typedStore, typeText } from './state';
import { type Parsed, type Part, useDryRun } from './useDryRun';

const textMax = 2_000;
const linesMax = 200;
const nearestRules = ['every day', 'every week', 'every month', 'every year'];

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
          <Marked text={typed.text} parts={current === null ? [] : markedParts(current)} />
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
        <Chips
          parsed={shown}
          fresh={current !== null}
          defaults={own}
          dropDefaults={() => setPlain(true)}
          refocus={() => field.current?.focus()}
        />
      )}
    </div>
  );
}

/** What is recognised, and the rule that is not: that one is underlined. */
function markedParts({ parts, answer, typed }: Parsed): readonly Part[] {
  const unknown = typed.text.match(/\bevery\b.*$/i);
  if (unknown?.index === undefined || !answer.hints.includes('recurrence_unsupported'))
    return parts;
  const start = unknown.index;
  const end = Math.min(typed.text.length, ...parts.map((p) => p.start).filter((at) => at > start));
  return [...parts, { kind: 'unsupported', start, end }];
}

function Marked({ text, parts }: { text: string; parts: readonly Part[] }) {
  const sorted = parts.toSorted((a, b) => a.start - b.start);
  let at = 0;
  const pieces = sorted.flatMap((part) => {
    const before = text.slice(at, part.start);
    at = part.end;
    const unknown = part.kind.includes('unsupported');
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

interface ChipsProps {
  parsed: Parsed | null;
  fresh: boolean;
  defaults: Partial<NewTask>;
  dropDefaults: () => void;
  refocus: () => void;
}

/** Each recognised part, as it is understood; taking a chip away makes its part words again. */
function Chips({ parsed, fresh, defaults, dropDefaults, refocus }: ChipsProps) {
  const task = parsed?.answer.task ?? null;
  const undated = task === null || (task.due_on === null && task.due_date === null);
  const own: string[] = [];
  if (undated && typeof defaults.due_date === 'string') own.push('today');
  if ((task?.category ?? null) === null && defaults.category) own.push(`#${defaults.category}`);
  const parts = parsed?.parts ?? [];
  if (parts.length === 0 && own.length === 0 && (parsed?.answer.hints.length ?? 0) === 0) {
    return null;
  }
  return (
    <div className="mt-2 flex flex-wrap items-center gap-1">
      {task !== null &&
        parts.map((part) => (
          <Chip
            key={`${part.kind} ${part.start}`}
            words={partWords(part, task, parsed?.typed.text ?? '')}
            past={parsed?.answer.hints.includes('past') === true && /date|time|due/.test(part.kind)}
            remove={
              fresh
                ? () => {
                    makeLiteral(part);
                    refocus();
                  }
                : null
            }
          />
        ))}
      {own.map((words) => (
        <Chip
          key={words}
          words={words}
          past={false}
          remove={() => {
            dropDefaults();
            refocus();
          }}
        />
      ))}
      {parsed?.answer.hints.map((hint) => (
        <Hint key={hint} hint={hint} text={parsed.typed.text} />
      ))}
    </div>
  );
}

interface ChipProps {
  words: string;
  past: boolean;
  remove: (() => void) | null;
}

function Chip({ words, past, remove }: ChipProps) {
  return (
    <span className="chip pr-0">
      <span className="truncate">{words}</span>
      {past && <span className="text-red">already past</span>}
      <button
        type="button"
        className="grid size-6 place-items-center text-muted coarse:size-11"
        aria-label={`“${words}” are only words`}
        disabled={remove === null}
        onClick={() => remove?.()}
      >
        <Icon name="close" size={12} />
      </button>
    </span>
  );
}

function partWords(part: Part, task: ParsedTask, text: string): string {
  const due = dueOf(task as Parameters<typeof dueOf>[0]);
  if (part.kind.includes('time') && due?.time) return timeWords(due.time);
  if (/date|day|due/.test(part.kind) && due !== null) {
    const present = today();
    const ahead = present.until(due.date).days;
    const near = ahead === 0 ? 'today, ' : ahead === 1 ? 'tomorrow, ' : '';
    return `${near}${dayName(due.date)} ${shortDate(due.date, present.year)}`;
  }
  if (/rule|recur/.test(part.kind)) return ruleWords(task) ?? text.slice(part.start, part.end);
  if (part.kind.includes('priority') && task.priority !== null) {
    return priorityNames[task.priority as Priority];
  }
  if (part.kind.includes('category') && task.category !== null) return `#${task.category}`;
  return text.slice(part.start, part.end);
}

const hints: Record<string, string> = {
  date_ambiguous: 'Is that a date? Write 4 Dec',
  priority_unknown: 'Priorities are !urgent !high !normal !low',
  category_again: 'Only the first category counts',
};

function Hint({ hint, text }: { hint: string; text: string }) {
  if (hint === 'recurrence_unsupported') {
    return (
      <>
        <span className="px-1 text-muted text-xs">This rule is not known. Nearest:</span>
        {nearestRules.map((rule) => (
          <button
            key={rule}
            type="button"
            className="chip hover:bg-hover"
            onClick={() => typeText(text.replace(/\bevery\b.*$/i, rule))}
          >
            {rule}
          </button>
        ))}
      </>
    );
  }
  const words = hints[hint];
  return words === undefined ? null : <span className="px-1 text-muted text-xs">{words}</span>;
}
