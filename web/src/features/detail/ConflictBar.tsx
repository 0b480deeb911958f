interface Props {
  theirs: string;
  keepMine: () => void;
  takeTheirs: () => void;
}

/** Two people changed the same thing: both versions are here, and the user has the choice. */
export function ConflictBar({ theirs, keepMine, takeTheirs }: Props) {
  const short = theirs.length > 120 ? `${theirs.slice(0, 120)}…` : theirs;
  return (
    <div
      role="alert"
      className="mt-1 flex flex-wrap items-center gap-2 rounded-sm border border-amber bg-surface p-2"
    >
      <span className="mr-auto">
        Changed elsewhere to {short === '' ? 'nothing' : `“${short}”`}.
      </span>
      <button type="button" className="btn" onClick={keepMine}>
        Keep mine
      </button>
      <button type="button" className="btn" onClick={takeTheirs}>
        Take theirs
      </button>
    </div>
  );
}
