import { defineConfig } from 'vitest/config';

// Against the real program and Debian's Chromium; one browser at a time, so that times mean something.
export default defineConfig({
  test: {
    include: ['e2e/**/*.e2e.ts'],
    environment: 'node',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
