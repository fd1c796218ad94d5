import { describe, expect, it } from 'vitest';
import { overrideOf } from '../../../src/boot/quirks.ts';
import { createAnalysis } from '../../../src/capture/analysis.ts';
import { createCaptureReader } from '../../../src/capture/pcap.ts';
import { MESSAGE, OPTION, u32 } from '../../../src/dhcp/options.ts';
import type { DhcpExchange } from '../../../src/dhcp/server.ts';
import { diagnose } from '../../../src/diagnose/diagnose.ts';
import { parseFlight } from '../../../src/diagnose/flight.ts';
import { flightsOf } from '../../../src/diagnose/from-capture.ts';
import { limit } from '../../../src/limits.ts';
import { captureOf } from '../../../src/recorder/export.ts';
import { openPhaseTimes } from '../../../src/recorder/phase-times.ts';
import { createRecorder } from '../../../src/recorder/recorder.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { A, record } from '../../support/recording.ts';
import { ipv4 } from '../../support/world.ts';

const TOKEN = /boot\/[A-Za-z0-9_-]{32}/;

describe('the recorder', () => {
  it('joins packets, transfers and scripts in one record, which exports and is read again', () => {
    const world = record();
    world.lease('uefi');
    world.fetched('snponly.efi');
    world.pass(1000);
    world.lease('ipxe');
    world.append({ name: 'ipxe.script', data: { mode: 'recon', why: '' } });
    world.step();
    const flight = world.recorder.flight(world.bootId());
    expect(flight?.entries.map(({ kind }) => kind)).toEqual([
      ...['dhcp', 'dhcp', 'dhcp', 'dhcp', 'tftp', 'dhcp', 'dhcp', 'dhcp', 'dhcp', 'script'],
    ]);
    expect(parseFlight(JSON.parse(JSON.stringify(flight)))).toEqual(flight);
    if (!flight) throw new Error('no flight');
    const reader = createCaptureReader();
    const analysis = createAnalysis();
    const bytes = captureOf(flight, world.recorder.packets(world.bootId()));
    const text = Buffer.from(bytes).toString('latin1');
    expect(text).toContain(`/boot/${'.'.repeat(32)}/script.ipxe`);
    expect(text).not.toMatch(TOKEN);
    for (const frame of reader.push(bytes)) analysis.add(frame);
    const capture = analysis.finish(reader.finish());
    expect(capture).toMatchObject({ dhcpMessages: 8, tftpTransfers: 1 });
    expect(flightsOf(capture).map(({ mac: of, client }) => [of, client])).toEqual([
      [A, 'firmware'],
    ]);
    expect(JSON.stringify(flight)).not.toMatch(TOKEN);
    expect(flight.entries).toContainEqual(
      expect.objectContaining({ bootFile: 'http://10.77.0.1:8080/boot/…/script.ipxe' }),
    );
  });

  it('writes packets when a boot has been quiet, and reads them back', () => {
    const world = record();
    world.lease('uefi');
    world.step();
    expect(world.recorder.store.packets(world.bootId())).toEqual([]);
    world.step(130_000);
    expect(world.recorder.store.packets(world.bootId())).toHaveLength(4);
    expect(world.recorder.packets(world.bootId())).toHaveLength(4);
  });

  it('names a stall within 90 seconds, once, and ends the name when the boot goes on', () => {
    const world = record();
    world.lease('uefi');
    for (let second = 0; second < 30; second++) world.step();
    expect(world.diagnosed()).toEqual(['boot-file-not-asked']);
    expect(world.recorder.store.list({ open: true, limit: 10 })).toHaveLength(1);
    world.fetched('snponly.efi');
    world.lease('ipxe');
    world.append({ name: 'ipxe.script', data: { mode: 'recon', why: '' } });
    world.step();
    expect(world.recorder.store.list({ open: true, limit: 10 })).toEqual([]);
  });

  it('a machine that only asks again has stopped, too', () => {
    const world = record();
    for (let second = 0; second < 60; second++) {
      if (second % 10 === 0) world.send(MESSAGE.discover, 'ipxe');
      world.step();
    }
    expect(world.diagnosed()).toEqual(['offer-not-received']);
  });

  it('another server that is taken is known by the REQUEST', () => {
    const world = record();
    world.send(MESSAGE.discover, 'uefi');
    world.pass(4000);
    world.send(MESSAGE.request, 'uefi', 'prov0', [[OPTION.serverId, u32(ipv4('10.77.0.9'))]]);
    for (let second = 0; second < 40; second++) world.step();
    expect(world.diagnosed()).toEqual(['two-dhcp-servers']);
  });

  it('firmware that nobody serves gets a boot, an event and a name', () => {
    const world = record();
    world.send(MESSAGE.discover, 'uefi', 'elsewhere');
    for (let second = 0; second < 30; second++) world.step();
    expect(world.eventNames()).toContain('dhcp.ignored');
    expect(world.diagnosed()).toEqual(['wrong-vlan']);
  });
});

