import { useQuery } from '@tanstack/react-query';
import { type KeyboardEvent, useId, useRef, useState } from 'react';
import { api, data } from '@/lib/api/client';
import { categoriesKey } from '@/lib/cache';

const suggested = ['work', 'personal', 'shopping', 'health', 'finance'];

interface Props {
  value: string;
  onChange: (value: string) => void;
  /** The value is meant: chosen from the list, or typed and left, or Enter. */
  onCommit: (value: string) => void;
  /** In a dialog: the focus begins here, and the list takes room instead of lying over things. */
  inDialog?: boolean;
  label?: string;
}

/** The user's own categories and a few suggestions; anything else can be typed. */
export function CategoryField({ value, onChange, onCommit, inDialog, label }: Props) {
  const id = useId();
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  /** Nothing is narrowed down before something is typed. */
  const [typed, setTyped] = useState(false);
  const list = useRef<HTMLDivElement>(null);
  const own = useQuery({
    queryKey: categoriesKey,
    queryFn: () => data(api.GET('/api/v1/tasks/categories')),
  });
  const all = [...new Set([...(own.data ?? []), ...suggested])];
  const part = value.trim().toLowerCase();
  const items = typed ? all.filter((item) => item.toLowerCase().includes(part)) : all;
  const shown = open && items.length > 0;

  function choose(item: string) {
    onChange(item);
    setOpen(false);
    setAt(-1);
    onCommit(item);
  }
  function step(delta: number) {
    setOpen(true);
    const next = at < 0 && delta < 0 ? items.length - 1 : (at + delta) % items.length;
    setAt(next);
    list.current?.children[next]?.scrollIntoView({ block: 'nearest' });
  }
  function press(event: KeyboardEvent) {
    const item = items[at];
    if (event.key === 'ArrowDown' && items.length > 0) step(1);
    else if (event.key === 'ArrowUp' && items.length > 0) step(-1);
    else if (event.key === 'Escape' && shown) {
      // The list is the top layer: nothing below it closes.
      event.stopPropagation();
      setOpen(false);
    } else if (event.key === 'Enter' && shown && item !== undefined) choose(item);
    else {
      if (event.key === 'Enter') onCommit(value);
      return;
    }
    event.preventDefault();
  }

  return (
    <div className="relative">
      <label htmlFor={id} className="mb-1 block font-medium text-sm">
        {label ?? 'Category'}
      </label>
      <input
        id={id}
        className="field"
        role="combobox"
        aria-expanded={shown}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={shown && at >= 0 ? `${id}-${at}` : undefined}
        autoComplete="off"
        maxLength={50}
        placeholder="None"
        data-autofocus={inDialog || undefined}
        value={value}
        onChange={(event) => {
          onChange(event.target.value);
          setTyped(true);
          setOpen(true);
          setAt(-1);
        }}
        onFocus={() => setTyped(false)}
        onClick={() => setOpen(true)}
        onBlur={() => {
          setOpen(false);
          onCommit(value);
        }}
        onKeyDown={press}
      />
      <div
        ref={list}
        id={`${id}-list`}
        role="listbox"
        aria-label="Categories"
        hidden={!shown}
        className={`card mt-1 max-h-48 w-full overflow-y-auto p-1 ${inDialog ? '' : 'absolute z-20'}`}
      >
        {items.map((item, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are pressed in the field.
          <div
            key={item}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            className="menu-item cursor-pointer"
            // The field keeps the focus, or it would be left before the choice is made.
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => choose(item)}
          >
            {item}
          </div>
        ))}
      </div>
    </div>
  );
}
