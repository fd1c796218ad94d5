/** The scenarios of the virtual lab that take every core there is, and that a lab leaves nothing behind. */
import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { itJudges, LARGE, PAIRS } from '../support/lab-scenarios.ts';

const run = promisify(execFile);

async function namespaces(): Promise<string[]> {
  const { stdout } = await run('ip', ['netns', 'list']);
  return stdout.split('\n').filter((line) => /^rv[0-9a-f]{4}-/.test(line));
}

describe('the virtual lab', () => {
  itJudges(PAIRS, it.concurrent);

  itJudges(LARGE);

  it('leaves nothing behind', async () => expect(await namespaces()).toEqual([]));

  it.each(['SIGINT', 'SIGKILL'] as const)('cleans up after %s', async (signal) => {
    const lab = spawn(process.execPath, ['qemu-lab/main.ts', 'create', '--port', '0'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((ready) => {
      lab.stdout.on('data', (text) => String(text).includes('The board:') && ready());
    });
    expect(await namespaces()).toHaveLength(2);
    const gone = new Promise((done) => lab.once('exit', done));
    lab.kill(signal);
    await gone;
    if (signal === 'SIGKILL') {
      const { stdout } = await run(process.execPath, ['qemu-lab/main.ts', 'list', '--json']);
      expect(JSON.parse(stdout)).toMatchObject({
        labs: [],
        reaped: [expect.stringMatching(/^rv/)],
      });
    }
    expect(await namespaces()).toEqual([]);
    const { stdout } = await run('ps', ['-eo', 'args']);
    expect(stdout).not.toMatch(/qemu-system.*reveille-lab/);
  });
});