it('a boot that stalled before the daemon was started again gets its name', () => {
  const world = record();
  world.lease('uefi');
  world.pass(30_000);
  world.db.prepare('UPDATE boots SET stalled_at = ?').run(world.time.now);
  world.pass(5000);
  const { db, inventory, clock } = world;
  const again = createRecorder({
    ...{ db, inventory, clock, live: () => undefined, proxied: new Set<string>() },
    ...{ localBootOf: () => 'auto', overrideOf: () => 'as-asked' },
  });
  again.tick([]);
  expect(world.diagnosed()).toEqual(['boot-file-not-asked']);
});

describe('one part that fails', () => {
  it('takes no other with it: the other events and the boots that stalled are judged', () => {
    const world = record();
    world.lease('uefi');
    world.step();
    const { events } = world.inventory;
    world.db.exec(`CREATE TRIGGER broken BEFORE INSERT ON phase_times BEGIN SELECT RAISE(ABORT, 'no'); END;
      CREATE TRIGGER broken_card BEFORE INSERT ON boot_cards BEGIN SELECT RAISE(ABORT, 'no'); END;`);
    const card = Uint8Array.of(0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0x00);
    world.send(MESSAGE.discover, 'ipxe', 'prov0', [[OPTION.ipxe, card]]);
    const data = { phase: 'linux', message: 'pxeimage is running', level: 'info' as const };
    world.append({ name: 'agent.progress', data });
    const work = { job: 'j', purpose: 'install', round: 1 };
    const failed = { step: 'disks', code: 'DISK_NOT_FOUND', detail: 'no disk matches the layout' };
    world.append({ name: 'agent.failed', data: { ...work, ...failed, retry: false, log: '' } });
    world.step();
    const told = world.faults.length;
    expect(world.faults[0]).toMatch(/^event \d+: no$/);
    world.step();
    expect(world.faults).toHaveLength(told);
    expect(events.after(0, 1000).some(({ name }) => name === 'boot.diagnosed')).toBe(true);
  });

  it('packets that cannot be sorted keep no stalled boot from its name', () => {
    const world = record();
    world.lease('uefi');
    world.step();
    world.pass(30_000);
    const poison = {
      drop: 'malformed',
      get bytes(): Uint8Array {
        throw new Error('poison');
      },
    };
    world.recorder.served([poison as never]);
    world.step();
    expect(world.faults).toEqual(['packets: poison']);
    expect(world.diagnosed()).toEqual(['boot-file-not-asked']);
  });
});

