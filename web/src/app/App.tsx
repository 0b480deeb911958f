import { QueryClientProvider } from '@tanstack/react-query';
import { Suspense, useEffect } from 'react';
import { Toasts } from '@/components/Toasts';
import { queryClient } from '@/lib/cache';
import { closeLayers } from '@/lib/layers';
import { lazyPart, loadPart } from '@/lib/parts';
import { reachable } from '@/lib/reachable';
import { currentPlace, navigate, usePath } from '@/lib/router';
import { session, whoAmI } from '@/lib/session';
import { useStore } from '@/lib/store';
import { LayerHost, loadWhenIdle } from './LayerHost';
import { Shell } from './Shell';

const signIn = () => import('@/features/auth/SignIn');
const LoginPage = lazyPart(async () => ({ default: (await signIn()).LoginPage }));
const RegisterPage = lazyPart(async () => ({ default: (await signIn()).RegisterPage }));
const SignInAgain = lazyPart(async () => ({ default: (await signIn()).SignInAgain }));

const authPaths = ['/login', '/register'];

/** Only a path of this site: an address that leads elsewhere is not followed. */
function wayBack(): string {
  const next = currentPlace().params.get('next') ?? '';
  return /^\/(?![/\\])/.test(next) ? next : '/today';
}

export function App() {
  return (
    <QueryClientProvider client={queryClient}>
      <Routes />
      <Toasts />
    </QueryClientProvider>
  );
}

function Routes() {
  const { state, user } = useStore(session);
  const path = usePath();
  const online = useStore(reachable);
  const authPage = authPaths.includes(path);

  useEffect(() => {
    if (state === 'unknown' && online) void whoAmI().catch(() => {});
  }, [state, online]);
  useEffect(() => {
    if (state === 'in' && authPage) navigate(wayBack(), { replace: true });
    if (state === 'out') closeLayers();
    if (state === 'out' && !authPage) {
      const here = location.pathname + location.search;
      const next = here === '/' ? '' : `?next=${encodeURIComponent(here)}`;
      navigate(`/login${next}`, { replace: true });
    }
    if (path === '/' && state !== 'out') navigate('/today', { replace: true });
  }, [state, authPage, path]);
  const inside = state === 'in' || state === 'expired';
  useEffect(() => {
    if (!inside) return;
    loadWhenIdle();
    let stop: (() => void) | null | undefined;
    void loadPart(() => import('./inside')).then(({ startInside }) => {
      // It may be over before it began.
      if (stop === undefined) stop = startInside();
    });
    return () => {
      stop?.();
      stop = null;
    };
  }, [inside]);

  if (authPage) {
    if (state === 'in') return null;
    return <Suspense>{path === '/login' ? <LoginPage /> : <RegisterPage />}</Suspense>;
  }
  if (state === 'out') return null;
  // A browser that was signed in shows the page at once, and its tasks as soon as they are here.
  if (state === 'unknown' && localStorage.getItem('todo.zone') === null && online) return null;
  return (
    <>
      <Shell />
      {inside && <LayerHost />}
      {state === 'expired' && user !== null && (
        <Suspense>
          <SignInAgain email={user.email} />
        </Suspense>
      )}
    </>
  );
}
