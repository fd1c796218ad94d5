/**
 * Builds the portal into build/ui: hashed files, no inline script, nothing loaded from elsewhere, and a compressed copy beside
 * each file that gains by it, which the appliance sends as it is. The service worker is one file under one name, and is told which
 * files there are.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';

const target = resolve(process.env.UI_OUT ?? join(import.meta.dirname, '../../build/ui'));

const WORKER = 'worker.js';

/** What the worker keeps: everything but the terminal, which is larger than all the rest and of no use without a network. */
function tellWorker(): void {
  const files = readdirSync(join(target, 'assets'))
    .filter((name) => /\.(js|css)$/.test(name) && !name.startsWith('console-'))
    .map((name) => `/assets/${name}`)
    .sort();
  const digest = createHash('sha256').update(files.join()).digest('hex').slice(0, 12);
  const build = JSON.stringify({ files, name: `reveille-${digest}` });
  const script = readFileSync(join(target, WORKER), 'utf8');
  writeFileSync(join(target, WORKER), `const BUILD=${build};\n${script}`);
}

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
  logLevel: 'warn',
  plugins: [
    { name: 'list-for-worker', apply: 'build', closeBundle: tellWorker },
    { name: 'compressed-copies', apply: 'build', closeBundle: compress },
  ],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: target,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: {
      input: {
        index: join(import.meta.dirname, 'index.html'),
        worker: join(import.meta.dirname, 'worker.ts'),
      },
      output: {
        entryFileNames: ({ name }) => (name === 'worker' ? WORKER : 'assets/[name]-[hash].js'),
      },
    },
  },
});
