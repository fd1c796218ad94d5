/** The units for systemd, as systemd itself reads them. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** @returns what systemd-analyze prints about the unit, with the program where it is here */
function analyze(
  name: string,
  ...words: readonly string[]
): { said: string; status: number | null } {
  const unit = join(temporaryFolder('unit'), name);
  const text = readFileSync(join('packaging', name), 'utf8');
  writeFileSync(unit, text.replaceAll('/opt/reveille', resolve('.')));
  const { stdout, stderr, status } = spawnSync('systemd-analyze', [...words, unit], {
    encoding: 'utf8',
  });
  return { said: `${stdout}${stderr}`.trim(), status };
}

/** Exposure is of 10, which is a service as root without any of it. */
describe.each([
  ['reveille.service', 'a server of DHCP', 3],
  ['reveille-central.service', 'a server of TLS and a client of PostgreSQL', 1.5],
])('%s', (name, what, exposureMax) => {
  it('has no word that systemd does not know, and a program that is there', () => {
    expect(analyze(name, 'verify', '--man=no')).toEqual({ said: '', status: 0 });
  });

  it(`leaves the service little more than what ${what} needs`, () => {
    const { said } = analyze(name, 'security', '--offline=true', '--no-pager');
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(said)?.[1]);
    expect(exposure).toBeLessThan(exposureMax);
  });
});
