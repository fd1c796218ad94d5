/**
 * zonemaster-cli, the checker of registries, on the running server: plain and signed, forward, reverse and a subdomain whose
 * parent is ours too. In a namespace with an internet of its own: a root (Knot) that delegates to us, public addresses on
 * its loopback. Nothing worse than a notice is accepted. One case is left out: connectivity03 asks a database in the
 * real internet which networks the addresses belong to.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ip } from '../../bench/support/network.ts';
import { start } from '../../bench/support/process.ts';
import { openScope } from '../../bench/support/scope.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);
const ROOT = '9.7.3.3';
const OURS = ['9.9.1.1', '9.8.2.2'] as const;
const ZONES = ['lon.example', 'fancy.lon.example', '1.9.9.in-addr.arpa'];
const SERVER = join(import.meta.dirname, '..', 'support', 'dns-server.ts');
const TEMPLATE = '/usr/share/perl5/auto/share/dist/Zonemaster-Engine/profile.json';

function profile(): string {
  const { test_cases: cases } = JSON.parse(readFileSync(TEMPLATE, 'utf8')) as {
    test_cases: string[];
  };
  expect(cases.length).toBeGreaterThan(60);
  return JSON.stringify({ test_cases: cases.filter((name) => name !== 'connectivity03') });
}

/** The internet above us: a root with the delegations that registries would have. */
function rootZone(ds: readonly string[]): string {
  const lines = ['. 3600 SOA a.root. host.root. 1 14400 3600 604800 300', '. 3600 NS a.root.'];
  lines.push(`a.root. 3600 A ${ROOT}`);
  for (const zone of ['lon.example.', '1.9.9.in-addr.arpa.', '2.8.9.in-addr.arpa.']) {
    for (const n of [1, 2]) lines.push(`${zone} 3600 NS ns${n}.lon.example.`);
  }
  for (const [i, address] of OURS.entries())
    lines.push(`ns${i + 1}.lon.example. 3600 A ${address}`);
  // Those of zones below others of ours are ours to have.
  lines.push(...ds.filter((line) => !line.startsWith('fancy.')));
  return `${lines.join('\n')}\n`;
}

describe.each(['plain', 'signed'] as const)('zonemaster on %s zones', (mode) => {
  const scope = openScope();
  const folder = temporaryFolder('zonemaster');
  const namespace = `rzm${process.pid}${mode.slice(0, 1)}`;

  beforeAll(async () => {
    ip('netns', 'add', namespace);
    scope.defer(() => ip('netns', 'delete', namespace));
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    for (const address of [...OURS, ROOT]) {
      ip('-n', namespace, 'address', 'add', `${address}/32`, 'dev', 'lo');
    }
    const words = [SERVER, OURS.join(','), 'lon.example.', mode];
    const server = start({ scope, namespace, command: [process.execPath, ...words] });
    const ready = await server.line(/^ready /, 60_000);
    const ds = JSON.parse(ready.slice('ready '.length)) as string[];
    expect(ds).toHaveLength(mode === 'signed' ? 4 : 0);
    mkdirSync(join(folder, 'root'));
    writeFileSync(join(folder, 'root.zone'), rootZone(ds));
    writeFileSync(join(folder, 'hints'), `. 3600000 NS a.root.\na.root. 3600000 A ${ROOT}\n`);
    writeFileSync(join(folder, 'profile.json'), profile());
    const config = [
      `server:\n    rundir: "${folder}/root"\n    user: root\n    listen: ${ROOT}@53`,
      'log:\n  - target: stderr\n    any: info',
      `database:\n    storage: "${folder}/root"`,
      `zone:\n  - domain: .\n    file: "${folder}/root.zone"\n`,
    ];
    writeFileSync(join(folder, 'knot.conf'), config.join('\n'));
    const knot = start({ scope, namespace, command: ['knotd', '-c', join(folder, 'knot.conf')] });
    await knot.line(/server started/, 20_000);
  }, 90_000);

  afterAll(async () => {
    await scope.close();
  });

  it.each(ZONES)(
    '%s: no warning, and every part was tested',
    async (zone) => {
      const files = ['--hints', join(folder, 'hints'), '--profile', join(folder, 'profile.json')];
      const words = ['--no-ipv6', '--raw', '--level', 'INFO', '--no-progress', ...files, zone];
      const { stdout } = await run('ip', ['netns', 'exec', namespace, 'zonemaster-cli', ...words]);
      const lines = stdout.split('\n').map((line) => line.trim().replace(/^[\d.]+ +/, ''));
      expect(lines.filter((line) => /^(WARNING|ERROR|CRITICAL)/.test(line))).toEqual([]);
      expect(stdout).toContain('ARE_AUTHORITATIVE');
      expect(stdout).toContain('ONE_SOA');
      expect(stdout).toContain(mode === 'signed' ? 'ALGORITHM_OK' : 'NOT_SIGNED');
      expect(stdout).not.toContain(mode === 'signed' ? 'NOT_SIGNED' : 'ALGORITHM_OK');
    },
    60_000,
  );
});
