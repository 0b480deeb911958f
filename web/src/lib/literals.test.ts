import { describe, expect, test } from 'vitest';
import { escapeWords, follow } from './literals';

describe('a part that was turned back into words', () => {
  test('each of its words is marked, and offsets lead back', () => {
    const text = 'water plants every 2 weeks friday';
    const { sent, back } = escapeWords(text, [{ start: 13, end: 26 }]);
    expect(sent).toBe('water plants \\every \\2 \\weeks friday');
    const start = sent.indexOf('friday');
    expect(text.slice(back(start), back(start + 6))).toBe('friday');
    expect(back(0)).toBe(0);
    expect(back(sent.length)).toBe(text.length);
  });
  test('what is literal already is not marked twice', () => {
    expect(escapeWords('buy \\friday', [{ start: 4, end: 11 }]).sent).toBe('buy \\friday');
  });
  test('nothing is marked where nothing was turned back', () => {
    expect(escapeWords('buy friday', []).sent).toBe('buy friday');
  });
});

describe('the part follows the text', () => {
  const friday = { start: 7, end: 13 };
  test('typing behind it leaves it', () => {
    expect(follow([friday], 'report friday', 'report friday 5pm')).toEqual([friday]);
  });
  test('typing before it moves it', () => {
    expect(follow([friday], 'report friday', 'the report friday')).toEqual([
      { start: 11, end: 17 },
    ]);
  });
  test('typing in it or right behind it ends it', () => {
    expect(follow([friday], 'report friday', 'report fridays')).toEqual([]);
    expect(follow([friday], 'report friday', 'report frday')).toEqual([]);
  });
});
