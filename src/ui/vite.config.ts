/** Builds the board into build/ui: hashed files, no inline script, nothing loaded from elsewhere. */
import { resolve } from 'node:path';
import { defineConfig } from 'vite';

// biome-ignore lint/style/noDefaultExport: the tool reads its configuration from the default export
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: resolve(import.meta.dirname, '../../build/ui'),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