it('above the limit the oldest packets are written, not dropped', () => {
  const world = record();
  const max = limit('flightBootsInMemoryMax');
  const bytes = new Uint8Array(240);
  const exchange = (boot: string) =>
    ({
      ...{ boot, bytes, at: world.time.now, iface: 'prov0', via: undefined },
      source: { address: '0.0.0.0', port: 68 },
      ...{ reply: undefined, drop: undefined },
    }) as unknown as DhcpExchange;
  world.recorder.served(Array.from({ length: max + 3 }, (_, n) => exchange(`b${n}`)));
  world.step();
  expect(['b0', 'b2', 'b3'].map((boot) => world.recorder.store.packets(boot).length)).toEqual([
    1, 1, 0,
  ]);
  expect(world.recorder.packets('b0' as never)).toHaveLength(1);
});

describe('quirks', () => {
  it('a binary that is refused once is passed over, and what works is used at once', () => {
    const world = record();
    const attempt = () => {
      world.lease('uefi');
      const acked = world.inventory.events
        .after(0, 5000)
        .findLast(({ name }) => name === 'dhcp.acked');
      return acked?.name === 'dhcp.acked' ? acked.data.bootFile : '';
    };
    expect(attempt()).toBe('snponly.efi');
    world.fetched('snponly.efi');
    world.step(3000);
    // The firmware refuses it and asks again: by then what it had is known to be no good.
    expect(attempt()).toBe('ipxe.efi');
    world.step();
    expect(world.diagnosed()).toEqual(['secure-boot-refused']);
    world.fetched('ipxe.efi');
    world.lease('ipxe');
    world.append({ name: 'ipxe.script', data: { mode: 'recon', why: '' } });
    world.step();
    expect(world.inventory.serverdb.quirks.list()).toMatchObject([
      { subject: A, trait: 'binary', value: 'ipxe.efi', outcome: 'works', source: 'learned' },
      { subject: A, trait: 'binary', value: 'snponly.efi', outcome: 'fails' },
    ]);
    world.pass(3_700_000);
    expect(attempt()).toBe('ipxe.efi');
  });

  it('a way to order a network boot that is ignored is given up, and what works is kept', () => {
    const world = record();
    const { inventory } = world;
    const hardwarename = 'C0MPUT3' as Hardwarename;
    const entry = { serial: 'C0MPUT3', manufacturer: 'LabCorp', product: 'X', state: 'held' };
    const nics = [{ mac: A, name: 'eth0' }];
    const cause = { who: 'test', why: 'test' };
    inventory.transaction(() =>
      inventory.serverdb.editor.enter({ ...entry, nics } as never, cause),
    );
    const way = () => overrideOf(inventory.serverdb.quirks.known('override', A, hardwarename));
    const order = () => {
      for (const step of ['power-off', 'pxe-once', 'power-on']) {
        const data = { job: 'j', action: 'netboot', step, phase: 'succeeded' };
        inventory.transaction(() =>
          inventory.events.append({ name: 'job.step', hardwarename, data }),
        );
        world.step();
      }
    };
    // It has booted before, or an operating system's packets would be nobody's.
    world.lease('uefi');
    world.pass(3_700_000);
    order();
    expect(way()).toBe('as-asked');
    world.lease('os');
    world.step();
    expect(world.diagnosed()).toContain('boot-override-ignored');
    expect(way()).toBe('other-mode');
    order();
    world.lease('uefi');
    world.step();
    expect(way()).toBe('other-mode');
    const learned = inventory.serverdb.quirks
      .list()
      .filter(({ trait, scope }) => trait === 'override' && scope === 'machine');
    expect(learned).toMatchObject([
      { trait: 'override', value: 'other-mode', outcome: 'works' },
      { trait: 'override', value: 'as-asked', outcome: 'fails', why: 'boot-override-ignored' },
    ]);
  });

  it('what a person wrote is not changed by learning, and is forgotten on request', () => {
    const { inventory } = record();
    const { quirks } = inventory.serverdb;
    const row = { scope: 'machine', subject: A, trait: 'binary', value: 'x.efi' } as const;
    inventory.transaction(() => quirks.put({ ...row, outcome: 'works', why: 'tried' }, 'negz'));
    inventory.transaction(() => quirks.learn({ ...row, outcome: 'fails', why: 'guess', since: 0 }));
    expect(quirks.known('binary', A, undefined)).toEqual({ works: 'x.efi', fails: new Set() });
    inventory.transaction(() => expect(quirks.remove(row, 'negz')).toBe(true));
    expect(quirks.list()).toEqual([]);
  });
});

