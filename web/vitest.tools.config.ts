import { defineConfig } from 'vitest/config';

// What drives the real program in a browser and is no test: pictures and measurements.
export default defineConfig({
  test: {
    include: ['e2e/**/*.tool.ts'],
    environment: 'node',
    fileParallelism: false,
    testTimeout: 1_800_000,
    hookTimeout: 120_000,
  },
});
