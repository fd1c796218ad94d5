/**
 * The benches' command line: `npm run bench -- TOPIC --json [--quick] [--only PARTS]`.
 *
 * A topic is one file beside this one, named by one word (`bench/dhcp.ts`); a file with a hyphen in its name, and what is
 * in `support/`, only helps a topic. A topic measures the appliance beside its peers in the same run, on the same machine,
 * by the same load generator: figures of two runs are never compared here. Progress goes to standard error, the result is
 * the last line of standard output. A peer that is not installed ends the run with a status that is not zero and the name
 * of the Debian package: a ratio without its peer would be a claim, not a measurement. A topic with targets names those that
 * were missed, and the status is 1.
 */
import '../src/platform/require-node.ts';
import './support/system-path.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { closeScopes } from './support/scope.ts';
import type { TopicModule, TopicOptions } from './support/topic.ts';

const EXIT_FAILED = 70;
/** It was measured, and is not good enough. */
const EXIT_MISSED = 1;

/** Topic name -> the first sentence of its file. */
function topics(): Map<string, string> {
  const names = readdirSync(import.meta.dirname)
    .map((file) => /^([a-z0-9]+)\.ts$/.exec(file)?.[1])
    .filter((name): name is string => name !== undefined && name !== 'main');
  return new Map(names.sort().map((name) => [name, aboutTopic(name)]));
}

function aboutTopic(name: string): string {
  const source = readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8');
  const essay = /\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? '';
  const words = essay.replace(/^\s*\*?/gm, ' ').replace(/\s+/g, ' ');
  return words.trim().split(/\.(?=\s|$)/)[0] ?? '';
}

interface Given {
  readonly json?: boolean;
  readonly quick?: boolean;
  /** Separated by commas. */
  readonly only?: string;
}

function partsOf({ parts = [] }: TopicModule, name: string, only: string): ReadonlySet<string> {
  const wanted = only.split(',');
  const odd = wanted.filter((part) => !parts.includes(part));
  if (odd.length === 0) return new Set(wanted);
  const there = parts.length === 0 ? 'it is measured as a whole' : `it has: ${parts.join(', ')}`;
  throw new Error(`${name} has no part '${odd.join("', '")}'; ${there}`);
}

async function runTopic(name: string, { quick = false, only }: Given) {
  const module = (await import(`./${name}.ts`)) as TopicModule;
  const started = Date.now();
  const options: TopicOptions = {
    quick,
    ...(only && { only: partsOf(module, name, only) }),
    log(line) {
      const at = ((Date.now() - started) / 1000).toFixed(1).padStart(6);
      process.stderr.write(`${at}s ${name}: ${line}\n`);
    },
  };
  const [firstCpu] = cpus();
  const machine = {
    cores: cpus().length,
    cpu: firstCpu?.model.trim() ?? 'unknown',
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    node: process.version,
    kernel: release(),
    loadBefore: loadavg()[0] ?? 0,
  };
  const {
    topic,
    ours,
    peers,
    ratio,
    ceiling,
    notes = [],
    verdicts = [],
    ...more
  } = await module.run(options);
  const seconds = Math.round((Date.now() - started) / 100) / 10;
  const unmet = verdicts.filter(({ met }) => !met);
  const missed = [
    ...(more.missed ?? []),
    ...unmet.map(({ what, target, value }) => `${what}: ${value}, target ${target}`),
  ];
  return {
    ...{ topic, ours, peers, ratio, ...(ceiling && { ceiling }) },
    ...{ machine, quick, ...(only && { only }), seconds, notes, verdicts, missed },
  };
}

/** The result for a person, in the order of the JSON document. */
function describe(result: object): string {
  return `${JSON.stringify(result, undefined, 2)}\n`;
}

const program = new Command('bench')
  .description('Measures one topic beside its peers in the same run')
  .argument('[topic]', 'what to measure; without it, the topics are listed')
  .option('--json', 'one JSON object as the last line of standard output')
  .option('--quick', 'shorter runs and fewer rounds: a smoke test, not a measurement')
  .option('--only <parts>', 'of a topic that has parts, these, separated by commas')
  .action(async (name: string | undefined, options: Given) => {
    const known = topics();
    if (name === undefined) {
      for (const [topic, about] of known) process.stdout.write(`${topic.padEnd(10)} ${about}\n`);
      return;
    }
    if (!known.has(name)) {
      throw new Error(`there is no topic '${name}'; there are: ${[...known.keys()].join(', ')}`);
    }
    const result = await runTopic(name, options);
    process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : describe(result));
    for (const target of result.missed) process.stderr.write(`bench: missed: ${target}\n`);
    if (result.missed.length > 0) process.exitCode = EXIT_MISSED;
  });

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void closeScopes().finally(() => process.exit(128 + 15)));
}
try {
  await program.parseAsync();
  await closeScopes();
  process.exit();
} catch (error) {
  await closeScopes();
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  if (process.env.DEBUG) process.stderr.write(`${(error as Error).stack}\n`);
  process.exit(EXIT_FAILED);
}
