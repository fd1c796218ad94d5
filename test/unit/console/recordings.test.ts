/** What is kept of what machines print: bounds, names, and when a recording begins and ends. */
import { describe, expect, it } from 'vitest';
import { createConsoleHub } from '../../../src/console/hub.ts';
import { ConsoleRecorder } from '../../../src/console/recorder.ts';
import { AppError } from '../../../src/errors.ts';
import { consoleText } from '../../../src/inventory/consoles.ts';
import { limit } from '../../../src/limits.ts';
import { consoleEntries } from '../../../src/recorder/console-lines.ts';
import { type BootId, type Hardwarename, TOKEN_FOLDERS } from '../../../src/wire/ids.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createFakeLines, createFakeWatcher } from '../../support/consoles.ts';
import { createWorld } from '../../support/world.ts';

const NAME = 'C0MPUT3' as Hardwarename;
const bytes = (text: string) => Buffer.from(text);

describe('the store', () => {
  it('keeps the beginning and the end, and names the gap', () => {
    const { consoles } = createWorld().inventory;
    const number = consoles.begin({ hardwarename: NAME, boot: 'B1', why: 'netboot' });
    const part = (letter: string) => bytes(letter.repeat(16_384));
    const letters = [...'abcdefghijklmnopqrstuvwxyz'];
    for (const letter of letters) consoles.append(number, part(letter));
    const recording = consoles.get(number);
    const kept = limit('consoleHeadBytesMax') + limit('consoleTailBytesMax');
    expect(recording).toMatchObject({ heardBytes: 26 * 16_384, keptBytes: kept });
    const text = consoleText(consoles.parts(number));
    expect(text.replace(/(.)\1+/g, '$1')).toMatch(
      /^abcd\s+\[… 163840 bytes were not kept …\]\s+opqrstuvwxyz$/,
    );
  });

  it('leaves nothing of a recording that heard nothing', () => {
    const { consoles } = createWorld().inventory;
    const number = consoles.begin({ hardwarename: NAME, boot: '', why: 'boot' });
    expect(consoles.end(number, 'quiet')).toBe(false);
    expect(consoles.get(number)).toBeUndefined();
  });

  it('keeps so many of a machine, and those of others', () => {
    const { consoles } = createWorld().inventory;
    const one = (hardwarename: Hardwarename) => {
      const number = consoles.begin({ hardwarename, boot: '', why: 'boot' });
      consoles.append(number, bytes('x'));
      consoles.end(number, 'quiet');
      return number;
    };
    const other = one('OTHER' as Hardwarename);
    const numbers = Array.from({ length: limit('consoleRecordingsMax') + 3 }, () => one(NAME));
    expect(consoles.ofMachine(NAME).map(({ number }) => number)).toEqual(
      numbers.slice(3).reverse(),
    );
    expect(consoles.get(other)).toBeDefined();
    expect(consoles.parts(numbers[0] ?? 0)).toEqual([]);
  });

  it('forgets what is old, and nothing that goes on', () => {
    const world = createWorld();
    const { consoles } = world.inventory;
    const [old, running] = [1, 2].map(() => {
      const number = consoles.begin({ hardwarename: NAME, boot: '', why: 'boot' });
      consoles.append(number, bytes('x'));
      return number;
    });
    consoles.end(old ?? 0, 'quiet');
    world.pass(1000);
    expect(consoles.prune(world.time.now)).toBe(1);
    expect([consoles.get(old ?? 0), consoles.get(running ?? 0)?.number]).toEqual([
      undefined,
      running,
    ]);
  });

  it('ends what a crash has left open', () => {
    const { consoles } = createWorld().inventory;
    const number = consoles.begin({ hardwarename: NAME, boot: '', why: 'boot' });
    consoles.append(number, bytes('x'));
    expect(consoles.closeLeftOpen()).toBe(1);
    expect(consoles.get(number)).toMatchObject({ ended: 'the appliance was stopped' });
    expect(consoles.get(number)?.endedAt).toBeGreaterThan(0);
  });

  it('hides boot tokens, also where the width of a terminal has broken them', () => {
    const token = 'C9NH9JCswavUC6rLpy5bDtwECTse3HPn';
    const whole = `http://10.77.0.1:8080/boot/${token}/script.ipxe... ok`;
    const broken = `http://10.77.0.1:8080/boot/${token.slice(0, 9)}\r\n${token.slice(9)}/vmlinuz`;
    const text = consoleText([{ atByte: 0, bytes: bytes(`${whole}\r\n${broken}\r\n`) }]);
    expect(text).toContain('/boot/…/script.ipxe');
    expect(text).toContain('/boot/…/vmlinuz');
    expect(text).not.toContain(token.slice(9));
  });

  it('hides those of every folder that has one, and of the command line that Linux prints', () => {
    const token = 'C9NH9JCswavUC6rLpy5bDtwECTse3HPn';
    const printed = [
      ...TOKEN_FOLDERS.map((folder) => `'http://10.77.0.1:8080/${folder}/${token}'`),
      `Command line: vmlinuz initrd=initrd.img reveille.token=${token} reveille.mode=wait`,
      `Command line: ds=nocloud;s=http://10.77.0.1:8080/installer/${token}/seed/ quiet`,
    ];
    const part = { atByte: 0, bytes: bytes(printed.join('\r\n')), at: 5 };
    expect(consoleText([part])).not.toContain(token);
    const lines = consoleEntries([part], 1).map(({ text }) => text);
    expect(lines).toHaveLength(printed.length);
    expect(lines.join()).not.toContain(token);
    expect(lines.at(-2)).toBe(
      'Command line: vmlinuz initrd=initrd.img reveille.token=… reveille.mode=wait',
    );
  });

  it('makes text of any bytes', () =>
    expect(consoleText([{ atByte: 0, bytes: Uint8Array.of(0xff, 0x41) }])).toBe('\ufffdA'));
});

