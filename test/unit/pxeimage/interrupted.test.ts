/** Ctrl-C while `make test` builds what the tests boot: both builds end, and what is half made is not taken for whole. */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it, vi } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
let folder: string;
beforeEach(() => {
  folder = temporaryFolder('interrupted');
});

const program = (path: string, text: string) => {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  return writeFile(join(folder, path), `#!/bin/bash\n${text}\n`, { mode: 0o755 });
};
const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** As a terminal does it: the signal goes to all of the group. @returns once it has begun all of `marks` */
async function begin(command: string, args: readonly string[], marks: readonly string[]) {
  const child = spawn(command, args, {
    ...{ cwd: folder, detached: true, stdio: 'ignore' },
    env: { ...process.env, OUT: join(folder, 'out'), PATH: `${folder}/bin:${process.env.PATH}` },
  });
  const ended = new Promise<unknown>((resolve) => child.once('exit', resolve));
  await vi.waitFor(
    () => expect(marks.filter((mark) => !existsSync(join(folder, mark)))).toEqual([]),
    {
      ...{ timeout: 20_000, interval: 20 },
    },
  );
  const pids = await Promise.all(
    marks.map(async (mark) => Number(await readFile(join(folder, mark), 'utf8'))),
  );
  return { pids, ended, interrupt: () => void process.kill(-(child.pid ?? 0), 'SIGINT') };
}

const ALL = ['setup-lab', 'setup-test', 'ui'].flatMap((done) => ['-o', done]);

it('ends both builds', async () => {
  copyFileSync(join(REPOSITORY, 'Makefile'), join(folder, 'Makefile'));
  await program('test/run-all.sh', 'echo run >run');
  const script = join(REPOSITORY, 'test/build-images.sh');
  if (existsSync(script)) copyFileSync(script, join(folder, 'test/build-images.sh'));
  const builds = ['pxeimage/build.sh', 'pxeimage/snapshots/build.sh'];
  for (const path of builds)
    await program(path, `echo $$ >${path}.new; mv ${path}.new ${path}.child; exec sleep 30`);
  const marks = builds.map((path) => `${path}.child`);
  const { pids, ended, interrupt } = await begin('make', [...ALL, 'test'], marks);
  interrupt();
  expect(await ended).not.toBe(0);
  await vi.waitFor(() => expect(pids.filter(isRunning)).toEqual([]), { timeout: 5000 });
  expect(existsSync(join(folder, 'run'))).toBe(false);
});

it('leaves no half of a package among those that are whole, and nothing that it works in', async () => {
  for (const name of ['dpkg-deb', 'cpio', 'zstd', 'depmod', 'modprobe', 'xz'])
    await program(`bin/${name}`, 'exit 0');
  await program('bin/apt-cache', 'echo "  Candidate: 1.0"');
  await program(
    'bin/apt-get',
    `case "$*" in *download*) echo half >ipxe_1.0_all.deb; echo $$ >${folder}/pid; mv ${folder}/pid ${folder}/downloading; exec sleep 30 ;; esac`,
  );
  const script = join(REPOSITORY, 'pxeimage/build.sh');
  const { pids, ended, interrupt } = await begin(script, ['boot'], ['downloading']);
  interrupt();
  const status = await ended;
  expect(readdirSync(join(folder, 'out/cache/debs'))).toEqual([]);
  expect([status, pids.filter(isRunning)]).toEqual([130, []]);
});
