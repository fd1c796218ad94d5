/** Redfish: what happens when the answer to a reset is lost, and what a site sets on every BMC. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { type FakeRedfish, startFakeRedfish } from '../../../qemu-lab/fake-redfish.ts';
import { MANAGER, SYSTEM } from '../../../qemu-lab/fake-redfish-tree.ts';
import type { Bmc } from '../../../src/ipmi/bmc.ts';
import { openRedfishBmc } from '../../../src/ipmi/redfish/redfish-bmc.ts';
import { createBmcHttps } from '../../../src/platform/bmc-https.ts';

const key = readFileSync('test/fixtures/redfish/key.pem', 'utf8');
const cert = readFileSync('test/fixtures/redfish/cert.pem', 'utf8');
const sha256 = createHash('sha256').update(new X509Certificate(cert).raw).digest('hex');

let fake: FakeRedfish;
let machine: ReturnType<typeof simpleMachine>;
const opened: Bmc[] = [];

async function begin(on = false): Promise<void> {
  machine = simpleMachine(on);
  fake = await startFakeRedfish({ machine, key, cert });
}

async function open(): Promise<Bmc> {
  const http = createBmcHttps({
    ...{ address: '127.0.0.1', port: fake.port, trust: { kind: 'pinned', sha256 } },
    ...{ timeoutMs: 5000, bodyBytesMax: 1_000_000 },
  });
  // Time passes only by being waited for.
  let nowMs = 0;
  const timers = {
    nowMs: () => nowMs,
    at(timeMs: number, callback: () => void) {
      nowMs = Math.max(nowMs, timeMs);
      const handle = setImmediate(callback);
      return () => clearImmediate(handle);
    },
  };
  const credentials = { user: 'admin', password: 'secret' };
  const bmc = await openRedfishBmc({ http, timers, credentials });
  opened.push(bmc);
  return bmc;
}

beforeEach(() => begin());
afterEach(async () => {
  for (const bmc of opened.splice(0)) await bmc.close();
  await fake.close();
});

describe('a reset whose answer is lost', () => {
  it('is done when the service shows a start, and is sent once', async () => {
    await fake.close();
    await begin(true);
    fake.knobs.losesResets = 1;
    const bmc = await open();
    expect(await bmc.setPower('reset')).toEqual({ outcome: 'done', sent: 'reset' });
    expect(machine.actions).toEqual(['reset']);
  });

  it('is uncertain on a service that does not say when the machine was started', async () => {
    await fake.close();
    await begin(true);
    fake.knobs.losesResets = 1;
    delete fake.tree.get(SYSTEM)?.LastResetTime;
    const bmc = await open();
    expect(await bmc.startMark()).toBe('');
    expect(await bmc.setPower('reset')).toEqual({ outcome: 'uncertain', sent: 'reset' });
    expect(machine.actions).toEqual(['reset']);
  });

  it('and an "on" is looked after, and not said again', async () => {
    fake.knobs.losesResets = 1;
    expect(await (await open()).setPower('on')).toEqual({ outcome: 'done', sent: 'on' });
    expect(machine.actions).toEqual(['on']);
  });
});

describe('upkeep', () => {
  const begun = Date.UTC(2026, 0, 1) / 1000;
  it('sets what differs, once', async () => {
    const { upkeep } = await open();
    expect(await upkeep?.restorePolicy('always-on')).toBe(true);
    expect(await upkeep?.restorePolicy('always-on')).toBe(false);
    expect(fake.tree.get(SYSTEM)?.PowerRestorePolicy).toBe('AlwaysOn');
    expect(await upkeep?.setClock(begun + 3600)).toEqual({ skewSeconds: -3600 });
    expect(fake.tree.get(MANAGER)?.DateTime).toBe('2026-01-01T01:00:00+00:00');
    expect(await upkeep?.setClock(begun + 3601)).toEqual({ skewSeconds: -1 });
    expect(await upkeep?.useDhcp()).toBe(true);
    expect(await upkeep?.useDhcp()).toBe(false);
    const written = fake.requests.filter((each) => each.startsWith('PATCH'));
    expect(written).toEqual([
      ...[`PATCH ${SYSTEM}`, `PATCH ${MANAGER}`, `PATCH ${MANAGER}/EthernetInterfaces/eth0`],
    ]);
  });

  it('stops a watchdog that runs, and leaves one that is only allowed', async () => {
    const { upkeep } = await open();
    expect(await upkeep?.calmWatchdog()).toBe(false);
    const timer = { FunctionEnabled: true, Status: { State: 'Enabled' } };
    Object.assign(fake.tree.get(SYSTEM) ?? {}, { HostWatchdogTimer: timer });
    expect(await upkeep?.calmWatchdog()).toBe(true);
    expect(fake.tree.get(SYSTEM)?.HostWatchdogTimer).toEqual({ FunctionEnabled: false });
  });

  it('says of a service that has none of it that it has not', async () => {
    delete fake.tree.get(SYSTEM)?.PowerRestorePolicy;
    delete fake.tree.get(MANAGER)?.DateTime;
    delete fake.tree.get(`${MANAGER}/EthernetInterfaces/eth0`)?.DHCPv4;
    const { upkeep } = await open();
    expect(await upkeep?.restorePolicy('always-on')).toBeUndefined();
    expect(await upkeep?.setClock(begun)).toBeUndefined();
    expect(await upkeep?.useDhcp()).toBeUndefined();
    expect(fake.requests.some((each) => each.startsWith('PATCH'))).toBe(false);
  });
});
