import { type ReactNode, useId } from 'react';

interface FieldProps {
  label: string;
  error?: string | undefined;
  hint?: string;
  children: (props: {
    id: string;
    'aria-invalid': boolean | undefined;
    'aria-describedby': string | undefined;
  }) => ReactNode;
}

/** A labelled field whose error and hint are read with it. */
export function Field({ label, error, hint, children }: FieldProps) {
  const id = useId();
  const about = error !== undefined || hint !== undefined ? `${id}-about` : undefined;
  return (
    <div>
      <label htmlFor={id} className="mb-1 block font-medium text-sm">
        {label}
      </label>
      {children({
        id,
        'aria-invalid': error === undefined ? undefined : true,
        'aria-describedby': about,
      })}
      {about !== undefined && (
        <p id={about} className={`mt-1 text-xs ${error === undefined ? 'text-muted' : 'text-red'}`}>
          {error ?? hint}
        </p>
      )}
    </div>
  );
}
