import { defineConfig } from 'vitest/config';
// The workers inherit it.
import './bench/support/system-path.ts';

const project = (name: string, testTimeout: number, parallel: boolean) => ({
  test: {
    name,
    setupFiles: 'test/support/end-of-file.ts',
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: testTimeout,
    // A second, which is what it has by itself, is a busy computer's pause.
    expect: { poll: { timeout: 15_000 } },
    fileParallelism: parallel,
    environment: 'node' as const,
    // Foreign programs are confined to folders that they know, which is none of the others.
    ...(parallel ? { globalSetup: 'test/support/run-folder.ts', maxWorkers: '100%' } : {}),
  },
});

/**
 * The time for a test says that it hangs, and nothing else: several times what the longest takes on two busy cores.
 * `unit` needs no root, virtual machine or network; `interop` needs root and foreign clients; `e2e` boots machines.
 */
// biome-ignore lint/style/noDefaultExport: the tool reads its configuration from the default export
export default defineConfig({
  test: {
    projects: [
      project('unit', 60_000, true),
      project('fuzz', 600_000, true),
      project('interop', 120_000, false),
      project('e2e', 900_000, false),
      // What central promises over SQLite, over PostgreSQL: by command, for it takes minutes.
      {
        test: {
          ...project('postgres', 60_000, false).test,
          include: ['test/unit/central/**/*.test.ts'],
          // Before TMPDIR is a folder that nobody else may enter.
          globalSetup: ['test/support/postgres.ts', 'test/support/run-folder.ts'],
        },
      },
    ],
  },
});
