// Prints what the built page weighs, compressed as it is sent, and fails beyond the budget.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const dist = join(import.meta.dirname, '../dist');
const kB = 1000;
// The polyfill is loaded only by browsers without Temporal; it counts among all there is.
const budgets = { entry: 120 * kB, all: 200 * kB, css: 10 * kB };
const aims = { entry: 95 * kB, all: 140 * kB, css: 6 * kB };

const gzipped = (path) => gzipSync(readFileSync(join(dist, path)), { level: 9 }).length;

/** The bytes, compressed, of what the page begins with, of all scripts and of all styles. */
export function weigh() {
  const page = readFileSync(join(dist, 'index.html'), 'utf8');
  const sizes = { entry: 0, all: 0, css: 0 };
  for (const name of readdirSync(join(dist, 'assets'))) {
    const path = `assets/${name}`;
    if (name.endsWith('.css')) sizes.css += gzipped(path);
    if (!name.endsWith('.js')) continue;
    const size = gzipped(path);
    sizes.all += size;
    if (page.includes(path)) sizes.entry += size;
  }
  return sizes;
}

function main() {
  let over = false;
  for (const [name, size] of Object.entries(weigh())) {
    const fits = size <= budgets[name];
    over ||= !fits;
    const shown = (bytes) => `${(bytes / kB).toFixed(1)} kB`;
    console.log(
      `${name.padEnd(6)}${shown(size).padStart(9)}  floor ${shown(budgets[name])}, aim ${shown(aims[name])}${fits ? '' : '  TOO BIG'}`,
    );
  }
  process.exitCode = over ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
