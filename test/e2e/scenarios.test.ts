/** The scenarios of the virtual lab that have the computer to themselves, one after the other, and that a lab leaves nothing behind. */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { isAlive, listLabs } from '../../qemu-lab/state.ts';
import { ALL, itJudges } from '../support/lab-scenarios.ts';

const run = promisify(execFile);

/** @param lab its id; without one, of every lab that nobody runs: others on this machine may run theirs */
async function namespaces(lab?: string): Promise<string[]> {
  const { stdout } = await run('ip', ['netns', 'list']);
  const running = listLabs().filter(isAlive);
  return stdout
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((ns) => /^rv[0-9a-f]{4}-/.test(ns))
    .filter((ns) => (lab ? ns.startsWith(lab) : !running.some(({ id }) => ns.startsWith(id))));
}

describe('the virtual lab', () => {
  let before: string[];
  beforeAll(async () => {
    before = await namespaces();
  });

  itJudges(ALL);

  it('leaves nothing behind', async () =>
    expect((await namespaces()).filter((ns) => !before.includes(ns))).toEqual([]));

  it.each(['SIGINT', 'SIGKILL'] as const)('cleans up after %s', async (signal) => {
    const lab = spawn(process.execPath, ['qemu-lab/main.ts', 'create', '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const gone = new Promise<'it has ended'>((done) =>
      lab.once('exit', () => done('it has ended')),
    );
    const begun = new Promise<string>((ready) => {
      lab.stdout.on('data', (text) => {
        const [, found] = /The board:.*reveille-lab-(rv[0-9a-f]{4})/.exec(String(text)) ?? [];
        if (found) ready(found);
      });
    });
    const id = await Promise.race([begun, gone]);
    expect(await namespaces(id)).toHaveLength(2);
    lab.kill(signal);
    await gone;
    if (signal === 'SIGKILL') {
      const { stdout } = await run(process.execPath, ['qemu-lab/main.ts', 'list', '--json']);
      const { labs, reaped } = JSON.parse(stdout);
      expect(reaped).toContain(id);
      expect(labs.map((one: { id: string }) => one.id)).not.toContain(id);
    }
    expect(await namespaces(id)).toEqual([]);
    const { stdout } = await run('ps', ['-eo', 'args']);
    expect(stdout).not.toMatch(new RegExp(`qemu-system.*reveille-lab-${id}`));
  });
});