function hall() {
  const world = createWorld();
  const { inventory } = world;
  const lines = createFakeLines();
  const hub = createConsoleHub({ open: lines.open, timers: lines.timers });
  const errors: unknown[] = [];
  const kept: number[] = [];
  const withBmc = new Set<Hardwarename>([NAME]);
  const recorder = new ConsoleRecorder({
    ...{ hub, store: inventory.consoles, timers: lines.timers, events: inventory.events },
    ...{ soon: inventory.soon, transaction: inventory.transaction },
    hasBmc: (hardwarename) => withBmc.has(hardwarename),
    onError: (error) => errors.push(error),
    onKept: (number) => kept.push(number),
  });
  const append = async (event: Parameters<typeof inventory.events.append>[0]) => {
    inventory.transaction(() => inventory.events.append(event));
    await lines.pass(0);
  };
  return {
    ...{ world, inventory, lines, hub, recorder, errors, kept, append },
    step: (step: string, attempt = 1) =>
      append({
        name: 'job.step',
        hardwarename: NAME,
        data: { job: 'j1', action: 'netboot', step, phase: 'started', attempt },
      }),
    boots: (boot: string) =>
      append({
        name: 'boot.started',
        hardwarename: NAME,
        boot: boot as BootId,
        data: { client: 'firmware', arch: 'bios' } as never,
      }),
    recordings: () => inventory.consoles.ofMachine(NAME),
    text: (number: number) => consoleText(inventory.consoles.parts(number)),
  };
}

