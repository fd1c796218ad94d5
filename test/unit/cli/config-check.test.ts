/** What `reveille config check` says of a file that has the right form, and of which what it names is wrong, or not here. */
import { spawnSync } from 'node:child_process';
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkConfigFile } from '../../../src/cli/config-check.ts';
import { parseConfig } from '../../../src/config.ts';
import { portsWantedTwice, wantedPorts } from '../../../src/daemon/wanted-ports.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { makeSiteCa } from '../../support/site-ca.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const DAY_MS = 86_400_000;
const folder = temporaryFolder('config-check');
const at = (name: string) => join(folder, name);

/** A site that this computer could serve, but for its ports. */
const HERE = {
  site: 'london',
  dhcp: { segments: [{ iface: 'lo', address: '127.0.0.1', cidr: '127.0.0.0/8', mode: 'proxy' }] },
};

interface Remark {
  readonly path: string;
  readonly problem: string;
  readonly mend?: string;
}

function check(config: object, { strict = false, afterDays = 0 } = {}) {
  const file = at('reveille.yaml');
  writeFileSync(file, JSON.stringify({ ...HERE, ...config }));
  const now = (Date.now() + afterDays * DAY_MS) as Millis;
  const { text, failure } = checkConfigFile(file, { json: true, strict }, now);
  const said = JSON.parse(text) as { valid: boolean; errors: Remark[]; warnings: Remark[] };
  expect(said.valid).toBe(failure === undefined);
  // The same in words.
  const words = checkConfigFile(file, { strict }, now);
  for (const { path, problem, mend } of said.warnings)
    expect(words.text).toContain(`warning: ${path}: ${problem}; ${mend}\n`);
  for (const { path, problem } of said.errors)
    expect(words.failure?.message).toContain(`\n  ${path}: ${problem}`);
  return said;
}

