/**
 * A mistake before the daemon as people run it: a change of many machines takes the addresses of half the site away. The
 * names stay, everybody is told, and one command puts it through or goes back. By `reveille` and dig, in a namespace of
 * its own.
 */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startDaemon, temporaryDir } from '../../bench/support/daemon.ts';
import { ip } from '../../bench/support/network.ts';
import { openScope } from '../../bench/support/scope.ts';

const run = promisify(execFile);
const scope = openScope();
const namespace = `rdm${process.pid}`;
const dir = temporaryDir(scope);
const MACHINES = 400;
const SOON = { timeout: 15_000 };
const config = {
  dhcp: {
    segments: [{ iface: 'lo', address: '10.77.0.1', cidr: '10.77.0.0/24', domain: 'lon.example' }],
  },
  dns: { listen: ['10.77.0.1'], networks: ['10.50.0.0/16'] },
};
let token = '';

const inside = async (...words: string[]): Promise<string> => {
  const env = { ...process.env, REVEILLE_TOKEN: token };
  const { stdout } = await run('ip', ['netns', 'exec', namespace, ...words], { env });
  return stdout;
};
const reveille = (...words: string[]) => inside('bin/reveille', ...words);
const dig = async (name: string) =>
  (await inside('dig', '@10.77.0.1', '+short', '+time=2', '+tries=2', name)).trim();
const api = async (path: string) => {
  const key = ['-H', `Authorization: Bearer ${token}`];
  return JSON.parse(await inside('curl', '-s', ...key, `http://127.0.0.1:8081/api/v1/${path}`));
};
const status = async (): Promise<{
  generation: number;
  held: number | null;
  faults: { code: string; why: string }[];
}> => api('dns');

/** Where every BMC is, half of them of the role `north`. */
function sheet(): string {
  const rows = Array.from({ length: MACHINES }, (_, n) => {
    const role = n < MACHINES / 2 ? 'north' : 'south';
    return `SN-${n},${role},10.50.${n >> 8}.${n & 255}`;
  });
  const file = join(dir, 'sheet.csv');
  writeFileSync(file, `serial,role,bmcAddress\n${rows.join('\n')}\n`);
  return file;
}

beforeAll(async () => {
  ip('netns', 'add', namespace);
  scope.defer(() => ip('netns', 'delete', namespace));
  ip('-n', namespace, 'link', 'set', 'lo', 'up');
  ip('-n', namespace, 'address', 'add', '10.77.0.1/24', 'dev', 'lo');
  await startDaemon({ scope, namespace, dir, config });
  const words = ['tokens', 'create', 'cli', '--local', '--role', 'admin', '--json'];
  const made = await reveille(...words, '--config', join(dir, 'reveille.yaml'));
  token = (JSON.parse(made) as { secret: string }).secret;
}, 60_000);

afterAll(async () => {
  await scope.close();
});

describe('half a site without addresses, by mistake', () => {
  it('is stopped, seen, put through by one command, rolled back by another, and heals by itself', async () => {
    const file = sheet();
    await reveille('machines', 'import', file);
    await expect.poll(() => dig('sn-399.bmc.lon.example'), SOON).toBe('10.50.1.143');
    expect(await inside('dig', '@10.77.0.1', '+short', '-x', '10.50.0.7')).toBe(
      'sn-7.bmc.lon.example.\n',
    );

    // Stopped.
    const all = ['--why', 'the hall moves', '--confirm', String(MACHINES / 2)];
    await reveille('machines', 'edit-many', 'bmcAddress=', '--filter', 'role=north', ...all);
    await expect
      .poll(async () => (await status()).faults.map(({ code }) => code), SOON)
      .toContain('shrink');
    const served = (await status()).generation;
    expect(await dig('sn-7.bmc.lon.example')).toBe('10.50.0.7');

    // Seen: on the command line, in the list of generations, and in the feed that the board reads.
    expect(await reveille('dns', 'zones')).toMatch(
      /not served: bmc\.lon\.example\. .* would go \(50 %/,
    );
    expect(await reveille('dns', 'generations')).toMatch(/refused/);
    expect(await reveille('dns', 'diff')).toContain('- sn-7.bmc.lon.example.');
    const { events } = await api('events?names=dns.refused');
    expect(events[0]?.data.why).toContain("needs a person's consent");

    // Put through.
    await reveille('dns', 'accept');
    await expect.poll(() => dig('sn-7.bmc.lon.example'), SOON).toBe('');
    expect((await status()).faults).toEqual([]);
    expect(await dig('sn-399.bmc.lon.example')).toBe('10.50.1.143');

    // Rolled back, and held until a person ends it.
    await reveille('dns', 'rollback', String(served));
    await expect.poll(() => dig('sn-7.bmc.lon.example'), SOON).toBe('10.50.0.7');
    expect((await status()).held).toBe(served);

    // The inventory is right again: nothing has to be accepted.
    await reveille('machines', 'import', file, '--confirm', String(MACHINES));
    await reveille('dns', 'resume');
    expect(await status()).toMatchObject({ held: null, faults: [] });
    expect(await dig('sn-7.bmc.lon.example')).toBe('10.50.0.7');
  }, 60_000);
});
