/**
 * Builds the portal into build/ui: hashed files, no inline script, nothing loaded from elsewhere, and a compressed copy beside
 * each file that gains by it, which the appliance sends as it is.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';

const target = resolve(process.env.UI_OUT ?? join(import.meta.dirname, '../../build/ui'));

function compress(): void {
  for (const name of readdirSync(target, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(js|css|svg|html)$/.test(name)) continue;
    const bytes = readFileSync(join(target, name));
    writeFileSync(join(target, `${name}.br`), brotliCompressSync(bytes));
    writeFileSync(join(target, `${name}.gz`), gzipSync(bytes, { level: 9 }));
  }
}

// biome-ignore lint/style/noDefaultExport: the tool reads its configuration from the default export
export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  plugins: [{ name: 'compressed-copies', apply: 'build', closeBundle: compress }],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: target,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});
