/** What was done last, for `z`. Lives as long as the page does. */
interface Done {
  undo: () => void;
}

const doneMax = 50;
const done: Done[] = [];

/** Answers what undoes this one, once, whether `z` or a button asks. */
export function remember(undo: () => void): () => void {
  const entry: Done = {
    undo: () => {
      const at = done.indexOf(entry);
      if (at < 0) return;
      done.splice(at, 1);
      undo();
    },
  };
  done.push(entry);
  if (done.length > doneMax) done.shift();
  return entry.undo;
}

export function undoLast(): boolean {
  const last = done.at(-1);
  last?.undo();
  return last !== undefined;
}

export function forgetDone(): void {
  done.length = 0;
}
