/** The corpus of failures and of healthy boots, judged: the files, the scenes, and the captures of real clients. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { judgeCase, judgeFile } from '../../src/cli/diagnose-file.ts';
import { diagnose } from '../../src/diagnose/diagnose.ts';
import { parseFlight } from '../../src/diagnose/flight.ts';
import { SCENES } from './failure-scenes.ts';

const CORPUS = 'test/fixtures/diagnoses';
/** What healthy clients said and heard, in the lab and on a wire before it. */
const RECORDED = ['test/fixtures/pcap', 'test/fixtures/dhcp'];

export interface Judged {
  readonly name: string;
  /** Of a real machine or its capture, or made up. */
  readonly from: 'recorded' | 'scene';
  readonly expect: string | null;
  readonly found: string | null;
}

const files = (folder: string, suffix: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(suffix))
        .map((name) => join(folder, name))
    : [];

export const healthyCaptures = (): string[] => RECORDED.flatMap((folder) => files(folder, '.pcap'));

/** Every case that has an expected answer: failures, and boots that nothing is wrong with. */
export async function judgeCorpus(): Promise<Judged[]> {
  const cases = files(CORPUS, '.json').map(
    async (file): Promise<Judged> => ({ name: file, from: 'recorded', ...(await judgeCase(file)) }),
  );
  const scenes = SCENES.map(({ about, expect, flight, final }): Judged => {
    const found = diagnose(parseFlight(JSON.parse(JSON.stringify(flight))), final)?.name ?? null;
    return { name: `${expect}: ${about}`, from: 'scene', expect, found };
  });
  return [...(await Promise.all(cases)), ...scenes];
}

/** Every boot in the captures of healthy clients: none of them may have a name. */
export async function judgeHealthy(): Promise<Judged[]> {
  const all = healthyCaptures().map(async (file) =>
    (await judgeFile(file, false)).map(
      ({ flight, diagnosis }): Judged => ({
        ...{ name: `${file} ${flight.boot}`, from: 'recorded', expect: null },
        found: diagnosis?.name ?? null,
      }),
    ),
  );
  return (await Promise.all(all)).flat();
}

export interface Score {
  readonly cases: number;
  readonly failures: number;
  readonly healthy: number;
  /** Failures called by their own name. */
  readonly right: number;
  /** Cases that were called anything. */
  readonly named: number;
  readonly falseAlarms: number;
  readonly precision: number;
  readonly recall: number;
  readonly wrong: readonly Judged[];
}

/** A failure that is called by another's name counts against both figures. */
export function scoreOf(judged: readonly Judged[]): Score {
  const failing = judged.filter(({ expect }) => expect !== null);
  const named = judged.filter(({ found }) => found !== null);
  const right = failing.filter(({ expect, found }) => expect === found);
  return {
    ...{ cases: judged.length, failures: failing.length, healthy: judged.length - failing.length },
    ...{ right: right.length, named: named.length },
    falseAlarms: named.filter(({ expect }) => expect === null).length,
    precision: right.length / Math.max(1, named.length),
    recall: right.length / Math.max(1, failing.length),
    wrong: judged.filter(({ expect, found }) => expect !== found),
  };
}
