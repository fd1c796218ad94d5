/** The unit for systemd, as systemd itself reads it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const text = readFileSync('packaging/reveille.service', 'utf8');

/** @returns what systemd-analyze prints about the unit, with the program where it is here */
function analyze(
  verb: string,
  ...words: readonly string[]
): { said: string; status: number | null } {
  const unit = join(mkdtempSync(join(tmpdir(), 'unit-')), 'reveille.service');
  writeFileSync(unit, text.replaceAll('/opt/reveille', resolve('.')));
  const command = [verb, ...words, unit];
  const { stdout, stderr, status } = spawnSync('systemd-analyze', command, { encoding: 'utf8' });
  return { said: `${stdout}${stderr}`.trim(), status };
}

it('has no word that systemd does not know, and a program that is there', () => {
  expect(analyze('verify', '--man=no')).toEqual({ said: '', status: 0 });
});

it('leaves the service little more than what a server of DHCP needs', () => {
  const { said } = analyze('security', '--offline=true', '--no-pager');
  const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
  // Of 10, which is a service as root without any of it.
  expect(exposure).toBeLessThan(3);
});
