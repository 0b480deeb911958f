import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';

const root = import.meta.dirname;

/** What each layer may import. A feature knows no other feature: the app brings them together. */
const allowed: Record<string, string[]> = {
  lib: ['lib'],
  components: ['components', 'lib'],
  features: ['components', 'lib'],
  app: ['app', 'components', 'features', 'lib'],
};

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) =>
  /^(lib|components|features|app)\/.*\.tsx?$/.test(path),
);

function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  const found = text.matchAll(/(?:from|import)\s*\(?'((?:@|\.)[^']*)'/g);
  return [...found].map(([, target = '']) =>
    target.startsWith('@/') ? target.slice(2) : relative(root, join(root, path, '..', target)),
  );
}

test('there are files to look at, and their imports are seen', () => {
  expect(files.length).toBeGreaterThan(60);
  expect(importsOf('app/LayerHost.tsx')).toContain('features/palette/Palette');
});

test.each(files)('%s imports what its layer may', (path) => {
  const [layer = '', feature] = path.split('/');
  for (const target of importsOf(path)) {
    const [targetLayer = '', targetFeature] = target.split('/');
    const own = layer === 'features' && targetLayer === 'features' && targetFeature === feature;
    expect(own || allowed[layer]?.includes(targetLayer), `${path} imports ${target}`).toBe(true);
  }
});
