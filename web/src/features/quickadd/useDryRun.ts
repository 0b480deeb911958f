import { useEffect, useState } from 'react';
import type { Reading } from '@/lib/api/types';
import { escapeWords, type Range } from '@/lib/literals';
import { dryRun } from '@/lib/quickadd';
import type { Typed } from './state';

const delayMs = 120;

export interface Part extends Range {
  kind: string;
}

export interface Parsed {
  /** What it is an answer to. */
  typed: Typed;
  answer: Reading;
  parts: Part[];
}

/** What the server's parser reads in the text; null until it has answered for this very text. */
export function useDryRun(typed: Typed): { latest: Parsed | null; current: Parsed | null } {
  const [latest, setLatest] = useState<Parsed | null>(null);

  useEffect(() => {
    if (typed.text.trim() === '') {
      setLatest(null);
      return;
    }
    const stop = new AbortController();
    const { sent, back } = escapeWords(typed.text, typed.literals);
    const timer = window.setTimeout(async () => {
      try {
        const answer = await dryRun(sent, typed.now, stop.signal);
        const parts = answer.spans.map((span) => ({
          kind: span.kind,
          start: back(span.start),
          end: back(span.end),
        }));
        setLatest({ typed, answer, parts });
      } catch {
        // Without the answer the text itself is sent, and read then.
      }
    }, delayMs);
    return () => {
      stop.abort();
      window.clearTimeout(timer);
    };
  }, [typed]);

  return { latest, current: latest?.typed === typed ? latest : null };
}
