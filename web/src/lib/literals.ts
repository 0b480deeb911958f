/** A stretch of the text, in UTF-16 units. */
export interface Range {
  start: number;
  end: number;
}

/**
 * The text as the parser is to read it: the words of `literals` are marked with a backslash, which
 * makes them plain words. `back` leads an offset in it back into the text.
 */
export function escapeWords(
  text: string,
  literals: readonly Range[],
): { sent: string; back: (offset: number) => number } {
  const marks: number[] = [];
  for (const word of text.matchAll(/\S+/g)) {
    const inside = literals.some((range) => word.index >= range.start && word.index < range.end);
    if (inside && !word[0].startsWith('\\')) marks.push(word.index);
  }
  let sent = text;
  for (const at of marks.toReversed()) sent = `${sent.slice(0, at)}\\${sent.slice(at)}`;
  const back = (offset: number) => {
    let shift = 0;
    for (const at of marks) if (at + shift < offset) shift += 1;
    return offset - shift;
  };
  return { sent, back };
}

/** The ranges after the text changed: those it changed in are gone, those behind it moved. */
export function follow(ranges: readonly Range[], before: string, after: string): Range[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  const tailMax = Math.min(before.length, after.length) - head;
  while (tail < tailMax && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const changedEnd = before.length - tail;
  const shift = after.length - before.length;
  return ranges.flatMap((range) => {
    if (range.end < head || (range.end === head && /^\s|^$/.test(after.slice(head, head + 1)))) {
      return [range];
    }
    if (range.start >= changedEnd) {
      return [{ start: range.start + shift, end: range.end + shift }];
    }
    return [];
  });
}
