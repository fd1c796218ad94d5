import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEscapes } from '../../../src/cli/bmc-console.ts';
import {
  decodeSol,
  encodeSol,
  SolLink,
  type SolPayload,
  solDataBytes,
} from '../../../src/ipmi/sol.ts';
import { golden, hex, must, unhex } from '../../support/ipmi-golden.ts';

const payload = (over: Partial<SolPayload>): SolPayload => ({
  ...{ sequence: 0, acknowledged: 0, accepted: 0, flags: 0, data: new Uint8Array() },
  ...over,
});
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
const bytes = (characters: string) => Uint8Array.from(Buffer.from(characters, 'latin1'));

/** Two ends of a line; `lost` says which packets do not arrive. */
function converse(
  words: [string, string],
  lost: () => boolean,
): { heard: string[]; ended: boolean } {
  const links = [new SolLink(16), new SolLink(16)] as const;
  const heard = ['', ''];
  let nowMs = 0;
  let ended = false;
  const moving: { to: 0 | 1; packet: Uint8Array }[] = [];
  const wake: (number | undefined)[] = [undefined, undefined];
  const take = (from: 0 | 1, step: ReturnType<SolLink['onDeadline']>) => {
    for (const packet of step.send) {
      if (!lost()) moving.push({ to: from === 0 ? 1 : 0, packet });
    }
    for (const part of step.deliver) heard[from] += text(part);
    wake[from] = step.wakeAtMs;
    ended ||= step.ended !== undefined;
  };
  take(0, links[0].write(bytes(words[0]), nowMs).step);
  take(1, links[1].write(bytes(words[1]), nowMs).step);
  for (let rounds = 0; rounds < 100_000 && !ended; rounds++) {
    const next = moving.shift();
    if (next) {
      take(next.to, links[next.to].onPayload(must(decodeSol(next.packet)), nowMs));
      continue;
    }
    const due = wake.filter((at) => at !== undefined);
    if (due.length === 0) break;
    nowMs = Math.min(...due);
    for (const end of [0, 1] as const) take(end, links[end].onDeadline(nowMs));
  }
  return { heard, ended };
}

