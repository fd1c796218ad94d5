/** The wires beside DHCP, TFTP and HTTP that a flight record has: names that were asked for, the console, the installed system. */
import { describe, expect, it } from 'vitest';
import { MESSAGE, OPTION } from '../../../src/dhcp/options.ts';
import { diagnose } from '../../../src/diagnose/diagnose.ts';
import { parseFlight } from '../../../src/diagnose/flight.ts';
import { encodeMessage } from '../../../src/dns/message.ts';
import { parseName } from '../../../src/dns/name.ts';
import { CLASS, FLAG, TYPE } from '../../../src/dns/types.ts';
import { limit } from '../../../src/limits.ts';
import { consoleEntries } from '../../../src/recorder/console-lines.ts';
import { captureOf } from '../../../src/recorder/export.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { A, record } from '../../support/recording.ts';
import { ipv4, mac } from '../../support/world.ts';

const ADDRESS = ipv4('10.77.0.100');
const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

function dnsMessage(name: string, flags: number): Uint8Array {
  const question = { name: parseName(name) ?? '\0', type: TYPE.A, class: CLASS.IN };
  const message = {
    id: 7,
    flags,
    questions: [question],
    answers: [],
    authority: [],
    additional: [],
  };
  return encodeMessage(message) ?? expect.fail();
}

function asked(at: number, name = 'appliance.lab.test.') {
  const [question, reply] = [dnsMessage(name, 0), dnsMessage(name, FLAG.QR | 3)];
  return { at, address: ADDRESS, port: 4242, question, reply };
}

describe('questions of the name server', () => {
  it('are watched for machines that boot, and stand in their record and its capture', () => {
    const world = record();
    expect(world.watched).toEqual([]);
    world.lease('uefi');
    world.step();
    expect(world.watched).toEqual([ADDRESS]);
    world.recorder.asked(asked(world.time.now));
    world.recorder.asked({ ...asked(world.time.now), address: ipv4('10.77.0.200') });
    world.step();
    const flight = world.recorder.flight(world.bootId());
    expect(flight?.entries.filter(({ kind }) => kind === 'dns')).toEqual([
      {
        ...{ kind: 'dns', at: world.time.now - 1000, name: 'appliance.lab.test.', type: 'A' },
        answer: 'NXDOMAIN',
      },
    ]);
    expect(flight?.entries.filter(({ kind }) => kind === 'dhcp')).toHaveLength(4);
    if (!flight) return;
    const capture = Buffer.from(captureOf(flight, world.recorder.packets(world.bootId())));
    expect(capture.includes(Buffer.from(asked(0).question))).toBe(true);
    expect(parseFlight(JSON.parse(JSON.stringify(flight)))).toEqual(flight);
  });

  it('are not watched for ever, and so many of one boot are enough', () => {
    const world = record();
    world.lease('uefi');
    world.step();
    for (let n = 0; n < 2 * limit('flightQuestionsMax'); n++)
      world.recorder.asked(asked(world.time.now, `n${n}.lab.test.`));
    world.step();
    const kept = world.recorder.flight(world.bootId())?.entries ?? [];
    expect(kept.filter(({ kind }) => kind === 'dns')).toHaveLength(limit('flightQuestionsMax'));
    expect(world.watched).toEqual([]);
    world.lease('ipxe');
    world.step();
    expect(world.watched).toEqual([ADDRESS]);
    world.step(limit('flightQuestionsMs'));
    expect(world.watched).toEqual([]);
  });

  it('are no progress: a machine that asks on and on has stopped', () => {
    const world = record();
    world.lease('uefi');
    for (let second = 0; second < 40; second++) {
      world.recorder.asked(asked(world.time.now));
      world.step();
    }
    expect(world.diagnosed()).toEqual(['boot-file-not-asked']);
  });
});

