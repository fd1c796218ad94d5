/** Consoles as the daemon puts them together: which machines are recorded, what is kept, and what is counted. */
import pino from 'pino';
import { Registry } from 'prom-client';
import { afterEach, describe, expect, it } from 'vitest';
import { startFakeBmc } from '../../../qemu-lab/fake-bmc.ts';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { parseConfig } from '../../../src/config.ts';
import { startConsoles } from '../../../src/daemon/consoles.ts';
import { consoleText } from '../../../src/inventory/consoles.ts';
import { openBmcPorts } from '../../../src/platform/bmc-udp.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { createAccessWorld } from '../../support/bmc-access.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const NAME = 'C0MPUT3' as Hardwarename;

async function daemon(config = '') {
  const handlers: ((bytes: Uint8Array) => void)[] = [];
  const serial = {
    write: () => undefined,
    onData: (handler: (bytes: Uint8Array) => void) => void handlers.push(handler),
  };
  const bmc = await startFakeBmc({ machine: { ...simpleMachine(true), serial } });
  closers.push(() => bmc.close());
  const ports = await openBmcPorts();
  closers.push(() => ports.close());
  const here = createAccessWorld(ports, { bmcPort: bmc.port });
  closers.push(() => here.access.close());
  here.credential('site', 'operator', 'operpw');
  const target = here.machine(NAME);
  const { inventory } = here.world;
  const registry = new Registry();
  const mine: (() => unknown)[] = [];
  const hub = startConsoles(
    {
      ...{ inventory, config: parseConfig(config), clock: here.world.clock, closers: mine },
      ...{ log: pino({ level: 'silent' }), metrics: { registry } as never },
    },
    { access: here.access, ports },
  );
  const stop = async () => {
    for (const close of mine.splice(0).reverse()) await close();
  };
  closers.push(stop);
  const switchOn = () => {
    const data = { job: 'j', action: 'power-on', step: 'power-on', phase: 'started', attempt: 1 };
    inventory.transaction(() =>
      inventory.events.append({ name: 'job.step', hardwarename: NAME, data }),
    );
  };
  const say = (text: string) => {
    for (const handler of handlers) handler(Buffer.from(text));
  };
  /** The recorder reads the feed by a timer of no time that was set before this one, and so runs before it. */
  const turn = () => new Promise<void>((next) => setTimeout(next, 0));
  return { bmc, hub, inventory, registry, target, switchOn, say, stop, turn };
}

describe('the daemon', () => {
  it('records a machine that a job switches on, and keeps it when it stops', async () => {
    const { bmc, hub, inventory, registry, switchOn, say, stop, turn } = await daemon();
    switchOn();
    // Until the line is active, what is printed is lost.
    while (!bmc.solActive()) await turn();
    expect(await registry.metrics()).toContain('reveille_consoles{what="recorded"} 1');
    const { consoles } = inventory;
    const [recording] = consoles.ofMachine(NAME);
    const line = hub.existing(NAME);
    const before = line?.lastByteMs;
    say('BIOS\r\n');
    while (line?.lastByteMs === before) await turn();
    await stop();
    expect(consoleText(consoles.parts(recording?.number ?? 0))).toBe('BIOS\r\n');
    expect(inventory.events.after(0, 100).at(-1)).toMatchObject({
      name: 'console.recorded',
      hardwarename: NAME,
      data: { recording: recording?.number, heardBytes: 6, ended: 'the appliance stops' },
    });
    expect(bmc.sessions()).toBe(0);
  });

  it.each(['BMC_PASSWORD', 'BMC_USER', 'BMC_PRIVILEGE'])(
    'does not try a login that was refused with %s at each boot',
    async (code) => {
      const { hub, inventory, target, switchOn, turn } = await daemon();
      const { bmcs } = inventory.serverdb;
      inventory.transaction(() => bmcs.write(target.id, { address: target.address, code }));
      switchOn();
      await turn();
      expect(hub.counts().lines).toBe(0);
      inventory.transaction(() => bmcs.write(target.id, { address: target.address, code: '' }));
      switchOn();
      await turn();
      expect(hub.counts().recorded).toBe(1);
    },
  );

  it('records nothing where the site does not want it', async () => {
    const { hub, switchOn, turn } = await daemon('consoles: { record: false }');
    switchOn();
    await turn();
    expect(hub.counts().lines).toBe(0);
  });
});
