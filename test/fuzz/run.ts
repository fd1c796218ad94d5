/**
 * `npm run fuzz -- --runs 1000000`: every decoder with that many mutated inputs, each file in a process of its own, one after the
 * other, with its time and the most memory that one of its processes had.
 *
 * Without `--runs` each has the 20,000 of CI. `--only WORD` runs the files whose name has that word. `--json` prints one JSON
 * object last. The exit status is 1 when one fails, or has grown above MEMORY_MIB_MAX. FUZZ_SEED makes other mutations.
 */
import '../../src/platform/require-node.ts';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { memoryOf, treeOf } from '../../bench/support/process.ts';

interface Result {
  readonly file: string;
  readonly passed: boolean;
  /** Why it failed. */
  readonly why: string;
  readonly seconds: number;
  readonly peakMiB: number;
}

const VITEST = join(import.meta.dirname, '../../node_modules/vitest/vitest.mjs');
/** Many times what the slowest needs: a busy machine is no reason to fail. */
const TIMEOUT_MS_PER_RUN = 4;
const TIMEOUT_MS_MIN = 600_000;
const LOOK_MS = 250;
/** A kilobyte kept of each of a million inputs is above it; a test process with its compiler is far below. */
const MEMORY_MIB_MAX = 1024;

async function runFile(file: string, runs: number): Promise<Result> {
  const began = Date.now();
  const timeout = Math.max(TIMEOUT_MS_MIN, runs * TIMEOUT_MS_PER_RUN);
  const child = spawn(
    process.execPath,
    [VITEST, 'run', '--project', 'fuzz', `test/fuzz/${file}`, `--testTimeout=${timeout}`],
    { stdio: 'inherit', env: { ...process.env, FUZZ_RUNS: String(runs) } },
  );
  let peakBytes = 0;
  const look = setInterval(() => {
    peakBytes = Math.max(peakBytes, ...treeOf(child.pid ?? 0).map(peakOf));
  }, LOOK_MS);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearInterval(look);
  const seconds = Math.round((Date.now() - began) / 100) / 10;
  const peakMiB = Math.round(peakBytes / 2 ** 20);
  const grown = peakMiB > MEMORY_MIB_MAX ? `grew above ${MEMORY_MIB_MAX} MiB` : '';
  const why = [code === 0 ? '' : `ended with ${code}`, grown]
    .filter((one) => one !== '')
    .join(', ');
  return { file, passed: why === '', why, seconds, peakMiB };
}

/** 0 for a process that has ended since it was listed. */
function peakOf(pid: number): number {
  try {
    return memoryOf(pid).peakBytes || 0;
  } catch {
    return 0;
  }
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: process.env.FUZZ_RUNS ?? '20000' },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 20) {
  process.stderr.write(`--runs is a number from 20 on, not '${values.runs}'\n`);
  process.exit(64);
}
const files = readdirSync(import.meta.dirname)
  .filter((name) => name.endsWith('.test.ts') && name.includes(values.only))
  .sort();
if (files.length === 0) {
  process.stderr.write(`no file in test/fuzz has '${values.only}' in its name\n`);
  process.exit(64);
}
const results: Result[] = [];
for (const file of files) results.push(await runFile(file, runs));
const passed = results.every((one) => one.passed);
for (const { file, passed, why, seconds, peakMiB } of results) {
  const verdict = passed ? 'passed' : `FAILED (${why})`;
  process.stdout.write(`${file.padEnd(24)} ${verdict} ${seconds} s, at most ${peakMiB} MiB\n`);
}
if (values.json) process.stdout.write(`${JSON.stringify({ runs, passed, results })}\n`);
process.exitCode = passed ? 0 : 1;
