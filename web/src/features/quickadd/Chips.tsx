import { Icon } from '@/components/icons';
import { priorityNames } from '@/components/parts';
import type { NewTask } from '@/lib/api/types';
import type { ParsedTask } from '@/lib/quickadd';
import { dayName, dueOf, momentWords, ruleWords, shortDate, timeWords, today } from '@/lib/time';
import { makeLiteral, typeText } from './state';
import type { Parsed, Part } from './useDryRun';

const nearestRules = ['every day', 'every week', 'every month', 'every year'];

interface ChipsProps {
  parsed: Parsed | null;
  fresh: boolean;
  defaults: Partial<NewTask>;
  dropDefaults: () => void;
  refocus: () => void;
}

/** Each recognised part, as it is understood; taking a chip away makes its part words again. */
export default function Chips({ parsed, fresh, defaults, dropDefaults, refocus }: ChipsProps) {
  const task = parsed?.answer.task ?? null;
  const undated = task === null || (task.due_on === null && task.due_date === null);
  const own: string[] = [];
  if (undated && typeof defaults.due_date === 'string') own.push('today');
  if ((task?.category ?? null) === null && defaults.category) own.push(`#${defaults.category}`);
  const all = parsed?.parts ?? [];
  const parts = all.filter((part) => part.kind !== 'recurrence_unsupported');
  const unknown = all.find((part) => part.kind === 'recurrence_unsupported');
  if (parts.length === 0 && own.length === 0 && (parsed?.answer.hints.length ?? 0) === 0) {
    return <p className="px-1 text-muted text-xs">Enter adds it, Shift+Enter opens it too</p>;
  }
  return (
    <>
      {task !== null &&
        parts.map((part) => (
          <Chip
            key={`${part.kind} ${part.start}`}
            words={partWords(part, task, parsed?.typed.text ?? '')}
            past={parsed?.answer.hints.includes('past') === true && /date|time/.test(part.kind)}
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
        <Hint key={hint} hint={hint} text={parsed.typed.text} unknown={unknown} />
      ))}
    </>
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
  const words = text.slice(part.start, part.end);
  const due = dueOf(task as Parameters<typeof dueOf>[0]);
  switch (part.kind) {
    case 'time':
      return due?.time ? timeWords(due.time) : words;
    case 'date':
      return due === null ? words : dateWords(due.date);
    case 'date_time':
      return due === null ? words : momentWords(due.date, due.time);
    case 'recurrence':
      return ruleWords(task) ?? words;
    case 'priority':
      return task.priority === null ? words : priorityNames[task.priority];
    case 'category':
      return `#${task.category}`;
    default:
      return words;
  }
}

function dateWords(date: Temporal.PlainDate): string {
  const present = today();
  const ahead = present.until(date).days;
  const near = ahead === 0 ? 'today, ' : ahead === 1 ? 'tomorrow, ' : '';
  return `${near}${dayName(date)} ${shortDate(date, present.year)}`;
}

const hints: Record<string, string> = {
  date_ambiguous: 'Is that a date? Write 4 Dec',
  priority_unknown: 'Priorities are !urgent !high !normal !low',
  priority_again: 'Only the first priority counts',
  category_again: 'Only the first category counts',
};

interface HintProps {
  hint: string;
  text: string;
  unknown: Part | undefined;
}

function Hint({ hint, text, unknown }: HintProps) {
  if (hint === 'recurrence_unsupported' && unknown !== undefined) {
    return (
      <>
        <span className="px-1 text-muted text-xs">This rule is not known. Nearest:</span>
        {nearestRules.map((rule) => (
          <button
            key={rule}
            type="button"
            className="chip hover:bg-hover"
            onClick={() => typeText(text.slice(0, unknown.start) + rule + text.slice(unknown.end))}
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
