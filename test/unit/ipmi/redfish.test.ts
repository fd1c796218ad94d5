import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import {
  type FakeRedfish,
  type FakeRedfishOptions,
  startFakeRedfish,
} from '../../../qemu-lab/fake-redfish.ts';
import { SYSTEM } from '../../../qemu-lab/fake-redfish-tree.ts';
import type { AppError } from '../../../src/errors.ts';
import type { Bmc } from '../../../src/ipmi/bmc.ts';
import type { Timers } from '../../../src/ipmi/ports.ts';
import { openBmc } from '../../../src/ipmi/probe.ts';
import { openRedfishBmc, type RedfishTarget } from '../../../src/ipmi/redfish/redfish-bmc.ts';
import { type BmcTrust, createBmcHttps } from '../../../src/platform/bmc-https.ts';
import { BMC, createIpmiWorld } from '../../support/ipmi-world.ts';

const key = readFileSync('test/fixtures/redfish/key.pem', 'utf8');
const cert = readFileSync('test/fixtures/redfish/cert.pem', 'utf8');
const fingerprint = createHash('sha256').update(new X509Certificate(cert).raw).digest('hex');

/** Time that passes only by being waited for. */
function quickTimers(): Timers & { readonly waitedMs: () => number } {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    at(timeMs, callback) {
      nowMs = Math.max(nowMs, timeMs);
      const handle = setImmediate(callback);
      return () => clearImmediate(handle);
    },
    waitedMs: () => nowMs,
  };
}

let fake: FakeRedfish;
let machine: ReturnType<typeof simpleMachine>;
let timers: ReturnType<typeof quickTimers>;
const opened: Bmc[] = [];

async function begin(options: Partial<FakeRedfishOptions> = {}, on = false): Promise<void> {
  machine = simpleMachine(on);
  fake = await startFakeRedfish({ machine, key, cert, ...options });
  timers = quickTimers();
}

const https = (trust: BmcTrust = { kind: 'pinned', sha256: fingerprint }) =>
  createBmcHttps({
    ...{ address: '127.0.0.1', port: fake.port, trust },
    ...{ timeoutMs: 5000, bodyBytesMax: 1_000_000 },
  });

async function open(options: Partial<RedfishTarget> = {}): Promise<Bmc> {
  const credentials = { user: 'admin', password: 'secret' };
  const bmc = await openRedfishBmc({ http: https(), timers, credentials, ...options });
  opened.push(bmc);
  return bmc;
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: AppError) => error,
  );

beforeEach(() => begin());
afterEach(async () => {
  for (const bmc of opened.splice(0)) await bmc.close();
  await fake.close();
});

describe('opening', () => {
  it('logs in with a session, and deletes it in the end', async () => {
    const bmc = await open();
    expect(await bmc.powerOn()).toBe(false);
    expect(fake.sessions()).toBe(1);
    await bmc.close();
    expect(fake.sessions()).toBe(0);
    expect(fake.requests.at(-1)).toBe('DELETE /redfish/v1/SessionService/Sessions/1');
  });

  it('uses Basic where there is no session service', async () => {
    fake.knobs.noSessions = true;
    expect(await (await open()).powerOn()).toBe(false);
  });

  it('logs in again when the token has expired, once', async () => {
    fake.knobs.tokenUses = 3;
    const bmc = await open();
    for (let reads = 0; reads < 6; reads++) await bmc.powerOn();
    expect(fake.requests.filter((each) => each.startsWith('POST')).length).toBe(3);
  });

  it('names a wrong password, and does not tell it', async () => {
    const error = await refusal(open({ credentials: { user: 'admin', password: 'hunter22' } }));
    expect(error?.code).toBe('BMC_PASSWORD');
    expect(`${error?.message}`).not.toContain('hunter22');
  });

  it('asks which machine is meant when there are several', async () => {
    await fake.close();
    await begin({ otherSystems: ['second'] });
    const error = await refusal(open());
    expect(error).toMatchObject({ code: 'REQUEST_INVALID' });
    expect(error?.message).toContain('437XR1138R2, second');
    expect(await (await open({ systemId: '437XR1138R2' })).powerOn()).toBe(false);
  });

  it('sends nothing to a certificate that is not the one on record', async () => {
    const sha256 = 'AA:'.repeat(31).concat('AA');
    const error = await refusal(open({ http: https({ kind: 'pinned', sha256 }) }));
    expect(error?.code).toBe('BMC_PROTOCOL');
    expect((await refusal(open({ http: https({ kind: 'authority' }) })))?.code).toBe(
      'BMC_UNREACHABLE',
    );
    expect(fake.requests).toEqual([]);
    expect(await (await open({ http: https({ kind: 'any' }) })).powerOn()).toBe(false);
  });
});

