import { Suspense, useEffect, useMemo } from 'react';
import { Skeleton } from '@/components/parts';
import { QuickAdd } from '@/features/quickadd/QuickAdd';
import { TaskList } from '@/features/tasks/TaskList';
import { focusSomewhere, layerOpen } from '@/lib/layers';
import { useWide } from '@/lib/media';
import { lazyPart } from '@/lib/parts';
import { Link, usePlace } from '@/lib/router';
import { useNow, useZone } from '@/lib/time';
import { Banner } from './Banner';
import { loadPanel } from './LayerHost';
import { BottomBar, SideNav, useUnread } from './Nav';
import { defaultsOf, viewOf } from './pages';
import { useStableView } from './useStableView';

const Panel = lazyPart(loadPanel);
const Activity = lazyPart(() => import('@/features/activity/Activity'));
const Settings = lazyPart(() => import('@/features/settings/Settings'));

/** Everything around the page: where one can go, what waits, and the task that is open. */
export function Shell() {
  const place = usePlace();
  const wide = useWide();
  const unread = useUnread();
  const openId = place.params.get('task');
  const page = pageTitle(place.path);

  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) Tasks` : 'Tasks';
  }, [unread]);
  const covered = openId !== null && !wide;
  return (
    <div className="flex h-dvh flex-col">
      <Banner />
      <div className="flex min-h-0 flex-1">
        <SideNav />
        <main
          className="flex min-w-0 flex-1 flex-col"
          hidden={covered}
          aria-label={page ?? undefined}
        >
          <Suspense fallback={<Skeleton />}>
            <Page />
            <FocusHere key={place.path} />
          </Suspense>
        </main>
        {openId !== null && (
          <Suspense fallback={null}>
            <Panel key={openId.startsWith('new-') ? 'new' : openId} id={openId} />
          </Suspense>
        )}
      </div>
      {!covered && <BottomBar />}
    </div>
  );
}

/** Another page is another place to be: the focus goes there, unless something took it already. */
function FocusHere() {
  useEffect(() => {
    const main = document.querySelector('main');
    if (!main?.contains(document.activeElement) && !layerOpen()) focusSomewhere();
  }, []);
  return null;
}

const pageTitle = (path: string) =>
  path === '/activity' ? 'Activity' : path === '/settings' ? 'Settings' : null;

function Page() {
  const place = usePlace();
  // The minute and the zone decide what "today" is.
  useNow();
  useZone();
  const list = useStableView(viewOf(place));
  // Opening a task changes the place and not the list.
  const tasks = useMemo(
    () =>
      list && (
        <TaskList view={list.view} title={list.title}>
          {list.view.name !== 'completed' && <QuickAdd defaults={defaultsOf(list.view)} />}
        </TaskList>
      ),
    [list],
  );
  if (tasks !== null) return tasks;
  if (place.path === '/activity') return <Activity />;
  if (place.path === '/settings') return <Settings />;
  return (
    <div className="p-6">
      <h1 tabIndex={-1} className="mb-2 text-xl">
        There is no such page
      </h1>
      <Link href="/today" className="text-accent underline">
        To today’s tasks
      </Link>
    </div>
  );
}