describe('the serial console', () => {
  it('is lines with the time at which they were heard, without escapes and tokens', () => {
    const token = 'C9NH9JCswavUC6rLpy5bDtwECTse3HPn';
    const parts = [
      {
        atByte: 0,
        bytes: bytes('\u001b[2J\u001b[01;01HSeaBIOS\u001b[02;01HiPXE http://a/boot/'),
        at: 10,
      },
      { atByte: 50, bytes: bytes(`${token.slice(0, 9)}\r\n${token.slice(9)}/x\r\n\r\n`), at: 20 },
      { atByte: 99, bytes: bytes('\u001b[0;31mKernel panic\u001b[0m - \u00c3\u00a4\r\n'), at: 30 },
    ];
    expect(consoleEntries(parts, 1)).toEqual([
      { kind: 'console', at: 10, text: 'SeaBIOS' },
      { kind: 'console', at: 10, text: 'iPXE http://a/boot/…/x' },
      { kind: 'console', at: 30, text: 'Kernel panic - ä' },
    ]);
    expect(consoleEntries([{ atByte: 0, bytes: bytes('old') }], 5)).toEqual([
      { kind: 'console', at: 5, text: 'old' },
    ]);
  });

  it('keeps the first lines of a long one and the newest', () => {
    const text = Array.from({ length: 5000 }, (_, n) => `line ${n}`).join('\n');
    const lines = consoleEntries([{ atByte: 0, bytes: bytes(text) }], 1).map((one) => one.text);
    expect(lines).toHaveLength(limit('flightConsoleLinesMax'));
    expect([lines[0], lines.at(-1)]).toEqual(['line 0', 'line 4999']);
  });

  it('of a boot is in its record, and names a panic', () => {
    const world = record();
    const { consoles } = world.inventory;
    world.lease('ipxe');
    world.append({ name: 'ipxe.script', data: { mode: 'recon', why: '' } });
    for (const file of ['vmlinuz', 'initrd.img']) {
      world.append({ name: 'http.started', data: { file, sizeBytes: 9, offsetBytes: 0 } });
      world.append({ name: 'http.sent', data: { file, sizeBytes: 9, durationMs: 1 } });
    }
    world.inventory.transaction(() => {
      const hardwarename = 'C0MPUT3' as Hardwarename;
      const number = consoles.begin({ hardwarename, boot: world.bootId(), why: 'boot' });
      consoles.append(number, bytes('[ 1.2] Kernel panic - not syncing: Fatal exception\r\n'));
    });
    for (let second = 0; second < 100; second++) world.step();
    expect(world.diagnosed()).toEqual(['kernel-panic']);
    const flight = world.recorder.flight(world.bootId());
    const line = flight?.entries.find(({ kind }) => kind === 'console');
    expect(line).toMatchObject({ text: '[ 1.2] Kernel panic - not syncing: Fatal exception' });
  });
});

describe('the installed system', () => {
  /** A boot that has installed, and whose job waits for the system to call home. */
  function installed() {
    const world = record();
    world.lease('ipxe');
    const hardwarename = 'C0MPUT3' as Hardwarename;
    const { events, transaction } = world.inventory;
    const nics = [{ mac: A, name: 'eth0' }];
    const entry = { serial: 'C0MPUT3', manufacturer: 'LabCorp', product: 'X', state: 'held', nics };
    transaction(() =>
      world.inventory.serverdb.editor.enter(entry as never, { who: 'test', why: 'test' }),
    );
    world.append({ name: 'ipxe.script', data: { mode: 'install', why: '' } });
    const job = { job: 'j', action: 'install' };
    const work = { job: 'j', purpose: 'install', round: 1 };
    world.append({ name: 'work.taken', data: { ...work, boots: 1 } });
    world.append({ name: 'agent.finished', data: { ...work, measurements: {} } });
    const tell = (event: object) =>
      transaction(() => events.append({ hardwarename, ...event } as never));
    tell({ name: 'job.step', data: { ...job, step: 'started', phase: 'waiting' } });
    return { ...world, tell, job };
  }

  it('that calls home is the last entry of its record, and nothing is wrong', () => {
    const world = installed();
    world.step(60_000);
    const data = { job: 'j', hostname: 'web1', image: 'debian@12', address: '10.77.0.100' };
    world.tell({ name: 'os.phoned-home', data });
    for (let second = 0; second < 200; second++) world.step();
    const flight = world.recorder.flight(world.bootId());
    expect(flight?.entries.at(-1)).toMatchObject({
      kind: 'os',
      what: 'debian@12 called home from 10.77.0.100 as web1',
    });
    expect(world.diagnosed()).toEqual([]);
    expect(flight && diagnose(flight, true)).toBeUndefined();
  });

  it('that does not is named when its job has waited long enough, and not before', () => {
    const world = installed();
    for (let second = 0; second < 200; second++) world.step();
    expect(world.diagnosed()).toEqual([]);
    const detail = 'the installed system has not called home.';
    world.tell({ name: 'job.failed', data: { ...world.job, code: 'JOB_NO_EVENT', detail } });
    world.step();
    expect(world.diagnosed()).toEqual(['os-never-phoned-home']);
  });

  it('of an agent that gives up is named in its own words', () => {
    const world = record();
    world.lease('ipxe');
    world.append({ name: 'ipxe.script', data: { mode: 'install', why: '' } });
    const work = { job: 'j', purpose: 'install', round: 1 };
    world.append({ name: 'work.taken', data: { ...work, boots: 1 } });
    const failed = { step: 'disks', code: 'DISK_NOT_FOUND', detail: 'no disk matches the layout' };
    world.append({ name: 'agent.failed', data: { ...work, ...failed, retry: false, log: '' } });
    for (let second = 0; second < 10; second++) world.step();
    expect(world.diagnosed()).toEqual(['install-disk-not-found']);
  });
});