describe('power', () => {
  it.each([
    ['on', false, ['on'], { outcome: 'done', sent: 'on' }],
    ['on', true, [], { outcome: 'already', sent: 'nothing' }],
    ['off', true, ['off'], { outcome: 'done', sent: 'off' }],
    ['cycle', true, ['off', 'on'], { outcome: 'done', sent: 'cycle' }],
    ['cycle', false, ['on'], { outcome: 'done', sent: 'on' }],
    ['reset', true, ['reset'], { outcome: 'done', sent: 'reset' }],
    ['reset', false, ['on'], { outcome: 'done', sent: 'on' }],
    ['soft', true, ['soft'], { outcome: 'done', sent: 'soft' }],
    ['soft', false, [], { outcome: 'already', sent: 'nothing' }],
  ] as const)('%s while on is %s', async (action, on, actions, outcome) => {
    await fake.close();
    await begin({}, on);
    expect(await (await open()).setPower(action)).toEqual(outcome);
    expect(machine.actions).toEqual(actions);
  });

  it('waits for a state that lags and for a task', async () => {
    Object.assign(fake.knobs, { powerLag: 4, taskReads: 3 });
    expect(await (await open()).setPower('on')).toMatchObject({ outcome: 'done' });
    expect(timers.waitedMs()).toBeGreaterThanOrEqual(5000);
  });

  it('pauses between off and on', async () => {
    await fake.close();
    await begin({}, true);
    await (await open()).setPower('cycle');
    expect(timers.waitedMs()).toBeGreaterThanOrEqual(5000);
  });

  it('survives a BMC that is still starting', async () => {
    const bmc = await open();
    fake.knobs.unavailable = 2;
    expect(await bmc.powerOn()).toBe(false);
    fake.knobs.unavailable = 3;
    expect((await refusal(bmc.powerOn()))?.code).toBe('BMC_BUSY');
  });

  it('takes "already in that state" for what it says', async () => {
    Object.assign(fake.knobs, { conflicts: true, powerLag: 1 });
    const bmc = await open();
    await bmc.powerOn();
    // Somebody else switches it on between our look and our request.
    const post = bmc.setPower('on');
    machine.control('on');
    expect(['done', 'already']).toContain((await post).outcome);
  });
});

describe('the next boot', () => {
  const boot = () => fake.tree.get(SYSTEM)?.Boot;

  it.each([
    [{ target: 'pxe', uefi: true, persistent: false }, 'Once', 'Pxe', 'UEFI'],
    [{ target: 'disk', uefi: false, persistent: true }, 'Continuous', 'Hdd', 'Legacy'],
    [{ target: 'http', uefi: false, persistent: false }, 'Once', 'UefiHttp', 'UEFI'],
    [{ target: 'none', uefi: true, persistent: false }, 'Disabled', 'None', 'UEFI'],
  ] as const)('%j', async (wish, enabled, target, mode) => {
    expect(await (await open()).setBoot(wish)).toEqual({ verified: true, expires: false });
    expect(boot()).toMatchObject({
      ...{ BootSourceOverrideEnabled: enabled, BootSourceOverrideTarget: target },
      BootSourceOverrideMode: mode,
    });
  });

  it('is set where the mode may not be, and where ETags are compared strongly', async () => {
    Object.assign(fake.knobs, { refusesMode: true, strictEtags: true });
    const outcome = await (await open()).setBoot({ target: 'pxe', uefi: true, persistent: false });
    expect(outcome.verified).toBe(true);
    expect(boot()).toMatchObject({ BootSourceOverrideTarget: 'Pxe' });
  });

  it('is known not to be set when the BMC forgets it', async () => {
    fake.knobs.forgetsBoot = true;
    const outcome = await (await open()).setBoot({ target: 'pxe', uefi: true, persistent: false });
    expect(outcome.verified).toBe(false);
  });

  it('from something that the machine has not is refused before it is asked', async () => {
    const system = fake.tree.get(SYSTEM) as { Boot: Record<string, unknown> };
    system.Boot['BootSourceOverrideTarget@Redfish.AllowableValues'] = ['None', 'Hdd'];
    const wish = { target: 'pxe', uefi: true, persistent: false } as const;
    expect((await refusal((await open()).setBoot(wish)))?.code).toBe('BMC_REFUSED');
    expect(fake.requests.filter((each) => each.startsWith('PATCH'))).toEqual([]);
  });
});

