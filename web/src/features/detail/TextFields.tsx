import { useLayoutEffect, useRef } from 'react';
import { Field } from '@/components/Field';
import type { Task } from '@/lib/api/types';
import { ConflictBar } from './ConflictBar';
import { linksIn } from './links';
import { useTextField } from './useTextField';

/** Where the style sheet can say that a field is as high as its text, nothing is measured. */
const growsByItself = CSS.supports('field-sizing', 'content');

const titleMax = 200;
const descriptionMax = 2_000;

const length = (text: string) => [...text.trim()].length;

export function TitleField({ task }: { task: Task }) {
  const field = useTextField(task, 'title');
  const box = useRef<HTMLTextAreaElement>(null);
  // As high as its lines, so that a long title is read whole.
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text decides the height.
  useLayoutEffect(() => {
    if (box.current === null || growsByItself) return;
    box.current.style.height = 'auto';
    box.current.style.height = `${box.current.scrollHeight + 2}px`;
  }, [field.value]);
  let error: string | undefined;
  if (field.value.trim() === '') error = 'A task needs a title.';
  if (length(field.value) > titleMax) error = `At most ${titleMax} characters.`;
  return (
    <div>
      <Field label="Title" error={error}>
        {(props) => (
          <textarea
            {...props}
            ref={box}
            rows={1}
            className="field field-sizing-content resize-none text-lg"
            value={field.value}
            onChange={(event) => field.type(event.target.value.replace(/\n/g, ' '))}
            onBlur={field.save}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.nativeEvent.isComposing) return;
              event.preventDefault();
              field.save();
            }}
          />
        )}
      </Field>
      {field.conflict && (
        <ConflictBar
          theirs={String(field.conflict.theirs ?? '')}
          keepMine={field.keepMine}
          takeTheirs={field.takeTheirs}
        />
      )}
    </div>
  );
}

export function DescriptionField({ task }: { task: Task }) {
  const field = useTextField(task, 'description');
  const tooLong = [...field.value].length > descriptionMax;
  return (
    <div>
      <Field
        label="Description"
        error={tooLong ? `At most ${descriptionMax} characters.` : undefined}
      >
        {(props) => (
          <textarea
            {...props}
            rows={4}
            className="field"
            value={field.value}
            onChange={(event) => field.type(event.target.value)}
            onBlur={field.save}
          />
        )}
      </Field>
      {field.conflict && (
        <ConflictBar
          theirs={String(field.conflict.theirs ?? '')}
          keepMine={field.keepMine}
          takeTheirs={field.takeTheirs}
        />
      )}
      <Links text={field.value} />
    </div>
  );
}

function Links({ text }: { text: string }) {
  const links = linksIn(text);
  if (links.length === 0) return null;
  return (
    <ul aria-label="Links" className="mt-1">
      {links.map((link) => (
        <li key={link} className="truncate">
          <a
            href={link}
            target="_blank"
            rel="noopener noreferrer nofollow"
            className="inline-flex min-h-6 items-center text-accent text-sm underline"
          >
            {link}
          </a>
        </li>
      ))}
    </ul>
  );
}
