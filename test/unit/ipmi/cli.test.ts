import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeBmc, startFakeBmc } from '../../../qemu-lab/fake-bmc.ts';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { type BmcEnvironment, type BmcOptions, runBmc } from '../../../src/cli/bmc.ts';
import { COMMANDS } from '../../../src/cli/bmc-commands.ts';
import { columns, properties } from '../../../src/cli/table.ts';
import type { AppError } from '../../../src/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'reveille-bmc-cli-'));
const machine = simpleMachine(true);
let bmc: FakeBmc;

beforeAll(async () => {
  bmc = await startFakeBmc({ machine, clock: () => 1_700_000_200 });
});
afterAll(async () => {
  await bmc.close();
  rmSync(dir, { recursive: true });
});

const bmcCommand = (
  words: string,
  options: BmcOptions = {},
  environment: BmcEnvironment = { IPMI_PASSWORD: 'secret' },
) =>
  runBmc('127.0.0.1', words.split(' '), {
    options: { user: 'admin', port: String(bmc.port), ...options },
    environment,
  });

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: AppError) => error,
  );

describe('reveille bmc', () => {
  it.each([
    ['power status', /^Chassis Power is on\n$/],
    ['chassis power status', /^Chassis Power is on\n$/],
    ['chassis status', /power on +: true/],
    ['mc info', /manufacturer +: OpenBMC/],
    ['mc guid', /smbios +: 13121110-1514-1716-1819-1a1b1c1d1e1f/],
    ['mc watchdog off', /running +: false/],
    ['sel info', /entries +: 3/],
    ['sel list', /2023-11-14 22:15:20 UTC \| Temperature #0x02/],
    ['sdr list', /FAN1 +\| 5220 rpm +\| ok/],
    ['sensor list', /CPU2 Temp +\| no reading +\| none/],
    ['fru print', /serial +: LAB0001/],
    ['lan print', /suites +: 3,17/],
    ['user list', /2 \| admin +\| enabled +\| administrator/],
    ['channel info', /medium +: lan/],
    ['chassis bootdev pxe options=efiboot', /^Set Boot Device to pxe\n$/],
    ['chassis bootparam', /uefi +: true/],
    ['chassis identify force', /forever/],
    ['power cycle', /cycle, done/],
    ['power diag', /interrupt, done/],
    ['chassis policy', /policy: previous/],
    ['chassis policy always-on', /policy: always-on/],
    ['chassis restart_cause', /cause: chassis-control/],
    ['mc watchdog get', /running +: false/],
    ['sel time', /^2023-11-14T22:16:40Z, -\d+ s ahead/],
    ['sel time set 2026-01-31T12:00:00Z', /^2026-01-31T12:00:00Z, /],
    ['sel time set now', /, -?[01] s ahead/],
    ['sdr info', /records +: \d+/],
    ['sensor list', /FAN1 +\| 5220 rpm +\| ok +\| na +\| \d+ +\| na/],
    ['channel info', /privilege limit +: 4/],
    ['lan set ipsrc dhcp', /source +: dhcp/],
    ['lan set 1 ipaddr 10.9.8.7', /address +: 10\.9\.8\.7/],
    ['lan set netmask 255.255.0.0', /mask +: 255\.255\.0\.0/],
    ['lan set defgw ipaddr 10.9.0.1', /gateway +: 10\.9\.0\.1/],
  ])('%s', async (words, output) => {
    expect(await bmcCommand(words)).toMatch(output);
    expect(bmc.sessions()).toBe(0);
  });

  it('did to the machine what it said', () => {
    expect(machine.actions).toEqual(['cycle', 'nmi']);
    expect(bmc.state.identify).toBe('forever');
  });

  it.each(
    Object.keys(COMMANDS).filter(
      (name) => !/^(sol|mc reset|chassis bootdev|power diag|lan set)/.test(name),
    ),
  )('%s --json is one document', async (words) => {
    const output = await bmcCommand(words, { json: true });
    expect(output.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(output)).toBeTypeOf('object');
  });

  it('restarts a watchdog that was set, and says that there is none', async () => {
    const error = await refusal(bmcCommand('mc watchdog reset'));
    expect(error?.message).toContain('the watchdog was never set');
  });

  it('takes the password from a file', async () => {
    const file = join(dir, 'password');
    writeFileSync(file, 'secret\n');
    expect(await bmcCommand('power status', { passwordFile: file }, {})).toContain('Power is');
    const missing = { passwordFile: join(dir, 'none') };
    expect((await refusal(bmcCommand('power status', missing)))?.code).toBe('REQUEST_INVALID');
  });

  it('speaks the suite and asks for the privilege that it is told to', async () => {
    expect(await bmcCommand('power status', { suite: '3' })).toContain('Power is');
    const viewer = { user: 'viewer', privilege: 'USER' };
    const environment = { IPMI_PASSWORD: 'viewpw' };
    expect(await bmcCommand('power status', viewer, environment)).toContain('Power is');
    const denied = await refusal(bmcCommand('chassis identify', viewer, environment));
    expect(denied?.message).toContain('insufficient privilege (0xd4)');
  });

  it.each([
    ['make coffee', {}],
    ['chassis bootdev tape', {}],
    ['chassis bootdev pxe options=sometimes', {}],
    ['chassis identify soon', {}],
    ['mc reset warm', {}],
    ['mc watchdog feed', {}],
    ['chassis policy sometimes', {}],
    ['sel time set soon', {}],
    ['sel time ask', {}],
    ['lan set ipsrc bootp', {}],
    ['lan set ipaddr 10.9.8', {}],
    ['power status', { suite: '99' }],
    ['power status', { suite: 'x' }],
    ['power status', { privilege: 'king' }],
    ['power status', { port: '0' }],
    ['power status', { quirk: ['strange'] }],
  ] as const)('%s %j is refused in words', async (words, options) => {
    const error = await refusal(bmcCommand(words, options));
    expect(error?.code).toBe('REQUEST_INVALID');
    expect(error?.message).not.toContain('secret');
  });
});

describe('tables', () => {
  it('line up', () => {
    expect(
      columns([
        ['a', 'bb'],
        ['ccc', 'd'],
      ]),
    ).toBe('a   | bb\nccc | d');
    expect(properties({ oneTwo: 1, three: ['a', 'b'] })).toBe('one two : 1\nthree   : a, b');
  });
});
