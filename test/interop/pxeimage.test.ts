/** The built image: every program of the profile starts in it, with the libraries that it carries. Needs root (chroot). */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

const profiles = ['lab', 'metal'].filter((name) => existsSync(`build/pxeimage/${name}/initrd.img`));

describe.each(profiles)('profile %s', (profile) => {
  const dir = `build/pxeimage/${profile}`;
  const programs = readFileSync(`pxeimage/profiles/${profile}.programs`, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter(Boolean);

  it('every program starts, and the agent is there', () => {
    const root = temporaryFolder('image');
    execFileSync('bash', [
      '-c',
      `set -o pipefail; zstd -q -d -c "$1" | (cd "$2" && cpio -i --quiet)`,
      'bash',
      `${dir}/initrd.img`,
      root,
    ]);
    for (const program of ['busybox', ...programs]) {
      const { status, stderr } = spawnSync('chroot', [root, program, '--help'], {
        encoding: 'utf8',
        env: { PATH: '/usr/sbin:/bin' },
        input: '',
        timeout: 20_000,
      });
      expect(
        `${program} ${status === 126 || status === 127 || status === null ? stderr : 'starts'}`,
      ).toBe(`${program} starts`);
      expect(stderr).not.toMatch(/error while loading shared libraries/);
    }
    for (const name of ['init', 'agent/lib.sh', 'agent/recon.sh', 'agent/release'])
      expect(existsSync(join(root, name)), name).toBe(true);
  });

  it('the manifest tells the truth', () => {
    const manifest = JSON.parse(readFileSync(`${dir}/manifest.json`, 'utf8'));
    expect(Object.keys(manifest.packages)).toContain('busybox-static');
    for (const [name, { sha256, sizeBytes }] of Object.entries<{
      sha256: string;
      sizeBytes: number;
    }>(manifest.outputs)) {
      const bytes = readFileSync(join(dir, name));
      expect([bytes.length, createHash('sha256').update(bytes).digest('hex')]).toEqual([
        sizeBytes,
        sha256,
      ]);
    }
  });
});

it('there is an image to look at', () => expect(profiles).toContain('lab'));