describe('a machine that waits for orders', () => {
  it('has come to its end: hours of silence are no stall and have no name', () => {
    const world = record();
    world.lease('ipxe');
    world.append({ name: 'ipxe.script', data: { mode: 'wait', why: '' } });
    const data = { phase: 'linux', message: 'pxeimage is running', level: 'info' as const };
    world.append({ name: 'agent.progress', data });
    for (let second = 0; second < 300; second++) world.step();
    world.lease('ipxe');
    world.step();
    expect(world.diagnosed()).toEqual([]);
    expect(world.eventNames()).not.toContain('boot.stalled');
  });
});

describe('what is over', () => {
  it('is the trouble before, when a machine waits as it should, or begins to boot after all', () => {
    const world = record();
    world.lease('ipxe');
    for (let second = 0; second < 50; second++) world.step();
    const { store } = world.recorder;
    const found = (boot: undefined) =>
      world.inventory.transaction(() =>
        store.found({
          ...{ boot, mac: A, hardwarename: undefined, model: '' },
          diagnosis: {
            ...{ name: 'wrong-boot-order', confidence: 'likely', place: 'nothing' },
            ...{ evidence: [], also: [] },
          },
          place: { site: '', rack: '', switch: '', port: '' },
        }),
      );
    found(undefined);
    const open = () => store.list({ open: true, limit: 9 }).map(({ name }) => name);
    expect(open()).toEqual(['wrong-boot-order', 'http-blocked']);
    world.pass(3_700_000);
    world.lease('ipxe');
    world.step();
    expect(open()).toEqual(['http-blocked']);
    world.append({ name: 'ipxe.script', data: { mode: 'wait', why: '' } });
    const data = { phase: 'linux', message: 'pxeimage is running', level: 'info' as const };
    world.append({ name: 'agent.progress', data });
    world.step();
    expect(open()).toEqual([]);
  });
});

