import { Dialog } from '@/components/Dialog';
import { QuickAdd } from '@/features/quickadd/QuickAdd';
import { usePlace } from '@/lib/router';
import { defaultsOf, viewOf } from './pages';

/** The quick add above the keyboard of a phone, or over a page that has no list. */
export default function QuickAddSheet({ close }: { close: () => void }) {
  const view = viewOf(usePlace())?.view;
  return (
    <Dialog kind="sheet" label="Add a task" onClose={close}>
      <QuickAdd autoFocus defaults={defaultsOf(view)} onOpen={close} />
    </Dialog>
  );
}
