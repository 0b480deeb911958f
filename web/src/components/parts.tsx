import { useEffect, useState } from 'react';
import { ApiError } from '@/lib/api/client';
import type { Priority } from '@/lib/api/types';

const skeletonDelayMs = 150;
const skeletonRows = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/** Nothing at first, so that what is quick does not flicker; then rows of the height to come. */
export function Skeleton() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), skeletonDelayMs);
    return () => window.clearTimeout(timer);
  }, []);
  if (!late) return <div aria-busy="true" className="h-88" />;
  return (
    <div aria-busy="true">
      <span className="sr-only">Loading</span>
      {skeletonRows.map((row) => (
        <div key={row} className="flex h-(--row) items-center gap-3 px-3">
          <span className="skeleton size-5" />
          <span className="skeleton h-3 flex-1" />
          <span className="skeleton h-3 w-16" />
        </div>
      ))}
    </div>
  );
}

/** What went wrong, why, and what can be done. */
export function Failure({ what, error, retry }: { what: string; error: Error; retry: () => void }) {
  const id = error instanceof ApiError ? error.problem.request_id : undefined;
  return (
    <div role="alert" className="mx-auto my-8 max-w-md px-4 text-center">
      <p className="mb-1 font-semibold text-lg">{what}</p>
      <p className="mb-4 text-muted">{error.message}.</p>
      <button type="button" className="btn" onClick={retry}>
        Retry
      </button>
      {id !== undefined && <p className="mt-4 text-muted text-xs">Request {id}</p>}
    </div>
  );
}

export const priorityNames: Record<Priority, string> = {
  urgent: 'Urgent',
  high: 'High',
  normal: 'Normal',
  low: 'Low',
};

export const priorityColours: Record<Priority, string> = {
  urgent: 'text-red',
  high: 'text-orange',
  normal: 'text-accent',
  low: 'text-muted',
};
