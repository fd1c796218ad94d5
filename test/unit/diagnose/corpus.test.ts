import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { judgeFile } from '../../../src/cli/diagnose-file.ts';
import { diagnose } from '../../../src/diagnose/diagnose.ts';
import { parseFlight } from '../../../src/diagnose/flight.ts';
import { DIAGNOSES } from '../../../src/diagnose/table.ts';
import { SCENES } from '../../support/failure-scenes.ts';

const CORPUS = 'test/fixtures/diagnoses';
const RECORDED = ['test/fixtures/pcap', 'test/fixtures/dhcp'];
const files = (folder: string, suffix: string) =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(suffix))
        .map((name) => join(folder, name))
    : [];

interface Judged {
  readonly name: string;
  readonly expect: string | null;
  readonly found: string | null;
}

async function judgeCorpus(): Promise<Judged[]> {
  const cases = files(CORPUS, '.json').map(async (file): Promise<Judged> => {
    const one = JSON.parse(readFileSync(file, 'utf8'));
    const final = one.final === true;
    if (one.capture === undefined) {
      const found = diagnose(parseFlight(one.flight), final)?.name ?? null;
      return { name: file, expect: one.expect, found };
    }
    const judged = await judgeFile(join(CORPUS, one.capture), final);
    const found = judged.find(({ diagnosis }) => diagnosis)?.diagnosis?.name ?? null;
    return { name: file, expect: one.expect, found };
  });
  const scenes = SCENES.map(({ about, expect: wanted, flight, final }): Judged => {
    const found = diagnose(parseFlight(JSON.parse(JSON.stringify(flight))), final)?.name ?? null;
    return { name: `${wanted}: ${about}`, expect: wanted, found };
  });
  return [...(await Promise.all(cases)), ...scenes];
}

describe('the corpus', () => {
  it('is named with precision and recall of 95 % or more, and shows every diagnosis', async () => {
    const judged = await judgeCorpus();
    const failing = judged.filter((one) => one.expect !== null);
    const named = judged.filter((one) => one.found !== null);
    const right = judged.filter((one) => one.expect !== null && one.found === one.expect);
    const wrong = judged.filter((one) => one.found !== one.expect);
    expect(right.length / named.length, JSON.stringify(wrong)).toBeGreaterThanOrEqual(0.95);
    expect(right.length / failing.length, JSON.stringify(wrong)).toBeGreaterThanOrEqual(0.95);
    const shown = new Set(right.map((one) => one.expect));
    expect(DIAGNOSES.filter((name) => !shown.has(name))).toEqual([]);
  });
});

describe('healthy boots of real clients', () => {
  it.each(RECORDED.flatMap((folder) => files(folder, '.pcap')))(
    '%s has no diagnosis',
    async (file) => {
      const judged = await judgeFile(file, false);
      expect(judged.length).toBeGreaterThan(0);
      expect(judged.flatMap(({ diagnosis }) => (diagnosis ? [diagnosis.name] : []))).toEqual([]);
    },
  );
});
