/** Each scenario of the virtual lab, run by the command that people run. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { ScenarioResult } from '../../qemu-lab/scenario.ts';
import { SCENARIOS } from '../../qemu-lab/scenarios/index.ts';

const run = promisify(execFile);

async function scenario(name: string): Promise<ScenarioResult> {
  const { stdout } = await run(process.execPath, [
    'qemu-lab/main.ts',
    'scenario',
    name,
    '--json',
  ]).catch((error: { stdout: string; stderr: string }) => {
    if (error.stdout?.includes('"scenario"')) return error;
    throw new Error(error.stderr);
  });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as ScenarioResult;
}

describe('the virtual lab', () => {
  it.each(SCENARIOS.map(({ name, about }) => [name, about]))('%s: %s', async (name) => {
    const result = await scenario(name);
    expect(result.failures).toEqual([]);
    expect(result.passed).toBe(true);
    expect(result.machines.length).toBeGreaterThan(0);
    for (const machine of result.machines)
      expect(machine.seconds.registered, machine.name).toBeGreaterThan(0);
  });

  it('leaves nothing behind', async () => {
    const { stdout } = await run('ip', ['netns', 'list']);
    expect(stdout).not.toMatch(/^rv[0-9a-f]{4}-/m);
  });
});
