import { Dialog, DrawerHead } from '@/components/Dialog';
import { usePrefs } from '@/lib/prefs';

const apple = /Mac|iPhone|iPad/.test(navigator.platform);

const groups: { title: string; keys: [string[], string][] }[] = [
  {
    title: 'Anywhere',
    keys: [
      [['q'], 'Add a task'],
      [['/'], 'Search and filter'],
      [[apple ? '⌘' : 'Ctrl', 'K'], 'Command palette'],
      [['b'], 'Notifications'],
      [['z'], 'Undo the last action'],
      [['F8'], 'To the messages'],
      [['?'], 'This help'],
      [['Esc'], 'Close the top layer'],
    ],
  },
  {
    title: 'In a list',
    keys: [
      [['j', 'k'], 'Next, previous (or ↓ ↑)'],
      [['Shift', 'J / K'], 'Select more'],
      [['Enter'], 'Open'],
      [['x'], 'Complete'],
      [['e'], 'Edit the title'],
      [['d'], 'Reschedule'],
      [['p'], 'Priority'],
      [['c'], 'Category'],
      [['Delete'], 'Delete (or #)'],
    ],
  },
  {
    title: 'Go to',
    keys: [
      [['g', 't'], 'Today'],
      [['g', 'u'], 'Upcoming'],
      [['g', 'o'], 'Overdue'],
      [['g', 'a'], 'All'],
      [['g', 'c'], 'Completed'],
      [['g', 'v'], 'Activity'],
      [['g', 's'], 'Settings'],
    ],
  },
];

const words: [string, string][] = [
  ['tomorrow 5pm', 'a date and a time at the end'],
  ['every mon, wed 9am', 'a rule: every day, every 2 weeks, every weekday, every 15th'],
  ['every! 3 weeks', 'counted from the day it was done'],
  ['!urgent !high !low', 'a priority (or !1 to !4)'],
  ['#home  #"two words"', 'a category'],
  ['"in quotes"  \\word', 'only words'],
];

export default function Help({ close }: { close: () => void }) {
  const { singleKeys } = usePrefs();
  return (
    <Dialog kind="drawer" label="Keys and words" onClose={close}>
      <DrawerHead title="Keys and words" onClose={close} />
      <div className="p-4">
        {!singleKeys && (
          <p className="mb-4 text-muted">Single keys are switched off in the settings.</p>
        )}
        {groups.map((group) => (
          <section key={group.title} className="mb-6">
            <h3 className="mb-2">{group.title}</h3>
            <dl>
              {group.keys.map(([keys, meaning]) => (
                <div key={meaning} className="flex min-h-8 items-center gap-2">
                  <dt className="flex w-32 flex-none gap-1">
                    {keys.map((key) => (
                      <kbd key={key} className="chip">
                        {key}
                      </kbd>
                    ))}
                  </dt>
                  <dd>{meaning}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <section>
          <h3 className="mb-2">When adding</h3>
          <dl>
            {words.map(([example, meaning]) => (
              <div key={example} className="mb-2">
                <dt className="font-medium">{example}</dt>
                <dd className="text-muted">{meaning}</dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </Dialog>
  );
}
