/**
 * Mutates what real BMCs and consoles said, and feeds it through every decoder of `src/ipmi/`, through a session that is
 * opening or open, and through the simulated BMC. Nothing may throw, hang or grow, and no mutated packet of a signed
 * session may get through.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fruBytes, SDR_RECORDS } from '../../qemu-lab/fake-bmc-data.ts';
import { BmcCore } from '../../qemu-lab/fake-bmc-session.ts';
import { createState } from '../../qemu-lab/fake-bmc-state.ts';
import type { Command } from '../../src/ipmi/command.ts';
import { decodeBootFlags } from '../../src/ipmi/commands/boot-options.ts';
import { decodeFru } from '../../src/ipmi/fru-inventory.ts';
import { decodeRequest, decodeResponse } from '../../src/ipmi/message.ts';
import { parseSettings } from '../../src/ipmi/options.ts';
import {
  decodeOpenRequest,
  decodeOpenResponse,
  decodeRakp1,
  decodeRakp2,
  decodeRakpCode,
} from '../../src/ipmi/rakp.ts';
import { decodeRmcp } from '../../src/ipmi/rmcp.ts';
import { decodeSelRecord } from '../../src/ipmi/sel-log.ts';
import { decodeSdr, sensorValue } from '../../src/ipmi/sensor-record.ts';
import { Session } from '../../src/ipmi/session.ts';
import { decodeSol } from '../../src/ipmi/sol.ts';
import { decodeSuiteRecords } from '../../src/ipmi/suites.ts';
import { GOLDEN_NAMES, golden, unhex } from '../support/ipmi-golden.ts';
import { mutate, random } from '../support/mutate.ts';

const RUNS = Number(process.env.FUZZ_RUNS ?? 20_000);
const SEED = Number(process.env.FUZZ_SEED ?? 20_261_121);

const packets = GOLDEN_NAMES.flatMap((name) => golden(name).packets.map(({ hex }) => unhex(hex)));
const messages = GOLDEN_NAMES.flatMap((name) => golden(name).messages.map(({ raw }) => unhex(raw)));

/** Every command that there is, whichever file it is in. */
const commands = (
  await Promise.all(
    readdirSync('src/ipmi/commands').map((name) => {
      const file = join(import.meta.dirname, '../../src/ipmi/commands', name);
      return import(/* @vite-ignore */ file) as Promise<object>;
    }),
  )
).flatMap((module) => Object.values(module).filter(isCommand));

function isCommand(value: unknown): value is Command<never, unknown> {
  return typeof value === 'object' && value !== null && 'decode' in value && 'netFn' in value;
}

const one = <T>(list: readonly T[], pick: (below: number) => number): T => {
  const item = list[pick(list.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
};

describe('hostile BMCs', () => {
  it(`${RUNS} mutated datagrams and messages go through every decoder`, () => {
    const pick = random(SEED);
    let decodedCount = 0;
    for (let run = 0; run < RUNS; run++) {
      const bytes = mutate(one(packets, pick), pick);
      const packet = decodeRmcp(bytes);
      if (packet.ok) decodedCount += 1;
      else expect(packet.at).toBeLessThanOrEqual(bytes.length);
      const message = mutate(one(messages, pick), pick);
      for (const decode of [
        ...[decodeRequest, decodeResponse, decodeOpenRequest, decodeOpenResponse, decodeRakp1],
        ...[decodeRakp2, decodeRakpCode, decodeSelRecord, decodeSol],
      ]) {
        const value = decode(message);
        if (!value.ok) expect(value.at).toBeLessThanOrEqual(message.length);
      }
      decodeSuiteRecords(message);
      decodeBootFlags(message);
    }
    expect(decodedCount).toBeGreaterThan(RUNS / 20);
  });

  it(`${RUNS} mutated answers to each command`, () => {
    const pick = random(SEED + 4);
    expect(commands.length).toBeGreaterThan(30);
    for (let run = 0; run < RUNS; run++) {
      // What is behind the header of a message, and often something shorter than the command answers with.
      const data = mutate(one(messages, pick).slice(7), pick);
      for (const { decode } of commands) {
        const value = decode(data);
        if (!value.ok && value.at > data.length) expect(value.at).toBe(data.length);
      }
    }
  });

  it(`${RUNS} mutated sensor records and FRU inventories`, () => {
    const pick = random(SEED + 1);
    const fru = fruBytes({ serial: 'C0MPUT3' });
    let read = 0;
    for (let run = 0; run < RUNS; run++) {
      const record = decodeSdr(mutate(one(SDR_RECORDS, pick), pick));
      if (record.ok && record.value.kind === 'sensor' && record.value.conversion) {
        const value = sensorValue(record.value.conversion, pick(256));
        expect(value === undefined || Number.isFinite(value)).toBe(true);
        read += 1;
      }
      const inventory = decodeFru(mutate(fru, pick));
      if (inventory.ok) {
        // What reaches a terminal has no control characters.
        const parts = Object.values(inventory.value).flatMap((part) => Object.values(part));
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
        expect(parts.join('')).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
      }
    }
    expect(read).toBeGreaterThan(RUNS / 20);
  });

  it('no mutated packet opens or answers a session, and the real ones still do', () => {
    const pick = random(SEED + 2);
    const transcript = golden('suite17-minibmc-power');
    for (let run = 0; run < Math.min(RUNS, 2000); run++) {
      const randoms = [transcript.sidM ?? '', transcript.Rm ?? ''].map(unhex);
      const session = new Session(
        parseSettings({
          ...{ user: 'admin', password: transcript.password, privilege: 'administrator' },
          ...{ suites: [17], quirks: ['open-highest'] },
        }),
        (count) => randoms.shift() ?? new Uint8Array(count),
      );
      const kinds = session.start(0).events.map(({ kind }) => kind);
      for (const { dir, hex } of transcript.packets.slice(0, 10)) {
        if (dir !== 'bmc') continue;
        const real = unhex(hex);
        // A stranger cannot know the ids, so what he sends in a session is never believed.
        const inSession = real[4] === 6 && real[5] === 0xc0;
        const hostile = mutate(real, pick);
        // The four bytes of the RMCP header are not signed.
        if (inSession && Buffer.compare(hostile.subarray(4), real.subarray(4)) !== 0) {
          kinds.push(...session.onDatagram(hostile, 1).events.map(({ kind }) => kind));
          expect(kinds).toEqual([]);
        }
        kinds.push(...session.onDatagram(real, 1).events.map(({ kind }) => kind));
      }
      expect(kinds).toEqual(['opened']);
    }
  });

  it(`${RUNS} mutated datagrams leave the simulated BMC within its slots`, () => {
    const pick = random(SEED + 3);
    const state = createState({});
    const core = new BmcCore({
      ...{ state, suites: [0, 1, 2, 3, 15, 16, 17], kg: undefined },
      random: (count) => new Uint8Array(count).fill(7),
      onSol: () => undefined,
      onSolActive: () => undefined,
    });
    const source = { address: '127.0.0.1', port: 1 };
    for (let run = 0; run < RUNS; run++) {
      core.respond(mutate(one(packets, pick), pick), source, run * 10);
      expect(core.sessions).toBeLessThanOrEqual(state.knobs.sessionsMax);
    }
    // Without a password nothing is carried out.
    expect(state.carriedOut).toEqual([]);
  });
});
