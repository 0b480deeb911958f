import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Where the backend of a development server listens; what is built talks to its own origin.
const backend = process.env.TODO_URL ?? 'http://127.0.0.1:8080';

const isCore = (id: string) =>
  /node_modules\/(react|react-dom|scheduler|@tanstack|openapi-fetch)\//.test(id) ||
  (/src\/lib\//.test(id) && !/\/(live|auditWords)\.ts$/.test(id)) ||
  /src\/components\/(icons|parts|Toasts)\.tsx$/.test(id);

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: {
    host: '127.0.0.1',
    // The Host header stays as the browser sent it: the backend compares it with the Origin.
    proxy: {
      '/api': { target: backend, changeOrigin: false, ws: true },
      '/healthz': backend,
    },
  },
  build: {
    // What knows light-dark(), the dialog element and `inert`: nothing is rewritten for older ones.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // No data: URLs, so that the page's policy can do without them.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        codeSplitting: {
          // What the first list needs is one file: it compresses better than many small ones.
          groups: [{ name: 'index', test: isCore }],
        },
      },
    },
  },
});
