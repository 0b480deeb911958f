import { Menu } from '@base-ui/react/menu';
import { useEffect, useRef } from 'react';
import { dialogs, giveFocusBack } from '@/lib/layers';
import { usePhone } from '@/lib/media';
import { useStore } from '@/lib/store';
import { Dialog } from './Dialog';
import { Icon, type IconName } from './icons';

export interface Choice {
  label: string;
  /** What it comes to, as a date. */
  hint?: string;
  icon?: IconName;
  danger?: boolean;
  chosen?: boolean;
  run: () => void;
}

interface Props {
  label: string;
  choices: readonly Choice[];
  anchor: Element | null;
  /** It was left without a choice. After a choice what follows is up to that. */
  onClose: () => void;
}

/** One of several: a menu beside what it is about, on phones a sheet at the bottom. */
export function ChoiceMenu(props: Props) {
  const phone = usePhone();
  return phone ? <ChoiceSheet {...props} /> : <ChoicePopup {...props} />;
}

function ChoiceSheet({ label, choices, anchor, onClose }: Props) {
  return (
    <Dialog kind="sheet" label={label} onClose={onClose} returnTo={anchor}>
      <h2 className="px-3 pb-2 text-muted text-sm">{label}</h2>
      {choices.map((choice, index) => (
        <button
          key={choice.label}
          type="button"
          className="menu-item"
          data-autofocus={index === 0 || undefined}
          aria-pressed={choice.chosen}
          onClick={choice.run}
        >
          <Content choice={choice} />
        </button>
      ))}
    </Dialog>
  );
}

function ChoicePopup({ label, choices, anchor, onClose }: Props) {
  const dialog = useStore(dialogs).at(-1);
  const back = useRef(anchor);
  useEffect(() => () => giveFocusBack(back.current), []);
  return (
    <Menu.Root open modal={false} onOpenChange={(open) => !open && onClose()}>
      <Menu.Portal container={dialog ?? document.body}>
        <Menu.Positioner
          anchor={anchor ?? document.querySelector('main h1')}
          side="bottom"
          align="start"
          sideOffset={4}
          collisionPadding={8}
          className="z-40"
        >
          <Menu.Popup
            aria-label={label}
            className="card max-h-96 min-w-56 overflow-y-auto p-1 outline-none"
            finalFocus={false}
          >
            {choices.map((choice) => (
              <Menu.Item
                key={choice.label}
                className="menu-item"
                closeOnClick={false}
                onClick={choice.run}
              >
                <Content choice={choice} />
              </Menu.Item>
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}

function Content({ choice }: { choice: Choice }) {
  return (
    <>
      {choice.icon !== undefined && (
        <span className={choice.danger ? 'text-red' : 'text-muted'}>
          <Icon name={choice.icon} size={18} />
        </span>
      )}
      <span className={`mr-auto ${choice.danger ? 'text-red' : ''}`}>{choice.label}</span>
      {choice.hint !== undefined && <span className="text-muted text-xs">{choice.hint}</span>}
      {choice.chosen && <Icon name="check" size={16} />}
    </>
  );
}