describe('trouble before a machine booted well', () => {
  const B = mac('52:54:00:00:00:0b');
  function troubled() {
    const world = record();
    const { store } = world.recorder;
    const hardwarename = 'C0MPUT3' as Hardwarename;
    const cause = { who: 'test', why: 'test' };
    const nics = [
      { mac: A, name: 'eth0' },
      { mac: B, name: 'eth1' },
    ];
    const entry = { serial: 'C0MPUT3', manufacturer: 'LabCorp', product: 'X', state: 'in-use' };
    world.inventory.transaction(() => {
      world.inventory.serverdb.editor.enter({ ...entry, nics } as never, cause);
      for (const [boot, of] of [
        ['b1', A],
        ['b2', B],
      ] as const)
        store.found({
          ...{ boot: boot as never, mac: of, hardwarename: undefined, model: '' },
          diagnosis: {
            ...{ name: 'http-blocked', confidence: 'likely', place: 'asked' },
            ...{ evidence: [], also: [] },
          },
          place: { site: '', rack: '', switch: '', port: '' },
        });
    });
    const open = () => store.list({ open: true, limit: 9 }).length;
    expect(open()).toBe(2);
    return { ...world, hardwarename, open };
  }

  it('is over for all its NICs when its system asks for an address after it was sent to its disk', () => {
    const world = troubled();
    world.lease('ipxe');
    world.step();
    expect(world.open()).toBe(2);
    world.append({ name: 'ipxe.script', data: { mode: 'local-disk', why: '' } });
    world.step();
    expect(world.open()).toBe(2);
    world.lease('os');
    world.step();
    expect(world.open()).toBe(0);
  });

  it('is over for all its NICs when one of them reports, or its system calls home', () => {
    const report = troubled();
    report.inventory.transaction(() =>
      report.inventory.events.append({
        ...{ name: 'recon.received', mac: A, hardwarename: report.hardwarename },
        data: { digest: 'd', sizeBytes: 1 },
      } as never),
    );
    report.step();
    expect(report.open()).toBe(0);
    const home = troubled();
    const data = { job: 'j', hostname: 'web1', image: 'debian@12', address: '10.77.0.100' };
    home.inventory.transaction(() =>
      home.inventory.events.append({
        ...{ name: 'os.phoned-home', hardwarename: home.hardwarename },
        data,
      }),
    );
    home.step();
    expect(home.open()).toBe(0);
  });
});

describe('an installer that is started over and over', () => {
  it('is named at the third start, the starts before it for what they were', () => {
    const world = record();
    const begin = () => {
      world.lease('ipxe');
      world.append({ name: 'ipxe.script', data: { mode: 'install', why: '' } });
      world.inventory.transaction(() => world.inventory.boots.scriptServed(world.bootId()));
      const work = { job: 'j', purpose: 'install', round: 1 };
      world.append({ name: 'work.taken', data: { ...work, boots: 1 } });
      world.step();
      world.pass(20_000);
    };
    begin();
    expect(world.diagnosed()).toEqual([]);
    begin();
    begin();
    const restarted = 'restarted-in-pxeimage';
    expect(world.diagnosed()).toEqual([restarted, restarted, 'install-loop']);
  });
});

describe('what is kept', () => {
  it('of diagnoses is those of a while, of cards the newest few of each kind', () => {
    const world = record();
    world.lease('uefi');
    for (let second = 0; second < 50; second++) world.step();
    const { store } = world.recorder;
    expect(store.list({ limit: 10 })).toHaveLength(1);
    expect(world.recorder.tidy(world.time.now - 60_000)).toBe(0);
    expect(world.recorder.tidy(world.time.now)).toBe(1);
    expect(store.list({ limit: 10 })).toEqual([]);

    const max = limit('bootCardsPerKindMax');
    for (let n = 0; n < 3 * max; n++) store.cardReachedLinux(`b${n}`, 'pci 8086:100e');
    expect(store.cardsThatReachedLinux('pci 8086:100e', '')).toBe(max);
    expect(store.cardsThatReachedLinux('pci 8086:100e', `b${3 * max - 1}`)).toBe(max - 1);
    const all = limit('bootCardsMax');
    world.db.transaction(() => {
      for (let n = 0; n < all + 50; n++) store.cardReachedLinux(`c${n}`, `pci made:${n}`);
    })();
    expect(world.recorder.tidy(0)).toBe(50 + max);
  });

  it('a card whose boot got into Linux is known for the next one', () => {
    const world = record();
    // iPXE include/ipxe/dhcp.h, DHCP_EB_BUS_ID: PCI, vendor, device.
    const card = Uint8Array.of(0xb1, 5, 1, 0x1a, 0xf4, 0x10, 0x00);
    world.send(MESSAGE.discover, 'ipxe', 'prov0', [[OPTION.ipxe, card]]);
    world.append({ name: 'ipxe.script', data: { mode: 'recon', why: '' } });
    world.step();
    const data = { phase: 'linux', message: 'pxeimage is running', level: 'info' as const };
    world.append({ name: 'agent.progress', data });
    world.step();
    const rows = world.db.prepare('SELECT card, reached_linux FROM boot_cards').all();
    expect(rows).toEqual([{ card: 'pci 1af4:1000', reached_linux: 1 }]);
  });
});