describe('a configuration that is checked', () => {
  it('has nothing to be told where all is there', () => {
    expect(check({})).toEqual({
      ...{ valid: true, file: at('reveille.yaml'), site: 'london', segments: 1 },
      ...{ errors: [], warnings: [] },
    });
  });

  it('says that an option 43 that is for no vendor class goes to no machine that boots', () => {
    const [segment] = HERE.dhcp.segments;
    const dhcp = (...raw: object[]) => ({
      segments: [{ ...segment, options: { raw: [{ code: 224, text: 'hello' }, ...raw] } }],
      machines: [{ mac: '52:54:00:00:00:01', options: { raw } }],
    });
    const nobodys = { code: 43, hex: '060108ff' };
    const { warnings } = check({ dhcp: dhcp(nobodys) });
    const places = ['dhcp.segments.0.options.raw.1', 'dhcp.machines.0.options.raw.0'];
    expect(warnings.map(({ path }) => path)).toEqual(places);
    expect(warnings[0]?.problem).toContain('goes to no client that boots');
    const firmwares = { ...nobodys, vendorClass: 'PXEClient' };
    expect(check({ dhcp: dhcp(firmwares) }).warnings).toEqual([]);
    expect(check({ dhcp: dhcp(nobodys, firmwares) }).warnings).toEqual([]);
  });

  it('names files that are not here, which may be elsewhere, and counts them where it is told to', () => {
    const tls = { cert: at('no.crt'), key: [at('no.key')] };
    const config = {
      peopleHttp: {
        tls,
        oidc: {
          ...{ issuer: 'https://id.example', clientId: 'x', clientSecretFile: at('no.secret') },
          redirectUrl: 'https://reveille.example/api/v1/login/oidc/callback',
        },
      },
      machineHttp: { tls: { ...tls, ca: at('no.ca') } },
      images: { keys: [at('no.pub')], importFolder: at('no-folder') },
      standby: { member: 'b', partner: '10.0.0.2', keyFile: at('no.pair') },
    };
    const paths = [
      ...['peopleHttp.tls.cert', 'peopleHttp.tls.key.0'],
      ...['machineHttp.tls.cert', 'machineHttp.tls.key.0', 'machineHttp.tls.ca'],
      ...['images.keys.0', 'images.importFolder'],
      ...['peopleHttp.oidc.clientSecretFile', 'standby.keyFile'],
    ];
    const { valid, errors, warnings } = check(config);
    expect([valid, errors]).toEqual([true, []]);
    expect(warnings.map(({ path }) => path)).toEqual(paths);
    for (const { problem, mend } of warnings) {
      expect(problem).toContain(folder);
      expect(mend).not.toBe('');
    }
    const strict = check(config, { strict: true });
    expect([strict.valid, strict.warnings]).toEqual([false, []]);
    expect(strict.errors.map(({ path }) => path)).toEqual(paths);
  });

  it('is refused for files that are here and are not what they should be', () => {
    const site = makeSiteCa(folder, '10.77.0.1');
    const good = site.issue('people', { days: 100, newkey: ['rsa:2048'] });
    const other = site.issue('other', { days: 100, newkey: ['rsa:2048'] });
    writeFileSync(at('not.pem'), 'hello\n');
    writeFileSync(at('wide'), 'secret\n');
    chmodSync(at('wide'), 0o644);
    const errorsOf = (config: object) => check(config).errors.map(({ path }) => path);
    const of = (tls: object) => ({ peopleHttp: { tls } });
    expect(errorsOf(of(good))).toEqual([]);
    expect(errorsOf(of({ cert: good.cert, key: other.key }))).toEqual(['peopleHttp.tls']);
    expect(errorsOf(of({ cert: at('not.pem'), key: good.key }))).toEqual(['peopleHttp.tls']);
    expect(errorsOf(of({ cert: [good.cert, other.cert], key: [good.key] }))).toEqual([
      'peopleHttp.tls.key',
    ]);
    expect(errorsOf({ machineHttp: { tls: { ...good, ca: at('not.pem') } } })).toEqual([
      'machineHttp.tls.ca',
    ]);
    expect(errorsOf({ images: { keys: [at('not.pem')] } })).toEqual(['images.keys.0']);
    const standby = { member: 'a', partner: '10.0.0.2', keyFile: at('wide') };
    expect(check({ standby }).errors).toMatchObject([
      {
        path: 'standby.keyFile',
        problem: expect.stringContaining('others can read it; chmod 600'),
      },
    ]);
  });

  it('tells of a certificate that ends', () => {
    const site = makeSiteCa(folder, '10.77.0.1');
    const tls = site.issue('people', { days: 100, newkey: ['rsa:2048'] });
    const inDays = (afterDays: number) => check({ peopleHttp: { tls } }, { afterDays }).warnings;
    expect(inDays(0)).toEqual([]);
    expect(inDays(80)).toMatchObject([{ path: 'peopleHttp.tls.cert' }]);
    expect(inDays(80)[0]?.problem).toMatch(/ ends on 20/);
    expect(inDays(101)[0]?.problem).toMatch(/ has ended on 20/);
  });

  it.each<[string, object, string, string]>([
    ['HTTP', { peopleHttp: { port: 8080 } }, 'peopleHttp.port', 'machineHttp.port'],
    [
      'TLS and plain',
      { machineHttp: { tls: { port: 8081, cert: 'a', key: 'b', ca: 'c' } } },
      ...(['peopleHttp.port', 'machineHttp.tls.port'] as const),
    ],
    [
      'its own redirection',
      { peopleHttp: { tls: { cert: 'a', key: 'b', redirectPort: 8081 } } },
      ...(['peopleHttp.tls.redirectPort', 'peopleHttp.port'] as const),
    ],
    ['DNS over TCP', { dns: { port: 8080 } }, 'machineHttp.port', 'dns.port'],
    ['DNS and TFTP', { tftp: { port: 53 } }, 'dns.port', 'tftp.port'],
    ['TFTP and DHCP', { tftp: { port: 67 } }, 'tftp.port', 'dhcp.serverPort'],
    [
      'the line of the pair',
      { standby: { member: 'a', partner: '10.0.0.2', keyFile: 'k', port: 8080 } },
      ...(['standby.port', 'machineHttp.port'] as const),
    ],
    [
      'DHCP twice',
      { dhcp: { ...HERE.dhcp, serverPort: 4011 } },
      ...(['dhcp.proxyPort', 'dhcp.serverPort'] as const),
    ],
  ])('is refused when two listeners want one port: %s', (_, config, path, other) => {
    const { errors } = check(config);
    expect(errors).toMatchObject([{ path, problem: expect.stringContaining(`by ${other}, too`) }]);
    expect(errors[0]?.mend).toMatch(/another port/);
  });

  it('has listeners side by side where their addresses or interfaces differ', () => {
    const segment = (n: number, more: object) => ({
      ...{ name: `s${n}`, iface: `eth${n}`, address: `10.${n}.0.1`, cidr: `10.${n}.0.0/24` },
      ...{ pool: { first: `10.${n}.0.10`, last: `10.${n}.0.20` }, ...more },
    });
    const twice = (config: object) =>
      portsWantedTwice(wantedPorts(parseConfig(JSON.stringify(config)))).map(
        ({ first, second }) => `${first.key} ${second.key}`,
      );
    const dhcp = { segments: [segment(1, {}), segment(2, {})] };
    expect(twice({})).toEqual([]);
    expect(twice({ dhcp, peopleHttp: { address: '10.3.0.1', port: 8080 } })).toEqual([]);
    expect(twice({ dhcp, peopleHttp: { port: 8080 } })).toEqual([
      ...['machineHttp.port peopleHttp.port', 'machineHttp.port peopleHttp.port'],
    ]);
    expect(twice({ dhcp, dns: { listen: ['10.1.0.1', '::', 'fd00::1'] } })).toEqual([
      ...['dns.port dns.port', 'dns.port dns.port'],
    ]);
    expect(twice({ dhcp, dns: { listen: ['0.0.0.0', '::'] } })).toEqual([]);
  });

  it('is told of addresses and interfaces that nobody here has, as of what may be so elsewhere', () => {
    const { errors, warnings } = check({
      dhcp: {
        segments: [
          { ...{ iface: 'nowhere0', address: '192.0.2.1', cidr: '192.0.2.0/24', mode: 'proxy' } },
          {
            ...{ name: 'b', iface: 'lo', address: '198.51.100.1', cidr: '198.51.100.0/24' },
            mode: 'proxy',
          },
          {
            ...{ name: 'c', relayed: true, address: '203.0.113.1', cidr: '203.0.113.0/24' },
            mode: 'proxy',
          },
        ],
        relayInterfaces: ['nowhere1'],
      },
      dns: { listen: ['127.0.0.1', '192.0.2.53'] },
      peopleHttp: { address: '192.0.2.7' },
      standby: { member: 'a', partner: '192.0.2.9', address: '192.0.2.8', keyFile: at('no.pair') },
    });
    expect(errors).toEqual([]);
    expect(Object.fromEntries(warnings.map(({ path, problem }) => [path, problem]))).toEqual({
      'standby.keyFile': `${at('no.pair')} is not on this computer`,
      'peopleHttp.address': 'no interface of this computer has 192.0.2.7',
      'standby.address': 'no interface of this computer has 192.0.2.8',
      'dns.listen.1': 'no interface of this computer has 192.0.2.53',
      'dhcp.segments.0.iface': expect.stringContaining("'nowhere0' is not there; there are: "),
      'dhcp.segments.1.address': 'lo has no 198.51.100.1 on this computer',
      'dhcp.segments.2.address': 'no interface of this computer has 203.0.113.1',
      'dhcp.relayInterfaces.0': expect.stringContaining("'nowhere1' is not there"),
    });
  });

  it('finds an IPv6 address that is here, however it is written', () => {
    const of = (...listen: string[]) => check({ dns: { listen } });
    expect(of('0:0:0:0:0:0:0:1')).toMatchObject({ errors: [], warnings: [] });
    expect(of('0::')).toMatchObject({ errors: [], warnings: [] });
    expect(of('2001:DB8::1').warnings).toMatchObject([{ path: 'dns.listen.0' }]);
    // Which DNS does not take, and which is no reason to end with a stack.
    expect(of('fe80::1%nowhere0', 'fe80::1%nowhere1').errors).toMatchObject([{ path: 'dns' }]);
  });

  it('tells of a folder that it cannot look at', () => {
    symlinkSync('round', at('round'));
    expect(check({ images: { importFolder: at('round') } })).toMatchObject({
      errors: [],
      warnings: [
        { path: 'images.importFolder', problem: `${at('round')} cannot be read here (ELOOP)` },
      ],
    });
  });

  it.each([
    [{ listen: ['nowhere'] }, "'nowhere' is no address"],
    [{ transferTo: ['10.0.0.0'] }, "'10.0.0.0' is no network"],
    [{ secondaries: [{ address: '10.0.0.9', key: 'k' }] }, "names the key 'k', which is not in"],
    [{ dnssec: { enabled: true, renewDays: 21 } }, 'renewDays must be less than'],
  ])('is refused for what DNS would refuse at the start: %j', (dns, says) => {
    expect(check({ dns }).errors).toMatchObject([
      { path: 'dns', problem: expect.stringContaining(says) },
    ]);
    expect(check({ dns: { ...dns, enabled: false } }).errors).toEqual([]);
  });

  it('has its form told by --json, too', () => {
    const file = at('bad.yaml');
    const told = (text: string) => {
      writeFileSync(file, text);
      return JSON.parse(checkConfigFile(file, { json: true }, Date.now() as Millis).text);
    };
    expect(told('tftp: { prot: 69 }')).toMatchObject({
      valid: false,
      errors: [{ path: 'tftp', problem: "unknown key 'prot' (did you mean 'port'?)" }],
    });
    expect(told('a: [')).toMatchObject({ valid: false, errors: [{ path: 'the file' }] });
  });

  it('ends with 78 when it is not valid, and with 0 when there are but warnings', () => {
    const file = at('away.yaml');
    writeFileSync(file, 'peopleHttp: { address: 192.0.2.7 }');
    const run = (...words: string[]) => {
      const line = ['src/main.ts', 'config', 'check', file, ...words];
      return spawnSync(process.execPath, line, { encoding: 'utf8' });
    };
    const says = 'peopleHttp.address: no interface of this computer has 192.0.2.7';
    const away = run();
    expect([away.status, away.stderr]).toEqual([0, '']);
    expect(away.stdout).toMatch(/^valid: site lab, 1 segment\(s\)\n/);
    expect(away.stdout).toContain(`warning: ${says}`);
    const strict = run('--strict');
    expect([strict.status, strict.stdout]).toEqual([78, '']);
    expect(strict.stderr).toContain(`\n  ${says}`);
    expect(strict.stderr).toContain('[CONFIG_INVALID]');
    const json = run('--strict', '--json');
    expect([json.status, json.stderr, JSON.parse(json.stdout).valid]).toEqual([78, '', false]);
  });
});
