import { Autocomplete } from '@base-ui/react/autocomplete';
import { useQuery } from '@tanstack/react-query';
import { useId } from 'react';
import { api, data } from '@/lib/api/client';
import { categoriesKey } from '@/lib/cache';
import { dialogs } from '@/lib/layers';
import { useStore } from '@/lib/store';

const suggested = ['work', 'personal', 'shopping', 'health', 'finance'];

interface Props {
  value: string;
  onChange: (value: string) => void;
  /** The value is meant: chosen from the list, or typed and left, or Enter. */
  onCommit: (value: string) => void;
  autoFocus?: boolean;
  label?: string;
}

/** The user's own categories and a few suggestions; anything else can be typed. */
export function CategoryField({ value, onChange, onCommit, autoFocus, label }: Props) {
  const id = useId();
  const dialog = useStore(dialogs).at(-1);
  const own = useQuery({
    queryKey: categoriesKey,
    queryFn: () => data(api.GET('/api/v1/tasks/categories')),
  });
  const items = [...new Set([...(own.data ?? []), ...suggested])];
  return (
    <Autocomplete.Root
      items={items}
      value={value}
      openOnInputClick
      onValueChange={(next, details) => {
        onChange(next);
        if (details.reason === 'item-press') onCommit(next);
      }}
    >
      <label htmlFor={id} className="mb-1 block font-medium text-sm">
        {label ?? 'Category'}
      </label>
      <Autocomplete.Input
        id={id}
        className="field"
        maxLength={50}
        placeholder="None"
        data-autofocus={autoFocus || undefined}
        onBlur={() => onCommit(value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.defaultPrevented) onCommit(value);
        }}
      />
      <Autocomplete.Portal container={dialog ?? document.body}>
        <Autocomplete.Positioner className="z-50" sideOffset={4} collisionPadding={8}>
          <Autocomplete.Popup className="card max-h-60 w-(--anchor-width) overflow-y-auto p-1 data-empty:hidden">
            <Autocomplete.List>
              {(item: string) => (
                <Autocomplete.Item key={item} value={item} className="menu-item">
                  {item}
                </Autocomplete.Item>
              )}
            </Autocomplete.List>
          </Autocomplete.Popup>
        </Autocomplete.Positioner>
      </Autocomplete.Portal>
    </Autocomplete.Root>
  );
}
