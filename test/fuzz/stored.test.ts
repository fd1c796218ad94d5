/**
 * What we have written ourselves and read back (packets of a record, zones and their differences, sealed secrets), what two of
 * our daemons tell each other, and files of images and records that people bring: all of it mutated. A damaged disk, an older version or a
 * forged file ends in a refusal that was foreseen, never in another error. FUZZ_RUNS sets the count.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { deflateRawSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ZodError } from 'zod';
import { isCase, parseCase } from '../../src/diagnose/case.ts';
import { diagnose } from '../../src/diagnose/diagnose.ts';
import { parseFlight } from '../../src/diagnose/flight.ts';
import { decodeDiff, decodeRecords, encodeDiff, encodeRecords } from '../../src/dns/record-log.ts';
import { zoneRecords } from '../../src/dns/zones.ts';
import { AppError } from '../../src/errors.ts';
import { fromAppliance, fromCentral, parseMessage } from '../../src/federation/protocol.ts';
import { createSecretBox } from '../../src/inventory/secrets.ts';
import {
  addPacket,
  logOf,
  openPacketLog,
  packetsIn,
  storedForm,
} from '../../src/recorder/packets.ts';
import { parseStandby, tell, untold } from '../../src/standby/protocol.ts';
import { findFrames } from '../../src/wire/zstd-frames.ts';
import { zoneFrom } from '../support/dns.ts';
import { mutate, random } from '../support/mutate.ts';
import { udpDatagrams } from '../support/pcap.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);
/** What is checked by a schema is so much slower that fewer have to do. */
const DOCUMENTS = Math.ceil(RUNS / 10);

const one = <T>(list: readonly T[], pick: (below: number) => number): T => {
  const item = list[pick(list.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
};
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');
const bytesOf = (value: unknown) => Uint8Array.from(Buffer.from(JSON.stringify(value), 'latin1'));
/** Cheaper than an assertion where it holds, as it does a million times. */
function must(holds: boolean): void {
  if (!holds) expect.fail('not what was written, or not where it can be');
}
/** @returns whether it was taken. @throws what was not foreseen */
function taken(read: () => unknown, foreseen: (error: Error) => boolean): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof Error && foreseen(error)) return false;
    throw error;
  }
}

const packets = udpDatagrams('test/fixtures/dhcp/efihttp.pcap')
  .slice(0, 6)
  .map(({ payload }, index) => ({
    ...{ at: 1_700_000_000_000 + index, direction: 'in' as const, port: 67, drop: '' },
    ...{ peer: { address: '10.77.0.100', port: 68 }, bytes: Uint8Array.from(payload) },
  }));

/** As rows were before: deflated as a whole, heads of 24 bytes. */
function deflatedRow(): Uint8Array {
  const parts = packets.flatMap(({ at, bytes }) => {
    const head = Buffer.alloc(24);
    head.writeDoubleBE(at, 0);
    head.writeUInt32BE(bytes.length, 20);
    return [head, bytes];
  });
  return deflateRawSync(Buffer.concat(parts));
}

describe('what we have stored', () => {
  it(`${RUNS} mutated rows of packets are read as far as they go, and can be added to`, async () => {
    const pick = random(SEED);
    const log = openPacketLog();
    for (const packet of packets) addPacket(log, packet);
    const rows = [Uint8Array.from(storedForm(log)), deflatedRow()];
    const [extra] = packets;
    if (!extra) throw new Error('no packet');
    let read = 0;
    for (let run = 0; run < RUNS; run++) {
      // Node frees an inflater that failed in the next turn of the loop, as a daemon has one for each row.
      if (run % 256 === 0) await new Promise((next) => setImmediate(next));
      const row = mutate(one(rows, pick), pick);
      const found = packetsIn(row);
      read += found.length;
      for (const { bytes } of found) must(bytes.length <= 65_535);
      const more = logOf(row);
      const { count } = more;
      addPacket(more, extra);
      must(more.count === count + 1);
      const last = packetsIn(storedForm(more)).at(-1)?.bytes ?? new Uint8Array();
      // One in the middle that cannot be unpacked ends the reading.
      if (found.length === count) must(Buffer.compare(last, extra.bytes) === 0);
    }
    expect(read).toBeGreaterThan(RUNS);
  });

  it(`${RUNS} mutated zones and differences: what is read is what was written, to the byte`, () => {
    const pick = random(SEED + 1);
    const zone = zoneFrom('t.test', readFileSync('test/fixtures/dns/edge.zone', 'utf8'));
    const records = [...zoneRecords(zone)].slice(0, 12);
    const whole = encodeRecords(records);
    const diff = encodeDiff({ removed: records.slice(0, 4), added: records.slice(4) });
    let read = 0;
    for (let run = 0; run < RUNS; run++) {
      const stored = mutate(whole, pick);
      const found = decodeRecords(stored);
      if (found.ok) must(Buffer.compare(encodeRecords(found.value), stored) === 0);
      else must(found.at <= stored.length);
      const storedDiff = mutate(diff, pick);
      const foundDiff = decodeDiff(storedDiff);
      if (foundDiff.ok) must(Buffer.compare(encodeDiff(foundDiff.value), storedDiff) === 0);
      else must(foundDiff.at <= storedDiff.length);
      read += Number(found.ok) + Number(foundDiff.ok);
    }
    expect(read).toBeGreaterThan(RUNS / 20);
  });

  it(`${RUNS} mutated sealed secrets do not open, unless nothing was changed`, () => {
    const pick = random(SEED + 2);
    const key = randomBytes(32);
    const box = createSecretBox(() => key);
    const sealed = Uint8Array.from(box.seal('correct horse', 'credentials lab-bmc'));
    for (let run = 0; run < RUNS; run++) {
      const stored = mutate(sealed, pick);
      const opened = taken(
        () => must(box.open(stored, 'credentials lab-bmc') === 'correct horse'),
        (error) => error instanceof AppError && error.code === 'SECRET_KEY_INVALID',
      );
      must(opened === (Buffer.compare(stored, sealed) === 0));
    }
  });
});

