// Prints what the built page weighs, compressed as it is sent, and fails beyond the budget.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const dist = join(import.meta.dirname, '../dist');
const kB = 1000;
// The polyfill is loaded only by browsers without Temporal; it counts among all there is.
const budgets = { entry: 120 * kB, all: 200 * kB, css: 10 * kB };
const aims = { entry: 95 * kB, all: 140 * kB, css: 6 * kB };

const gzipped = (path) => gzipSync(readFileSync(join(dist, path)), { level: 9 }).length;
const page = readFileSync(join(dist, 'index.html'), 'utf8');
const assets = readdirSync(join(dist, 'assets')).map((name) => `assets/${name}`);

const sizes = { entry: 0, all: 0, css: 0 };
for (const path of assets) {
  const size = gzipped(path);
  if (path.endsWith('.css')) sizes.css += size;
  if (!path.endsWith('.js')) continue;
  sizes.all += size;
  if (page.includes(path)) sizes.entry += size;
}
let over = false;
for (const [name, size] of Object.entries(sizes)) {
  const fits = size <= budgets[name];
  over ||= !fits;
  const shown = (bytes) => `${(bytes / kB).toFixed(1)} kB`;
  console.log(
    `${name.padEnd(6)}${shown(size).padStart(9)}  floor ${shown(budgets[name])}, aim ${shown(aims[name])}${fits ? '' : '  TOO BIG'}`,
  );
}
process.exitCode = over ? 1 : 0;
