import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeBmc, startFakeBmc } from '../../../qemu-lab/fake-bmc.ts';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { type BmcEnvironment, type BmcOptions, runBmc } from '../../../src/cli/bmc.ts';
import { COMMANDS } from '../../../src/cli/bmc-commands.ts';
import { columns, properties } from '../../../src/cli/table.ts';
import type { AppError } from '../../../src/errors.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const dir = temporaryFolder('bmc-cli');
const machine = simpleMachine(true);
let bmc: FakeBmc;

beforeAll(async () => {
  bmc = await startFakeBmc({ machine, clock: () => 1_700_000_200 });
});
afterAll(async () => {
  await bmc.close();
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
      (name) => !/^(sol|user (?!list)|mc reset|chassis bootdev|power diag|lan set)/.test(name),
    ),
  )('%s --json is one document', async (words) => {
    const output = await bmcCommand(words, { json: true });
    expect(output.trim().split('\n')).toHaveLength(1);
    expect(JSON.parse(output)).toBeTypeOf('object');
  });

  it('makes an account of the BMC, with a password that is no argument', async () => {
    const file = join(dir, 'new-password');
    writeFileSync(file, 'a-new-secret-of-20b!\n');
    const set = async (words: string) => bmcCommand(words, { newPasswordFile: file });
    expect(await set('user set name 6 night-shift')).toContain("user 6's name to night-shift");
    expect(await set('user set password 6')).not.toContain('secret');
    expect(await set('user priv 6 operator')).toContain('rights of operator on channel 1');
    expect(await set('user enable 6')).toContain('enabled');
    expect(await set('user test 6')).toContain('has this password');
    const wrong = { IPMI_PASSWORD: 'secret', IPMI_NEW_PASSWORD: 'another-one-0123456!' };
    expect((await refusal(bmcCommand('user test 6', {}, wrong)))?.message).toContain('another one');
    expect(await set('sol payload status 6')).toContain('may not use the serial console');
    expect(await set('sol payload enable 6 1')).toContain('User 6 may use');
    const own = { user: 'night-shift', privilege: 'operator', passwordFile: file };
    expect(await bmcCommand('power status', own, {})).toContain('Power is');
    expect(await set('user disable 6')).toContain('disabled');
    expect((await refusal(bmcCommand('power status', own, {})))?.code).toBe('BMC_USER');
  });

  it('pings without a login', async () => {
    expect(await bmcCommand('ping', {}, {})).toBe('127.0.0.1 is there, and speaks IPMI\n');
    bmc.knobs.dead = true;
    expect(await bmcCommand('ping', {}, {})).toContain('does not answer');
    const document = await bmcCommand('ping', { json: true }, {});
    expect(JSON.parse(document)).toEqual({ present: false, ipmi: false });
    bmc.knobs.dead = false;
  });

  it('takes K_G from a file, too', async () => {
    const file = join(dir, 'kg');
    writeFileSync(file, 'not-the-key\n');
    const error = await refusal(bmcCommand('power status', { keyFile: file }));
    expect(error?.code).toBe('BMC_KG');
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
    ['user set name 6', {}],
    ['user set name 6 a-name-of-seventeen', {}],
    ['user set password 6', {}],
    ['user set colour 6 red', {}],
    ['user enable 0', {}],
    ['user priv 6 king', {}],
    ['sol payload ask 6', {}],
    ['power status', { keyFile: '/nowhere' }],
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