describe('the recorder', () => {
  it('begins when a job switches a machine on, is named by the boot that follows, ends when it is quiet', async () => {
    const { step, boots, lines, recordings, text, kept, hub } = hall();
    await step('power-on');
    lines.last().say('BIOS\r\n');
    await boots('BOOT0000000A');
    lines.last().say('iPXE\r\n');
    await lines.pass(limit('consoleFlushMs'));
    expect(recordings()).toMatchObject([{ boot: 'BOOT0000000A', why: 'netboot', endedAt: 0 }]);
    expect(text(recordings()[0]?.number ?? 0)).toBe('BIOS\r\niPXE\r\n');
    await lines.pass(limit('consoleQuietMs') + limit('consoleLingerMs'));
    expect(recordings()).toMatchObject([{ ended: 'it has become quiet' }]);
    expect(kept).toEqual([recordings()[0]?.number]);
    expect(lines.last().isClosed()).toBe(true);
    expect(hub.counts().lines).toBe(0);
  });

  it('begins another for the next boot, over the same line', async () => {
    const { boots, lines, recordings, text } = hall();
    await boots('BOOT0000000A');
    lines.last().say('first');
    await boots('BOOT0000000B');
    lines.last().say('second');
    await lines.pass(limit('consoleFlushMs'));
    expect(lines.opened).toHaveLength(1);
    expect(recordings().map(({ boot, number }) => [boot, text(number)])).toEqual([
      ['BOOT0000000B', 'second'],
      ['BOOT0000000A', 'first'],
    ]);
  });

  it('one recording for a step that is tried again', async () => {
    const { step, lines, recordings } = hall();
    await step('power-on');
    lines.last().say('x');
    await step('power-on', 2);
    await lines.pass(limit('consoleFlushMs'));
    expect(recordings()).toHaveLength(1);
  });

  it('leaves machines without a BMC alone, and steps that print nothing', async () => {
    const { append, step, lines } = hall();
    await append({
      name: 'boot.started',
      hardwarename: 'OTHER' as Hardwarename,
      data: { client: 'firmware', arch: 'bios' } as never,
    });
    await step('pxe-once');
    expect(lines.opened).toHaveLength(0);
  });

  it('gives its session up for a job that finds none, and comes back after it', async () => {
    const { append, step, lines, recordings } = hall();
    await step('power-on');
    lines.last().say('x');
    const job = { job: 'j1', action: 'netboot' };
    const data = { ...job, step: 'power-on', code: 'BMC_BUSY', detail: '', retryAt: 1 };
    await append({ name: 'job.retry', hardwarename: NAME, data });
    await lines.pass(limit('consoleLingerMs'));
    expect(lines.last().isClosed()).toBe(true);
    expect(recordings()).toMatchObject([{ ended: 'a job needed the session of its BMC' }]);
    await step('power-on', 3);
    expect(lines.opened).toHaveLength(1);
    await append({ name: 'job.finished', hardwarename: NAME, data: job });
    await step('power-on');
    expect(lines.opened).toHaveLength(2);
  });

  it('never takes a console over, and says why it has nothing', async () => {
    const { step, lines, recordings, errors } = hall();
    lines.failures = [new AppError('CONSOLE_TAKEN')];
    await step('power-on');
    await lines.pass(1000);
    expect(lines.opened).toHaveLength(0);
    expect(recordings()).toEqual([]);
    expect(errors).toEqual([]);
    await step('power-on');
    expect(lines.last().handlers.takeOver).toBe(false);
  });

  it('goes on when a person comes and goes, and a person stays when it ends', async () => {
    const { step, lines, hub, recordings } = hall();
    await step('power-on');
    const ann = createFakeWatcher('ann');
    hub.line(NAME).watch(ann, { write: true, takeOver: false });
    lines.last().say('x');
    hub.line(NAME).leave(ann);
    await lines.pass(limit('consoleLingerMs'));
    expect(lines.last().isClosed()).toBe(false);
    hub.line(NAME).watch(ann, { write: true, takeOver: false });
    await lines.pass(limit('consoleQuietMs'));
    expect(recordings()[0]?.endedAt).toBeGreaterThan(0);
    expect(lines.last().isClosed()).toBe(false);
  });

  it('stops after its longest time even when the machine never is quiet', async () => {
    const { step, lines, recordings } = hall();
    await step('power-on');
    for (let ms = 0; ms <= limit('consoleRecordMs'); ms += limit('consoleQuietMs') / 2) {
      lines.last().say('.');
      await lines.pass(limit('consoleQuietMs') / 2);
    }
    await lines.pass(limit('consoleQuietMs'));
    expect(recordings()[0]?.ended).toBe('it has been recorded for as long as it may');
  });

  it('writes what it has when it is stopped', async () => {
    const { step, lines, recorder, recordings, text } = hall();
    await step('power-on');
    lines.last().say('last words');
    recorder.stop();
    expect(recordings()).toMatchObject([{ ended: 'the appliance stops' }]);
    expect(text(recordings()[0]?.number ?? 0)).toBe('last words');
  });
});

it('the clock of the store is the inventory\u2019s', () => {
  const world = createWorld();
  world.time.now = 42 as Millis;
  const { consoles } = world.inventory;
  const number = consoles.begin({ hardwarename: NAME, boot: '', why: 'boot' });
  expect(consoles.get(number)?.startedAt).toBe(42);
});
