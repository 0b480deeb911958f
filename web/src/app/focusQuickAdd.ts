import { openLayer } from '@/lib/layers';

/** The quick add on top of the list, or over a page that has none in sight. */
export function focusQuickAdd(): void {
  const field = document.querySelector<HTMLElement>('main [data-quick-add]');
  if (field?.checkVisibility()) field.focus();
  else openLayer({ kind: 'quick-add' });
}
