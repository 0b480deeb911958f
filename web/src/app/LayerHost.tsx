import { Suspense } from 'react';
import { closeLayer, type Layer, layers } from '@/lib/layers';
import { lazyPart } from '@/lib/parts';
import { useStore } from '@/lib/store';

const choices = () => import('@/features/choices/Choices');
const Reschedule = lazyPart(async () => ({ default: (await choices()).RescheduleLayer }));
const Priority = lazyPart(async () => ({ default: (await choices()).PriorityLayer }));
const Category = lazyPart(async () => ({ default: (await choices()).CategoryLayer }));
const RowMenu = lazyPart(async () => ({ default: (await choices()).RowMenuLayer }));
const Delete = lazyPart(async () => ({ default: (await choices()).DeleteLayer }));
const Confirm = lazyPart(async () => ({ default: (await choices()).ConfirmLayer }));
const palette = () => import('@/features/palette/Palette');
const Palette = lazyPart(palette);
const help = () => import('@/features/help/Help');
const Help = lazyPart(help);
const notifications = () => import('@/features/notifications/Notifications');
const Notifications = lazyPart(notifications);
const more = () => import('./MoreSheet');
const More = lazyPart(more);

export const loadPanel = () => import('@/features/detail/Panel');
const quickAdd = () => import('./QuickAddSheet');
const QuickAddSheet = lazyPart(quickAdd);

/** Loads what the first press would otherwise wait for, when nothing else is to be done. */
export function loadWhenIdle(): void {
  const chips = () => import('@/features/quickadd/Chips');
  const chunks = [chips, loadPanel, choices, more, quickAdd, notifications, palette, help];
  const load = () => void Promise.allSettled(chunks.map((chunk) => chunk()));
  if ('requestIdleCallback' in window) requestIdleCallback(load, { timeout: 5_000 });
  else setTimeout(load, 2_000);
}

const keys = new WeakMap<Layer, number>();
let lastKey = 0;
function keyOf(layer: Layer): number {
  if (!keys.has(layer)) keys.set(layer, ++lastKey);
  return keys.get(layer)!;
}

export function LayerHost() {
  return (
    <Suspense>
      {useStore(layers).map((layer) => (
        <One key={keyOf(layer)} layer={layer} />
      ))}
    </Suspense>
  );
}

function One({ layer }: { layer: Layer }) {
  const close = () => closeLayer(layer);
  switch (layer.kind) {
    case 'reschedule':
      return <Reschedule layer={layer} />;
    case 'priority':
      return <Priority layer={layer} />;
    case 'category':
      return <Category layer={layer} />;
    case 'row-menu':
      return <RowMenu layer={layer} />;
    case 'delete':
      return <Delete layer={layer} />;
    case 'confirm':
      return <Confirm layer={layer} />;
    case 'palette':
      return <Palette close={close} />;
    case 'help':
      return <Help close={close} />;
    case 'notifications':
      return <Notifications close={close} />;
    case 'more':
      return <More close={close} />;
    case 'quick-add':
      return <QuickAddSheet close={close} />;
  }
}
