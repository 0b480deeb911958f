import { Icon } from '@/components/icons';
import { priorityNames } from '@/components/parts';
import type { NewTask, Priority } from '@/lib/api/types';
import type { ParsedTask } from '@/lib/quickadd';
import { dayName, dueOf, ruleWords, shortDate, timeWords, today } from '@/lib/time';
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