describe('expected times', () => {
  it('call a phase unusual when it took more than twice what boots of its model take', () => {
    const times = openPhaseTimes(record().db);
    for (let boot = 0; boot < 20; boot++)
      times.add('V / P / 1', [{ phase: 'kernel', tookMs: 4000 + boot * 10 }]);
    expect(times.add('V / P / 1', [{ phase: 'kernel', tookMs: 4500 }])).toEqual([]);
    const [slow] = times.add('V / P / 1', [{ phase: 'kernel', tookMs: 40_000 }]);
    expect(slow).toMatchObject({ phase: 'kernel', tookMs: 40_000 });
    expect(times.list()[0]).toMatchObject({ boots: 22 });
    expect(Math.abs((times.list()[0]?.medianMs ?? 0) - 4100)).toBeLessThan(300);
    const boot = times.compare('V / P / 1', [
      { phase: 'kernel', tookMs: 4100 },
      { phase: 'initrd', tookMs: 9 },
    ]);
    expect(boot).toMatchObject([
      { phase: 'kernel', tookMs: 4100, boots: 22, slow: false },
      { phase: 'initrd', tookMs: 9, boots: 0, medianMs: 0, slow: false },
    ]);
    expect(times.compare('V / P / 1', [{ phase: 'kernel', tookMs: 40_000 }])[0]?.slow).toBe(true);
  });
});

describe('a boot that took unusually long', () => {
  /** Into pxeimage, where it waits for orders: it reports nothing. */
  function boots(world: ReturnType<typeof record>, kernelMs: number) {
    world.lease('ipxe');
    world.append({ name: 'ipxe.script', data: { mode: 'wait', why: '' } });
    const file = { file: 'vmlinuz', sizeBytes: 8_000_000 };
    world.append({ name: 'http.started', data: { ...file, offsetBytes: 0 } });
    world.pass(kernelMs);
    world.append({ name: 'http.sent', data: { ...file, durationMs: kernelMs } });
    const data = { phase: 'linux', message: 'pxeimage is running', level: 'info' as const };
    for (let word = 0; word < 3; word++) {
      world.pass(5000);
      world.append({ name: 'agent.progress', data });
      world.step();
    }
    world.pass(3_700_000);
  }

  it('is flagged though it succeeded, and though it had nothing to report', () => {
    const world = record();
    const { inventory } = world;
    const entry = { serial: 'C0MPUT3', manufacturer: 'LabCorp', product: 'X', state: 'held' };
    const nics = [{ mac: A, name: 'eth0' }];
    inventory.transaction(() =>
      inventory.serverdb.editor.enter({ ...entry, nics } as never, { who: 'test', why: 'test' }),
    );
    for (let boot = 0; boot < 10; boot++) boots(world, 4000);
    boots(world, 40_000);
    const slow = inventory.events.after(0, 5000).filter(({ name }) => name === 'boot.slow');
    expect(slow.map(({ data }) => data)).toMatchObject([
      { phase: 'kernel', tookMs: 40_000, model: 'LabCorp / X' },
    ]);
    expect(world.diagnosed()).toEqual([]);
    const kernel = world.recorder.expectedTimes().find(({ phase }) => phase === 'kernel');
    expect(kernel?.boots).toBe(11);
  });
});

it('a verdict needs nothing but the record', () => {
  const world = record();
  world.lease('uefi');
  world.step(30_000);
  const flight = world.recorder.flight(world.bootId());
  expect(flight && diagnose(parseFlight(JSON.parse(JSON.stringify(flight))))?.name).toBe(
    'boot-file-not-asked',
  );
});