describe('accounts', () => {
  const user = { name: 'reveille', password: 'correct-horse-9' };
  it.each([
    ['made by a POST', false],
    ['written over a free slot', true],
  ])('%s, changed, proven and disabled', async (_, accountSlots) => {
    fake.knobs.accountSlots = accountSlots;
    const { accounts } = await open();
    expect(await accounts?.put(user)).toBe('made');
    const again = { name: 'reveille', password: 'another-horse-9' };
    expect(await accounts?.put(again)).toBe('changed');
    const own = await open({ credentials: { user: again.name, password: again.password } });
    expect(await own.accounts?.disable('admin')).toBe('closed');
    expect(await own.accounts?.disable('admin')).toBe('was-closed');
    expect(await own.accounts?.disable('nobody')).toBe('not-found');
    expect(await own.accounts?.disable('')).toBe('not-found');
    expect((await refusal(open()))?.code).toBe('BMC_PASSWORD');
  });

  it('are closed, all but those of some names', async () => {
    const { accounts } = await open();
    await accounts?.put(user);
    await accounts?.put({ ...user, name: 'backdoor' });
    expect(await accounts?.closeOthers(['admin', 'reveille'])).toEqual(['backdoor']);
    expect(await accounts?.closeOthers(['admin', 'reveille'])).toEqual([]);
    const own = await open({ credentials: { user: user.name, password: user.password } });
    expect(await own.accounts?.closeOthers(['reveille'])).toContain('admin');
    expect((await refusal(open()))?.code).toBe('BMC_PASSWORD');
  });

  it('are refused when IPMI has no room for them, which has the serial console', async () => {
    const { accounts } = await open();
    for (const unfit of [
      { ...user, name: 'seventeen-letters' },
      { ...user, password: 'x'.repeat(21) },
    ])
      expect((await refusal(accounts?.put(unfit) ?? Promise.resolve()))?.code).toBe(
        'REQUEST_INVALID',
      );
    expect(fake.requests.filter((each) => /^(POST|PATCH) .*Accounts/.test(each))).toEqual([]);
  });

  it('are refused in words where none is free, or there is no service', async () => {
    fake.knobs.accountSlots = true;
    const taken = { UserName: 'somebody', Enabled: true };
    for (const slot of ['2', '3'])
      Object.assign(fake.tree.get(`/redfish/v1/AccountService/Accounts/${slot}`) ?? {}, taken);
    const { accounts } = await open();
    const full = await refusal(accounts?.put(user) ?? Promise.resolve());
    expect(full?.detail).toBe('It has no free account.');
    delete fake.tree.get('/redfish/v1')?.AccountService;
    const none = await open();
    const missing = await refusal(none.accounts?.put(user) ?? Promise.resolve());
    expect(missing?.detail).toBe('It has no account service.');
  });
});

