import { Field } from '@/components/Field';
import { type LocalPrefs, setPref, usePrefs } from '@/lib/prefs';
import { Section, Switch } from './Section';

const themes: [LocalPrefs['theme'], string][] = [
  ['system', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

/** What this browser remembers about itself. */
export function Look() {
  const { theme, compact, singleKeys } = usePrefs();
  return (
    <Section title="This browser">
      <div className="max-w-60">
        <Field label="Theme">
          {(props) => (
            <select
              {...props}
              className="field"
              value={theme}
              onChange={(event) => setPref('theme', event.target.value as LocalPrefs['theme'])}
            >
              {themes.map(([value, words]) => (
                <option key={value} value={value}>
                  {words}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <Switch
        label="Compact rows"
        hint="With a mouse only."
        checked={compact}
        onChange={(wanted) => setPref('compact', wanted)}
      />
      <Switch
        label="Single keys"
        hint="q adds, x completes, ? shows them all. Off, only arrows, Enter, Delete, Esc and Ctrl or ⌘ K do something."
        checked={singleKeys}
        onChange={(wanted) => setPref('singleKeys', wanted)}
      />
    </Section>
  );
}
