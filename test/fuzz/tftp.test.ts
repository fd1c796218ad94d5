/**
 * Mutated packets from a handful of endpoints, on all three ports of the TFTP engine, while time passes. Nothing may throw, no
 * table may grow beyond its limit, and afterwards a good client is served. FUZZ_RUNS sets the count (20,000 by default).
 */
import { expect, it } from 'vitest';
import { limit } from '../../src/limits.ts';
import {
  encodeAck,
  encodeData,
  encodeError,
  encodeOack,
  encodeRequest,
  OPCODE,
} from '../../src/tftp/packet.ts';
import type { Via } from '../../src/tftp/ports.ts';
import { random } from '../support/mutate.ts';
import { createTftpWorld, endpoint, fetchFile } from '../support/tftp-world.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);

it(`TFTP: ${RUNS} mutated packets go through the whole engine`, () => {
  const pick = random(SEED);
  const file = Buffer.alloc(100_000, 'reveille');
  const world = createTftpWorld({ f: file, empty: Buffer.alloc(0) });
  const asked = (name: string, words: Record<string, string>) =>
    encodeRequest({
      ...{ opcode: OPCODE.rrq, file: name, mode: 'octet', options: new Map(Object.entries(words)) },
    });
  const seeds = [
    () => asked('f', {}),
    () => asked('f', { blksize: '1468', tsize: '0', windowsize: '16', timeout: '3' }),
    () => asked('empty', { blksize: '8', rollover: '1' }),
    () => encodeAck(pick(80)),
    () => encodeAck(pick(3)),
    () => encodeError(8, 'User aborted the transfer'),
    () => encodeData(1, Buffer.from('data')),
    () => encodeOack(new Map([['tsize', '0']])),
  ];
  let outcomes = 0;
  for (let run = 0; run < RUNS; run++) {
    const bytes = Uint8Array.from(seeds[pick(seeds.length)]?.() ?? []);
    for (let edits = pick(3); edits > 0; edits--) bytes[pick(bytes.length)] = pick(256);
    const length = pick(8) === 0 ? pick(bytes.length + 1) : bytes.length;
    const from = endpoint(`10.77.0.${1 + pick(5)}`, 2000 + pick(4));
    const before = world.sent.length + world.drops.length + world.events.length;
    world.say(from, pick(3) as Via, bytes.subarray(0, length));
    outcomes += world.sent.length + world.drops.length + world.events.length - before > 0 ? 1 : 0;
    if (run % 16 === 0) world.run(1 + pick(300));
    expect(world.engine.active).toBeLessThanOrEqual(5 * limit('tftpTransfersPerAddressMax'));
  }
  // Every datagram is answered, told of or counted.
  expect(outcomes).toBe(RUNS);
  expect(world.errors).toEqual([]);
  const fetch = fetchFile(world, endpoint('10.77.0.99', 4000), 'f', { windowsize: '8' });
  world.run(60_000, () => fetch.outcome() !== 'running');
  expect(fetch.got().equals(file)).toBe(true);
});
