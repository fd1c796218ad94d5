/** Scenarios of the virtual lab as tests, each run by the command that people run. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { Scenario, ScenarioResult } from '../../qemu-lab/scenario.ts';
import { SCENARIOS } from '../../qemu-lab/scenarios/index.ts';

const run = promisify(execFile);

/** One of each kind and the quick ones; `npm run lab -- scenario failures` makes all sixteen fail, for a quarter of an hour. */
const FAILURES =
  'packet-loss,http-blocked,two-dhcp-servers,no-binary-for-architecture,secure-boot-refused,disk-not-found';

export const ALL = SCENARIOS.filter(({ byCommand }) => !byCommand);

async function scenario(name: string): Promise<ScenarioResult> {
  const command = ['qemu-lab/main.ts', 'scenario', name, '--json'];
  const env = name === 'failures' ? { ...process.env, FAILURES } : process.env;
  const { stdout } = await run(process.execPath, command, { env }).catch(
    (error: { stdout: string; stderr: string }) => {
      if (error.stdout?.includes('"scenario"')) return error;
      throw new Error(error.stderr);
    },
  );
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as ScenarioResult;
}

/** One test for each: what a run of it has judged, and what all results must have. */
export function itJudges(scenarios: readonly Scenario[]): void {
  it.each(scenarios.map(({ name, about }) => [name, about]))('%s: %s', async (name) => {
    const since = Date.now();
    const result = await scenario(name);
    // At once: the reporter keeps the results of a file to its end.
    const seconds = Math.round((Date.now() - since) / 1000);
    console.log(`${name}: ${seconds} s, ${result.failures.join('; ') || 'no failure'}`);
    // As the message too: an assertion prints no more than how many there are.
    expect(result.failures, result.failures.join('; ')).toEqual([]);
    expect(result.passed).toBe(true);
    // Without a rack, what it is about is in its figures.
    expect(result.machines.length + Object.keys(result.figures ?? {}).length).toBeGreaterThan(0);
    // Where every machine is to come in; the other scenarios judge their machines themselves.
    const comesIn = /^(ingest|boot-|clients$|proxy$)/.test(name) ? result.machines : [];
    for (const { name: machine, state, seconds } of comesIn)
      expect(state === 'leased' ? seconds.leased : seconds.registered, machine).toBeGreaterThan(0);
    for (const [machine, { granted }] of comesIn.length > 0
      ? Object.entries(result.negotiated)
      : [])
      expect(granted.length, machine).toBeGreaterThan(0);
    if (/^(boot-|clients$|proxy$)/.test(name))
      expect(Object.keys(result.negotiated).sort()).toEqual(
        result.machines.map((machine) => machine.name).sort(),
      );
  });
}