describe('Serial over LAN', () => {
  it('reads and writes the payloads of a transcript', () => {
    const payloads = golden('suite17-minibmc-sol').messages.filter(({ name }) => name === 'SOL');
    expect(payloads.length).toBe(6);
    for (const { raw } of payloads) expect(hex(encodeSol(must(decodeSol(unhex(raw)))))).toBe(raw);
    expect(decodeSol(unhex('010000')).ok).toBe(false);
  });

  it('acknowledges as ipmitool does', () => {
    const link = new SolLink(100);
    const step = link.onPayload(must(decodeSol(unhex('010000006c6f67696e3a20'))), 0);
    expect(step.send.map(hex)).toEqual(['00010700']);
    expect(step.deliver.map(text)).toEqual(['login: ']);
  });

  it('sends one packet at a time, cut to size, numbered 1 to 15', () => {
    const link = new SolLink(2);
    const sent = [...link.write(bytes('x'.repeat(40)), 0).step.send];
    const numbers: number[] = [];
    for (let packet = sent.shift(); packet; packet = sent.shift()) {
      const { sequence, data } = must(decodeSol(packet));
      expect(data.length).toBe(2);
      numbers.push(sequence);
      sent.push(...link.onPayload(payload({ acknowledged: sequence, accepted: 2 }), 0).send);
      expect(sent.length).toBeLessThan(2);
    }
    expect(numbers).toEqual([...Array.from({ length: 15 }, (_, n) => n + 1), 1, 2, 3, 4, 5]);
    expect(link.pendingBytes).toBe(0);
  });

  it('sends what was not accepted again under a new number', () => {
    const link = new SolLink(10);
    link.write(bytes('abcdef'), 0);
    const rest = link
      .onPayload(payload({ acknowledged: 1, accepted: 4 }), 0)
      .send.map((packet) => must(decodeSol(packet)));
    expect(rest).toMatchObject([{ sequence: 2 }]);
    expect(text(rest[0]?.data ?? new Uint8Array())).toBe('ef');
  });

  it('waits after a refusal instead of throwing the same at a full buffer', () => {
    const link = new SolLink(10);
    link.write(bytes('abc'), 0);
    const refused = link.onPayload(payload({ acknowledged: 1, accepted: 0, flags: 0x40 }), 0);
    expect(refused.send).toEqual([]);
    expect(link.onDeadline(999).send).toEqual([]);
    expect(link.onDeadline(1000).send.map(hex)).toEqual(['02000000616263']);
  });

  it('sends a break that was refused again, under a new number, before what is typed after it', () => {
    const link = new SolLink(10);
    expect(link.signal(0x10, 0).step.send.map(hex)).toEqual(['01000010']);
    link.write(bytes('c'), 0);
    expect(link.onPayload(payload({ acknowledged: 1, flags: 0x40 }), 0).send).toEqual([]);
    expect(link.onDeadline(1000).send.map(hex)).toEqual(['02000010']);
    const taken = link.onPayload(payload({ acknowledged: 2 }), 1000);
    expect(taken.send.map(hex)).toEqual(['0300000063']);
    expect(taken.breakRefused).toBeUndefined();
  });

  it('gives a break up that is refused over and over, says so, and goes on', () => {
    const link = new SolLink(10);
    let sent = link.signal(0x10, 0).step.send;
    link.write(bytes('c'), 0);
    const refusals: unknown[] = [];
    let nowMs = 0;
    for (let tries = 1; tries <= 7; tries++) {
      const { sequence, flags } = must(decodeSol(sent[0] ?? new Uint8Array()));
      expect(flags).toBe(0x10);
      const step = link.onPayload(payload({ acknowledged: sequence, flags: 0x40 }), nowMs);
      refusals.push(step.breakRefused);
      nowMs += 1000;
      sent = tries < 7 ? link.onDeadline(nowMs).send : step.send;
    }
    expect(refusals).toEqual([...new Array(6).fill(undefined), true]);
    expect(sent.map((packet) => text(must(decodeSol(packet)).data))).toEqual(['c']);
  });

  it('delivers only what is new in a repetition that has grown, and acknowledges all of it', () => {
    const link = new SolLink(10);
    link.onPayload(payload({ sequence: 3, data: bytes('abc') }), 0);
    const again = link.onPayload(payload({ sequence: 3, data: bytes('abcde') }), 0);
    expect(again.deliver.map(text)).toEqual(['de']);
    expect(again.send.map(hex)).toEqual(['00030500']);
  });

  it('gives up after seven tries', () => {
    const link = new SolLink(10);
    let step = link.write(bytes('a'), 0).step;
    let sent = step.send.length;
    while (step.wakeAtMs !== undefined) {
      step = link.onDeadline(step.wakeAtMs);
      sent += step.send.length;
    }
    expect(sent).toBe(7);
    expect(step.ended).toBe('the other end stopped acknowledging');
    expect(link.write(bytes('b'), 0).accepted).toBe(false);
  });

  it('refuses more than its buffer holds, whole', () => {
    const link = new SolLink(10);
    expect(link.write(new Uint8Array(65_536), 0).accepted).toBe(true);
    expect(link.write(new Uint8Array(1), 0).accepted).toBe(false);
  });

  it('carries everything both ways over a line that loses packets', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 200 }),
        fc.string({ maxLength: 200 }),
        fc.infiniteStream(fc.nat(99)),
        (left, right, luck) => {
          const words: [string, string] = [text(bytes(left)), text(bytes(right))];
          const { heard, ended } = converse(words, () => (luck.next().value ?? 0) < 15);
          // Seven losses in a row end the line; what was heard until then is a beginning of what was said.
          if (!ended) expect(heard).toEqual([words[1], words[0]]);
          else {
            expect(words[1].startsWith(heard[0] ?? '-')).toBe(true);
            expect(words[0].startsWith(heard[1] ?? '-')).toBe(true);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    [0, 16],
    [10, 16],
    [104, 100],
    [60_000, 200],
  ])('believes a buffer of %i bytes to take %i', (size, data) => {
    expect(solDataBytes(size)).toBe(data);
  });
});

describe('escapes of the console', () => {
  const type = (...parts: string[]) => {
    const escapes = createEscapes();
    return parts
      .flatMap((part) => escapes(bytes(part)))
      .map((action) => (action.kind === 'send' ? text(action.bytes) : `<${action.kind}>`));
  };
  it.each([
    [['ls\r'], ['ls\r']],
    [['~.'], ['<quit>']],
    [['ls\r~.never'], ['ls\r', '<quit>']],
    [['a~.'], ['a~.']],
    [['~', '.'], ['<quit>']],
    [['~B'], ['<break>']],
    [['~~'], ['~']],
    [['~x'], ['~x']],
    [
      ['\r', '~', 'q'],
      ['\r', '~q'],
    ],
  ])('%j', (typed, actions) => {
    expect(type(...typed)).toEqual(actions);
  });
});
