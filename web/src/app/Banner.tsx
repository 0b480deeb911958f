import { Icon } from '@/components/icons';
import { busyUntil, outbox } from '@/lib/outbox';
import { reachable } from '@/lib/reachable';
import { useStore } from '@/lib/store';

/** Says that changes wait, and for what. It is there from the start, so that it is read. */
export function Banner() {
  const online = useStore(reachable);
  const busy = useStore(busyUntil) !== null;
  const count = useStore(outbox).length;
  const waiting = count === 1 ? '1 change waits' : `${count} changes wait`;
  let text: string | null = null;
  if (!online) {
    text = `You are offline. ${count > 0 ? `${waiting} and will be sent` : 'Changes will be sent'} when the server can be reached.`;
  } else if (busy) {
    text = `The server is busy. ${waiting} and will be sent.`;
  }
  return (
    <div role="status" className="flex-none">
      {text !== null && (
        <p className="flex items-center gap-2 border-line border-b bg-surface px-4 py-2 text-amber">
          <Icon name="offline" size={18} />
          {text}
        </p>
      )}
    </div>
  );
}
