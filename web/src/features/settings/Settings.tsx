import { session } from '@/lib/session';
import { useStore } from '@/lib/store';
import { Account } from './Account';
import { Deleted } from './Deleted';
import { Look } from './Look';
import { Profile } from './Profile';
import { Reminders } from './Reminders';
import { Tokens } from './Tokens';

export default function Settings() {
  const { user } = useStore(session);
  return (
    <div className="min-h-0 flex-1 overflow-y-auto px-4 pb-12 md:px-6">
      <div className="mx-auto max-w-2xl">
        <div className="flex min-h-14 items-center md:pt-4">
          <h1 tabIndex={-1} className="text-xl">
            Settings
          </h1>
        </div>
        {user !== null && <Profile key={user.id} user={user} />}
        <Reminders />
        <Look />
        <Deleted />
        <Tokens />
        <Account />
      </div>
    </div>
  );
}