describe('what our daemons tell each other', () => {
  const row = ['db1', 7, null, Uint8Array.of(1, 2, 3)];
  const change = { table: 'machines', columns: ['a', 'b', 'c', 'd'], key: ['a'] };
  const standby = [
    ...tell([{ ...change, rows: [row], gone: [['db2']] }], 9),
    {
      kind: 'hello',
      protocol: 1,
      schema: 3,
      site: 'lab',
      member: 'a',
      epoch: 1,
      own: 1,
      active: true,
    },
    { kind: 'file', name: 'reveille.db', sizeBytes: 9, place: { run: 'r', seq: 1 } },
  ].map(bytesOf);
  const WHOLE_JOB = '00000000-0000-8000-a000-000000000000';
  const fleet = [
    { kind: 'result', intent: 'i1', status: 'done', result: { job: 'x' } },
    { kind: 'batch', from: 1, to: 2, events: [], machines: [] },
    { kind: 'welcome', cursor: 1, clock: 1_700_000_000_000, takes: ['jobs'], lacks: ['pools'] },
    { kind: 'whole', whole: 's', jobs: [{ id: WHOLE_JOB, gone: true }], done: ['jobs'] },
    { kind: 'refused', code: 'NO', detail: 'x' },
  ].map(bytesOf);

  it(`${DOCUMENTS} mutated messages of each kind are taken, or refused with a place`, () => {
    const pick = random(SEED + 3);
    // A refusal of ours, or JSON's; anything else is a fault.
    const foreseen = (error: Error) =>
      error instanceof SyntaxError || Object.getPrototypeOf(error) === Error.prototype;
    let count = 0;
    for (let run = 0; run < DOCUMENTS; run++) {
      const said = text(mutate(one(standby, pick), pick));
      const isTaken = taken(() => {
        const message = parseStandby(said);
        if (message.kind === 'rows') untold(message);
      }, foreseen);
      count += Number(isTaken);
      for (const schema of [fromAppliance, fromCentral]) {
        const told = text(mutate(one(fleet, pick), pick));
        count += Number(taken(() => parseMessage<typeof schema>(schema, told), foreseen));
      }
    }
    expect(count).toBeGreaterThan(0);
  });
});

describe('files that people bring', () => {
  it(`${RUNS} mutated zstd files: frames that lie in the file, or the offset of what is none`, () => {
    const pick = random(SEED + 4);
    const frame = zstdCompressSync(Buffer.from('reveille '.repeat(50)));
    const skippable = Buffer.from('502a4d1804000000deadbeef', 'hex');
    const good = Uint8Array.from(Buffer.concat([frame, skippable, frame]));
    let found = 0;
    for (let run = 0; run < RUNS; run++) {
      const file = mutate(good, pick);
      const read = (offset: number, count: number) => file.subarray(offset, offset + count);
      const isTaken = taken(
        () => {
          for (const { first, last } of findFrames({ sizeBytes: file.length, read })) {
            must(first < last && last < file.length);
          }
        },
        ({ message }) => /byte \d+/.test(message),
      );
      found += Number(isTaken);
    }
    expect(found).toBeGreaterThan(RUNS / 20);
  });

  it(`${DOCUMENTS} mutated flight records and cases are judged, or refused with the path that is wrong`, () => {
    const pick = random(SEED + 5);
    const files = readdirSync('test/fixtures/diagnoses').filter((name) => name.endsWith('.json'));
    const records = files.flatMap((name) => {
      const { flight, ...rest } = parseCase(
        JSON.parse(readFileSync(`test/fixtures/diagnoses/${name}`, 'utf8')),
      );
      if (!flight) return [];
      const short = { ...flight, entries: flight.entries.slice(0, 12) };
      return [bytesOf(short), bytesOf({ ...rest, flight: short })];
    });
    let judged = 0;
    for (let run = 0; run < DOCUMENTS; run++) {
      const record = text(mutate(one(records, pick), pick));
      const isTaken = taken(
        () => {
          const document = JSON.parse(record);
          const flight = isCase(document) ? parseCase(document).flight : parseFlight(document);
          if (flight) diagnose(flight, true);
        },
        (error) => error instanceof SyntaxError || error instanceof ZodError,
      );
      judged += Number(isTaken);
    }
    expect(judged).toBeGreaterThan(DOCUMENTS / 50);
  });
});
