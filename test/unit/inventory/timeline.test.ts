import { describe, expect, it } from 'vitest';
import type { NewEvent } from '../../../src/events.ts';
import { createStallWatch } from '../../../src/inventory/stall-watch.ts';
import { STALL_RULES } from '../../../src/inventory/stalls.ts';
import { foldTimeline } from '../../../src/inventory/timeline.ts';
import { createWorld, dhcpPacket, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');

type Short = Pick<NewEvent, 'name' | 'data'>;
const acked = (client: 'firmware' | 'ipxe' | 'os'): Short => ({
  name: 'dhcp.acked',
  data: { client, address: '10.77.0.100', bootFile: 'x', leaseSeconds: 600 },
});
const offered = (client: 'firmware' | 'ipxe'): Short => ({
  name: 'dhcp.offered',
  data: { client, address: '10.77.0.100', bootFile: 'x', why: '' },
});
const file = (name: 'http.started' | 'http.sent', of: string): Short =>
  name === 'http.sent'
    ? { name, data: { file: of, sizeBytes: 1000, durationMs: 1 } }
    : { name, data: { file: of, sizeBytes: 1000, offsetBytes: 0 } };
const aborted: Short = {
  name: 'http.aborted',
  data: { file: 'initrd.img', sentBytes: 430, sizeBytes: 1000 },
};
const tftpStarted: Short = {
  name: 'tftp.started',
  data: { file: 'undionly.kpxe', blksizeBytes: 1432, windowsize: 1, sizeBytes: 70_000 },
};
const tftpSent: Short = {
  name: 'tftp.sent',
  data: { file: 'undionly.kpxe', sizeBytes: 70_000, durationMs: 20, retransmits: 0 },
};
const tftpFailed = (probe: boolean): Short => ({
  name: 'tftp.failed',
  data: { file: 'x', why: 'gone', block: 3, probe },
});
const script: Short = { name: 'ipxe.script', data: { mode: 'recon', why: '' } };
const LACK = 'pxeimage is built for x86-64 and does not run on uefi-arm64';
const told: Short = { name: 'ipxe.script', data: { mode: 'recon', why: LACK, refused: LACK } };
const linux: Short = {
  name: 'agent.progress',
  data: { phase: 'linux', message: 'up', level: 'info' },
};
const refused: Short = {
  name: 'recon.refused',
  data: { code: 'REPORT_INVALID', path: '/nics/0/mac', why: 'no MAC' },
};
const received: Short = {
  name: 'recon.received',
  data: { digest: 'd', sizeBytes: 1000, repeated: false },
};
/** What a machine does that is handed shim and GRUB: every file by TFTP, and no second DHCP. */
const shimAcked: Short = {
  name: 'dhcp.acked',
  data: { ...acked('firmware').data, bootFile: '/boot/…/shimx64.efi' } as never,
};
const tftpOf = (name: 'tftp.started' | 'tftp.sent', of: string): Short =>
  name === 'tftp.sent'
    ? { name, data: { ...tftpSent.data, file: of } as never }
    : { name, data: { ...tftpStarted.data, file: of } as never };
const GRUB_LOADED = [
  ...[offered('firmware'), shimAcked, tftpOf('tftp.started', 'shimx64.efi')],
  ...[tftpOf('tftp.sent', 'shimx64.efi'), tftpOf('tftp.sent', 'grubx64.efi')],
];
const GRUB_SCRIPTED: Short[] = [
  ...[...GRUB_LOADED, tftpOf('tftp.sent', 'grub/grub.cfg')],
  { name: 'ipxe.script', data: { mode: 'recon', why: '', loader: 'grub' } },
  tftpOf('tftp.sent', 'grub.cfg'),
];
const exhausted: Short = { name: 'dhcp.exhausted', data: { subnet: 'provisioning' } };

const DOWNLOADS = [
  file('http.started', 'vmlinuz'),
  file('http.sent', 'vmlinuz'),
  file('http.started', 'initrd.img'),
  file('http.sent', 'initrd.img'),
];
const ROM = [offered('ipxe'), acked('ipxe'), script, ...DOWNLOADS, linux, received];

/** A boot with these events, a second apart; the world stands at the last one. */
function bootWith(events: readonly Short[]) {
  const world = createWorld();
  const sighted = world.inventory.boots.sight({
    mac: A,
    client: 'firmware',
    arch: 'bios',
    hardwarename: undefined,
  });
  if (!sighted) throw new Error('no boot');
  for (const event of events) {
    world.pass(1000);
    world.inventory.transaction(() =>
      world.inventory.events.append({ ...event, mac: A, boot: sighted.boot.id } as NewEvent),
    );
  }
  const fold = () =>
    foldTimeline(sighted.boot, world.inventory.events.ofBoot(sighted.boot.id), world.time.now);
  return { world, boot: sighted.boot, fold };
}

const states = (events: readonly Short[]) =>
  bootWith(events)
    .fold()
    .steps.map(({ name, state }) => `${name} ${state}`);

describe('the fold', () => {
  it('a ROM iPXE skips TFTP and is done when it has reported', () => {
    const { fold } = bootWith(ROM);
    expect(fold().state).toBe('done');
    expect(states(ROM)).toEqual([
      'offer done',
      'ack done',
      'tftp skipped',
      'script done',
      'kernel done',
      'initrd done',
      'linux done',
      'recon done',
      'registered done',
    ]);
    expect(fold().steps.find(({ name }) => name === 'kernel')).toMatchObject({
      tookMs: 2000,
      evidence: [4, 5],
    });
  });

  it('a lease that pxeimage or the disk renews makes no boot longer', () => {
    const { lastAt } = bootWith(ROM).fold();
    const renewed = bootWith([...ROM, acked('os'), acked('os')]).fold();
    expect([renewed.state, renewed.lastAt]).toEqual(['done', lastAt]);
    const local: Short = { name: 'ipxe.script', data: { mode: 'local-disk', why: '' } };
    const booted = [offered('ipxe'), acked('ipxe'), local, acked('os')];
    const first = bootWith(booted).fold();
    expect(first.lastAt).toBeGreaterThan(bootWith(booted.slice(0, 3)).fold().lastAt);
    expect(bootWith([...booted, acked('os')]).fold().lastAt).toBe(first.lastAt);
  });

  it('a chainload goes through TFTP, and a size probe is no failure', () => {
    const begun = [offered('firmware'), acked('firmware'), tftpStarted, tftpFailed(true)];
    expect(states(begun)[2]).toBe('tftp running');
    expect(
      states([...begun, tftpStarted, tftpSent, offered('ipxe'), acked('ipxe'), script]).slice(0, 4),
    ).toEqual(['offer done', 'ack done', 'tftp done', 'script done']);
  });

  it('what GRUB fetches by TFTP are the steps that iPXE takes by HTTP', () => {
    expect(states(GRUB_SCRIPTED).slice(2, 5)).toEqual([
      'tftp done',
      'script done',
      'kernel waiting',
    ]);
    const fetching = [...GRUB_SCRIPTED, tftpOf('tftp.sent', 'vmlinuz')];
    const begun = [...fetching, tftpOf('tftp.started', 'initrd.img')];
    expect(states(begun).slice(4, 6)).toEqual(['kernel done', 'initrd running']);
    const whole = [...begun, tftpOf('tftp.sent', 'initrd.img'), linux, received];
    expect(states(whole).every((state) => state.endsWith(' done'))).toBe(true);
    const broken = { name: 'tftp.failed', data: { ...tftpFailed(false).data, file: 'initrd.img' } };
    expect(states([...begun, broken as never])[5]).toBe('initrd failed');
  });

  it('a download that is taken up again is no failure', () => {
    expect(states([...ROM.slice(0, 6), aborted])[5]).toBe('initrd failed');
    expect(states([...ROM.slice(0, 6), aborted, ...ROM.slice(5)])[5]).toBe('initrd done');
  });

  it('an installer of a distribution is over with its initrd: its job watches it, and no stall is named', () => {
    const install: Short = { name: 'ipxe.script', data: { mode: 'install', why: '' } };
    const begun = [offered('ipxe'), acked('ipxe'), install, file('http.sent', 'netinst@12 kernel')];
    expect(states(begun).slice(2, 6)).toEqual([
      ...['tftp skipped', 'script done', 'kernel done', 'initrd waiting'],
    ]);
    const { world, fold } = bootWith([...begun, file('http.sent', 'netinst@12 initrd')]);
    expect(fold().steps[5]).toMatchObject({ name: 'initrd', state: 'done' });
    world.pass(3_600_000);
    expect(fold().state).toBe('over');
    expect(fold().stall).toBeUndefined();
  });

  it('a machine that cannot run what it should has the reason where the kernel would be', () => {
    const { world, fold } = bootWith([offered('ipxe'), acked('ipxe'), told]);
    expect(fold().steps[3]).toMatchObject({ name: 'script', state: 'done' });
    expect(fold().steps[4]).toMatchObject({ name: 'kernel', state: 'failed', detail: LACK });
    world.pass(5001);
    expect(fold().stall?.cause).toBe(`It boots nothing: ${LACK}.`);
  });

  it('an image that is written is no step of the boot', () => {
    const copied = [...ROM.slice(0, 8), file('http.sent', 'debian-12@1 disk')];
    expect(states(copied)).toEqual(states(ROM.slice(0, 8)));
  });

  it('a machine that leaves for its disk is over', () => {
    expect(
      bootWith([
        offered('ipxe'),
        acked('ipxe'),
        { name: 'ipxe.script', data: { mode: 'local-disk', why: '' } },
      ]).fold().state,
    ).toBe('over');
  });
});

describe('stalls', () => {
  const cases: Record<string, readonly Short[]> = {
    'offer-not-taken': [offered('firmware')],
    'no-address': [exhausted],
    'tftp-not-asked': [offered('firmware'), acked('firmware')],
    'tftp-slow': [offered('firmware'), acked('firmware'), tftpStarted],
    'tftp-broken': [offered('firmware'), acked('firmware'), tftpStarted, tftpFailed(false)],
    'ipxe-silent': [offered('firmware'), acked('firmware'), tftpStarted, tftpSent],
    'grub-silent': GRUB_LOADED,
    'ipxe-no-request': [
      offered('firmware'),
      acked('firmware'),
      tftpStarted,
      tftpSent,
      offered('ipxe'),
    ],
    'script-not-fetched': [offered('ipxe'), acked('ipxe')],
    'script-refused': [offered('ipxe'), acked('ipxe'), told],
    'kernel-not-fetched': ROM.slice(0, 3),
    'initrd-not-fetched': ROM.slice(0, 5),
    'download-slow': ROM.slice(0, 4),
    'download-broken': [...ROM.slice(0, 6), aborted],
    'kernel-silent': ROM.slice(0, 7),
    'report-missing': ROM.slice(0, 8),
    'report-refused': [...ROM.slice(0, 8), refused],
  };

  it('each rule has a case', () =>
    expect(Object.keys(cases).sort()).toEqual(STALL_RULES.map(({ name }) => name).sort()));

  it.each(Object.entries(cases))('%s, from its deadline on and not before', (name, events) => {
    const rule = STALL_RULES.find((one) => one.name === name);
    const { world, fold } = bootWith(events);
    world.pass((rule?.deadlineMs ?? 0) - 1);
    expect(fold().stall).toBeUndefined();
    world.pass(1);
    expect(fold()).toMatchObject({ state: 'stalled', stall: { rule: name } });
    expect(fold().stall?.cause).not.toMatch(/[{}]/);
  });

  it('is told once, and a later sign of life ends it', () => {
    const { world, boot } = bootWith([offered('firmware'), acked('firmware')]);
    const watch = createStallWatch({ ...world.inventory, clock: world.clock, mono: world.clock });
    expect(watch()).toEqual([]);
    world.pass(20_000);
    expect(watch().map(({ id }) => id)).toEqual([boot.id]);
    expect(watch()).toEqual([]);
    expect(world.inventory.events.after(0, 100).at(-1)).toMatchObject({
      name: 'boot.stalled',
      boot: boot.id,
      data: {
        cause: 'No TFTP request within 20 s of the ACK: the firmware did not accept the boot file.',
      },
    });
    expect(world.inventory.boots.touch(boot.id)).toBe(true);
    expect(world.inventory.boots.touch(boot.id)).toBe(false);
  });

  it.each([
    ['forward by a year', 365 * 86_400_000],
    ['forward by ten minutes', 600_000],
    ['back by two hours', -7_200_000],
  ])('is told of a machine that fell silent before the clock was set %s', (_, setMs) => {
    const { world, boot } = bootWith([offered('firmware'), acked('firmware')]);
    let steady = 0;
    const watch = createStallWatch({ ...world.inventory, clock: world.clock, mono: () => steady });
    const pass = (ms: number) => {
      steady += ms;
      world.pass(ms);
      return watch().map(({ id }) => id);
    };
    expect(pass(1000)).toEqual([]);
    world.pass(setMs);
    // It may yet go on.
    for (let second = 0; second < 18; second++) expect(pass(1000)).toEqual([]);
    expect(pass(1000)).toEqual([boot.id]);
    expect(world.inventory.events.after(0, 100).at(-1)).toMatchObject({
      name: 'boot.stalled',
      data: {
        waitedMs: 20_000,
        cause: 'No TFTP request within 20 s of the ACK: the firmware did not accept the boot file.',
      },
    });
  });

  it('is not told of a machine that moved in the second in which the clock was set', () => {
    const { world, boot } = bootWith([offered('firmware'), acked('firmware')]);
    let steady = 0;
    const watch = createStallWatch({ ...world.inventory, clock: world.clock, mono: () => steady });
    expect(watch()).toEqual([]);
    world.inventory.boots.touch(boot.id);
    steady += 500;
    world.pass(7_200_000);
    expect(watch()).toEqual([]);
    expect([...world.inventory.boots.unfinished().keys()]).toEqual([boot.id]);
  });

  it('is ended by a DHCP packet too', () => {
    const { world, boot } = bootWith([offered('firmware')]);
    world.inventory.boots.stalled(boot.id);
    world.dhcp(dhcpPacket({ mac: A, type: 1, client: 'bios' }));
    expect(world.inventory.boots.byId(boot.id)?.stalledAt).toBeUndefined();
    expect(world.eventNames()).toContain('boot.resumed');
  });
});
