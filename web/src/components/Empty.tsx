import type { ReactNode } from 'react';
import { Icon, type IconName } from './icons';

/** A place where nothing is says why, and what can be done. */
export function Empty({
  icon,
  text,
  children,
}: {
  icon: IconName;
  text: string;
  children?: ReactNode;
}) {
  return (
    <div className="mx-auto my-12 flex max-w-md flex-col items-center gap-4 px-4 text-center">
      <span className="text-muted">
        <Icon name={icon} size={40} />
      </span>
      <p className="text-lg">{text}</p>
      {children}
    </div>
  );
}