describe('reading', () => {
  it('the inventory', async () => {
    expect(await (await open()).inventory()).toEqual({
      ...{ manufacturer: 'Contoso', product: '3500', serial: '437XR1138R2' },
      ...{ assetTag: 'Chicago-45Z-2381', uuids: ['38947555-7742-3448-3784-823347823834'] },
      ...{ bmcFirmware: '1.45.455b66-rev4', biosVersion: 'P79 v1.45' },
      macs: ['12:44:6a:3b:04:11', 'aa:bb:cc:dd:ee:00'],
      bmcMac: '12:44:6a:3b:00:01',
    });
  });

  it('the serial number that is on a Dell', async () => {
    Object.assign(fake.tree.get(SYSTEM) ?? {}, { Manufacturer: 'Dell Inc.', SKU: 'C0MPUT3' });
    expect((await (await open()).inventory()).serial).toBe('C0MPUT3');
  });

  it('sensors, new and old', async () => {
    expect(await (await open()).sensors()).toMatchObject([
      { name: 'CPU #1 Temperature', value: 37, unit: '°C', health: 'ok' },
      { name: 'CPU #1 Fan Speed', value: 80, unit: '%', health: 'warning' },
      { name: 'CPU #2 Temperature', health: 'none' },
    ]);
    for (const bmc of opened.splice(0)) await bmc.close();
    await fake.close();
    await begin({ sensors: 'legacy' });
    expect(await (await open()).sensors()).toMatchObject([
      { name: 'CPU1 Temp', value: 41, unit: '°C' },
      { name: 'BaseBoard System Fan', value: 2100, unit: 'rpm', health: 'critical' },
      { name: 'VRM1 Voltage', value: 12, unit: 'V' },
      { name: 'Server Power Control', value: 344, unit: 'W' },
    ]);
  });

  it('the event log over its pages', async () => {
    expect(await (await open()).log()).toEqual([
      { id: '1', seconds: Date.UTC(2012, 2, 7, 14, 44) / 1000, text: 'System May be Melting' },
      { id: '2', text: 'Presence detected' },
    ]);
  });

  it('identifies the machine', async () => {
    const bmc = await open();
    await bmc.identify(60);
    expect(fake.tree.get(SYSTEM)?.LocationIndicatorActive).toBe(true);
    await bmc.identify(0);
    expect(fake.tree.get(SYSTEM)?.LocationIndicatorActive).toBe(false);
  });
});

describe('choosing a protocol', () => {
  const settings = { user: 'admin', password: 'secret' } as const;

  it('takes IPMI where it answers, and Redfish where that is preferred', async () => {
    const world = createIpmiWorld();
    const target = { bmc: BMC, settings, ports: world.ports };
    expect((await world.run(openBmc(target))).protocol).toBe('ipmi');
    const both = { ...target, http: https(), prefer: 'redfish' as const };
    const bmc = await openBmc(both);
    opened.push(bmc);
    expect(bmc.protocol).toBe('redfish');
  });

  it('takes Redfish where IPMI over LAN is off', async () => {
    const world = createIpmiWorld();
    world.deliver = () => false;
    const opening = openBmc({ bmc: BMC, settings, ports: world.ports, http: https() });
    await world.pass(11_000);
    const bmc = await opening;
    opened.push(bmc);
    expect(bmc.protocol).toBe('redfish');
  });

  it('tries a refused password on one protocol only', async () => {
    const world = createIpmiWorld();
    const wrong = { ...settings, password: 'wrong' };
    const opening = openBmc({ bmc: BMC, settings: wrong, ports: world.ports, http: https() });
    expect((await refusal(world.run(opening)))?.code).toBe('BMC_PASSWORD');
    expect(fake.requests).toEqual([]);
  });
});

describe('the same port over IPMI', () => {
  it('reads and drives a machine', async () => {
    const world = createIpmiWorld({ fru: { serial: 'C0MPUT3' } });
    const settings = { user: 'admin', password: 'secret' } as const;
    const bmc = await world.run(openBmc({ bmc: BMC, settings, ports: world.ports }));
    expect(await world.run(bmc.inventory())).toMatchObject({
      ...{ serial: 'C0MPUT3', manufacturer: 'Reveille Lab', bmcFirmware: '3.07' },
    });
    expect((await world.run(bmc.sensors())).length).toBe(9);
    expect((await world.run(bmc.log())).map(({ text }) => text)).toContain(
      'Temperature #0x02: upper critical going high',
    );
    const wish = { target: 'pxe', uefi: true, persistent: false } as const;
    expect(await world.run(bmc.setBoot(wish))).toEqual({ verified: true, expires: false });
    expect(await world.run(bmc.setPower('on'))).toEqual({ outcome: 'done', sent: 'on' });
    const http = { ...wish, target: 'http' } as const;
    expect((await refusal(world.run(bmc.setBoot(http))))?.code).toBe('BMC_REFUSED');
    await world.run(bmc.identify(5));
    expect(world.state.identify).toBe(5);
    await world.run(bmc.close());
  });
});
