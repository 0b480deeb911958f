// Writes beside each file of the built page what is sent of it to a browser that takes gzip or Brotli:
// compressed once, here, as far as it goes. What would not shrink has none.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const dist = join(import.meta.dirname, '../dist');
const savedLeast = 0.95;

const packers = {
  '.gz': (data) => gzipSync(data, { level: 9 }),
  '.br': (data) =>
    brotliCompressSync(data, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: data.length,
      },
    }),
};

for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || /\.(gz|br)$/.test(entry.name)) continue;
  const path = join(entry.parentPath, entry.name);
  const data = readFileSync(path);
  for (const [suffix, pack] of Object.entries(packers)) {
    const packed = pack(data);
    if (packed.length < data.length * savedLeast) writeFileSync(path + suffix, packed);
  }
}
