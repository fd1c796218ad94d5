/** A BMC of the lab without its machine: boot flags at a start, the guest's line, what power leaves behind. */
import { createConnection } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createFrames,
  encodeFrame,
  readRequest,
  serveInBand,
  writeResponse,
} from '../../../qemu-lab/bmc-inband.ts';
import { notePower, type StartCause, takeBootDevice } from '../../../qemu-lab/fake-bmc-boot.ts';
import { runCommand } from '../../../qemu-lab/fake-bmc-commands.ts';
import { type BmcState, createState, simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const ask = (state: BmcState, netFn: number, command: number, ...data: number[]) =>
  runCommand({ netFn, command, data: Uint8Array.from(data) }, { state, privilege: 4 });

/** A BMC that was told what to boot, and whether to keep that (the bits of parameter 3). */
function told(first: number, device: number, keep = 0x08): BmcState {
  const state = createState({});
  ask(state, 0, 8, 3, keep);
  ask(state, 0, 8, 5, first, device << 2, 0, 0, 0);
  return state;
}
const ONCE = 0x80;
const ALWAYS = 0xc0;
const [PXE, DISK, CDROM] = [1, 2, 5];

describe('boot flags at a start', () => {
  it('flags for one boot are gone after it; others stay', () => {
    const once = told(ONCE, PXE);
    expect([1, 2].map(() => takeBootDevice(once, 'command', 0))).toEqual(['pxe', undefined]);
    const always = told(ALWAYS, DISK);
    expect([1, 2].map(() => takeBootDevice(always, 'command', 0))).toEqual(['disk', 'disk']);
  });

  it('flags without the valid bit, or for a device that is not there, change nothing', () => {
    expect(takeBootDevice(told(0x00, PXE), 'command', 0)).toBeUndefined();
    expect(takeBootDevice(told(ONCE, CDROM), 'command', 0)).toBeUndefined();
  });

  it('are forgotten after a minute, unless parameter 3 says otherwise', () => {
    const state = told(ONCE, PXE, 0x00);
    expect(takeBootDevice(state, 'command', 60_001)).toBeUndefined();
    expect(takeBootDevice(told(ONCE, PXE, 0x00), 'command', 60_000)).toBe('pxe');
    expect(takeBootDevice(told(ONCE, PXE, 0x08), 'command', 3_600_000)).toBe('pxe');
  });

  it('read back without the valid bit once they are forgotten', () => {
    const state = told(ONCE, PXE, 0x00);
    expect([...ask(state, 0, 9, 5).data.subarray(2, 4)]).toEqual([0x80, 0x04]);
    state.nowMs = 60_001;
    expect([...ask(state, 0, 9, 5).data.subarray(2, 4)]).toEqual([0x00, 0x04]);
  });

  it.each<[StartCause, number, string | undefined]>([
    ['button', 0x08, undefined],
    ['button', 0x09, 'pxe'],
    ['soft-reset', 0x09, undefined],
    ['soft-reset', 0x0a, 'pxe'],
    ['mains', 0x08, undefined],
    ['command', 0x08, 'pxe'],
  ])('a start by %s with parameter 3 = %d boots %s', (cause, keep, expected) =>
    expect(takeBootDevice(told(ONCE, PXE, keep), cause, 0)).toBe(expected),
  );
});

describe('what power leaves behind', () => {
  it('an entry in the log with the time, the restart cause and the last event', () => {
    const state = createState({ clock: () => 1_800_000_000 });
    const before = state.sel.length;
    notePower(state, { kind: 'on', cause: 'command' });
    expect([...ask(state, 0, 7).data]).toEqual([1, 1]);
    expect(ask(state, 0, 1).data[1]).toBe(0x10);
    notePower(state, { kind: 'off' });
    notePower(state, { kind: 'on', cause: 'button' });
    expect(ask(state, 0, 7).data[0]).toBe(3);
    expect(ask(state, 0, 1).data[1]).toBe(0);
    notePower(state, { kind: 'reset', cause: 'soft-reset' });
    expect(ask(state, 0, 7).data[0]).toBe(0x0a);
    const entries = state.sel.slice(before).map(({ record }) => Buffer.from(record));
    expect(entries.map((each) => [each[8], each[11]])).toEqual([
      [0x1d, 0],
      [0x09, 0],
      [0x1d, 0],
      [0x1d, 2],
    ]);
    expect(entries[0]?.readUInt32LE(1)).toBe(1_800_000_000);
    expect(state.sel.map(({ id }) => id)).toEqual(state.sel.map((_, index) => index + 1));
  });

  it('no more entries than the log holds', () => {
    const state = createState({});
    for (let count = 0; count < 600; count++) notePower(state, { kind: 'off' });
    expect(state.sel).toHaveLength(512);
  });

  it('the lamp goes out by itself', () => {
    const state = createState({});
    const lamp = () => ((ask(state, 0, 1).data[2] ?? 0) >> 4) & 3;
    ask(state, 0, 4, 10);
    expect(lamp()).toBe(1);
    state.nowMs = 10_000;
    expect(lamp()).toBe(0);
    ask(state, 0, 4, 0, 1);
    expect(lamp()).toBe(2);
  });
});

describe("the guest's line", () => {
  it('cuts any stream into the frames that were put into it', () =>
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 60 })),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (bodies, sizes) => {
          const sent = bodies.map((bytes) => ({ kind: 'message' as const, bytes }));
          const line = Buffer.concat(sent.map(encodeFrame));
          const frames = createFrames();
          const got = [];
          for (let at = 0, turn = 0; at < line.length; turn++) {
            const size = sizes[turn % sizes.length] ?? 1;
            got.push(...frames(line.subarray(at, at + size)));
            at += size;
          }
          expect(got.map(({ bytes }) => [...bytes])).toEqual(bodies.map((each) => [...each]));
        },
      ),
    ));

  it('takes no request with a wrong sum, and answers with a right one', () => {
    const bytes = Uint8Array.of(7, 0x18, 0x01, 0xe0);
    const request = readRequest(bytes);
    expect(request).toMatchObject({ sequence: 7, netFn: 6, lun: 0, command: 1 });
    expect(readRequest(Uint8Array.of(7, 0x18, 0x01, 0xe1))).toBeUndefined();
    expect(readRequest(Uint8Array.of(7, 0x18))).toBeUndefined();
    if (!request) return;
    const response = writeResponse(request, { completion: 0xc1, data: Uint8Array.of(5) });
    expect([...response.subarray(0, 5)]).toEqual([7, 0x1c, 1, 0xc1, 5]);
    expect(response.reduce((total, byte) => (total + byte) & 0xff, 0)).toBe(0);
  });

  it('asks the same BMC as the network does, and hears nothing from a dead one', async () => {
    const folder = temporaryFolder('inband');
    const state = createState({ machine: simpleMachine(true), address: '10.79.0.20' });
    const served = serveInBand(join(folder, 'bmc'), state);
    const line = createConnection(join(folder, 'bmc'));
    const frames = createFrames();
    const heard: { kind: string; bytes: Uint8Array }[] = [];
    let wake: () => void = () => undefined;
    line.on('data', (bytes) => {
      heard.push(...frames(bytes));
      wake();
    });
    const until = async (count: number) => {
      while (heard.length < count) await new Promise<void>((next) => (wake = next));
    };
    const say = (...body: number[]) => {
      const sum = body.reduce((total, byte) => total + byte, 0);
      const bytes = Uint8Array.from([...body, -sum & 0xff]);
      line.write(encodeFrame({ kind: 'message', bytes }));
    };
    await until(1);
    expect(heard[0]).toMatchObject({ kind: 'command', bytes: Uint8Array.of(0xff, 1) });
    // Dead for the first request that is looked at, and back for the second.
    let looks = 0;
    Object.defineProperty(state.knobs, 'dead', { get: () => looks++ === 0 });
    say(1, 0x30, 0x02, 1, 3, 0, 0);
    say(2, 0x30, 0x02, 1, 3, 0, 0);
    await until(2);
    expect([...(heard[1]?.bytes ?? [])].slice(0, 9)).toEqual([2, 0x34, 2, 0, 0x11, 10, 79, 0, 20]);
    line.destroy();
    served.close();
  });
});
