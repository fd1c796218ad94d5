import { describe, expect, it } from 'vitest';
import { md5Code } from '../../../src/ipmi/crypto.ts';
import {
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from '../../../src/ipmi/message.ts';
import { parseSettings } from '../../../src/ipmi/options.ts';
import { decodeRmcp } from '../../../src/ipmi/rmcp.ts';
import { Session, type SessionEvent } from '../../../src/ipmi/session.ts';
import { cipherSuite } from '../../../src/ipmi/suites.ts';
import { createReplay, GOLDEN_NAMES, golden, hex, must, unhex } from '../../support/ipmi-golden.ts';

describe('golden transcripts', () => {
  it('are all there', () => expect(GOLDEN_NAMES.length).toBe(30));

  it.each(GOLDEN_NAMES)('%s: each packet is verified, decrypted and written again', (name) => {
    const transcript = golden(name);
    const replay = createReplay(transcript);
    const messages: Uint8Array[] = [];
    const wrongPassword = name.includes('badpassword');
    for (const packet of transcript.packets) {
      const { original, again, message, codeVerified } = replay(packet);
      // The BMC computes RAKP 2 with the right password; the transcript has the wrong one.
      const isRakp2 = original.startsWith('0600ff070613');
      if (wrongPassword && isRakp2) expect(again).not.toBe(original);
      else expect(again).toBe(original);
      expect(codeVerified ?? true).toBe(true);
      if (message) messages.push(message);
    }
    expect(messages.map(hex)).toEqual(transcript.messages.map(({ raw }) => raw));
  });

  it.each(GOLDEN_NAMES)('%s: each message is decoded and written again', (name) => {
    const messages = golden(name).messages.filter((message) => message.name !== 'SOL');
    for (const { dir, raw, netfn, cmd, cc, data } of messages) {
      if (dir === 'console') {
        const request = must(decodeRequest(unhex(raw)));
        expect(request).toMatchObject({ netFn: netfn, command: cmd });
        expect(hex(request.data)).toBe(data);
        expect(hex(encodeRequest(request))).toBe(raw);
      } else {
        const response = must(decodeResponse(unhex(raw)));
        expect(response).toMatchObject({ netFn: netfn, command: cmd, completion: cc });
        expect(hex(response.data)).toBe(data);
        expect(hex(encodeResponse(response))).toBe(raw);
      }
    }
  });

  it('IPMI 1.5: every MD5 code is the one that the password gives', () => {
    const transcript = golden('ipmi15-md5-ipmisim-power');
    const password = new TextEncoder().encode(transcript.password);
    let checked = 0;
    for (const { hex: bytes } of transcript.packets) {
      const packet = must(decodeRmcp(unhex(bytes)));
      if (packet.kind !== 'lan15' || !packet.code) continue;
      expect(hex(md5Code(password, packet))).toBe(hex(packet.code));
      checked += 1;
    }
    expect(checked).toBe(16);
  });
});

/** Sessions that ipmitool opened: our state machine, given the same random numbers and the BMC's packets, opens them too. */
const OPENED = GOLDEN_NAMES.filter((name) =>
  /^suite(3|17)-.*-(power|kg|password20|sol|bootdev-.*-?efi)$/.test(name),
).filter((name) => !name.includes('pyghmi'));

describe('our session against the BMC of a transcript', () => {
  it.each(OPENED)('%s', (name) => {
    const transcript = golden(name);
    const randoms = [transcript.sidM ?? '', transcript.Rm ?? ''].map(unhex);
    const session = new Session(
      parseSettings({
        user: transcript.user ?? '',
        password: transcript.password,
        kg: transcript.kg ? unhex(transcript.kg) : undefined,
        privilege: 'administrator',
        suites: [name.startsWith('suite17') ? 17 : 3],
        quirks: ['open-highest'],
      }),
      (count) => randoms.shift() ?? new Uint8Array(count).fill(7),
    );
    const sent: Uint8Array[] = [];
    const events: SessionEvent[] = [];
    let step = session.start(0);
    for (const [index, packet] of transcript.packets.entries()) {
      sent.push(...step.send);
      events.push(...step.events);
      if (events.some(({ kind }) => kind === 'opened')) break;
      // Up to RAKP 3 we say what ipmitool said, byte for byte; after it only its sequence numbers and IVs differ.
      if (packet.dir === 'console' && index <= 6) {
        expect(hex(sent.at(-1) ?? new Uint8Array())).toBe(packet.hex);
      }
      step =
        packet.dir === 'bmc'
          ? session.onDatagram(unhex(packet.hex), index)
          : { ...step, send: [], events: [] };
    }
    expect(events).toMatchObject([
      { kind: 'opened', opened: { protection: name.startsWith('suite17') ? 17 : 3 } },
    ]);
  });

  const refused = (name: string, suite: number) => {
    const transcript = golden(name);
    const randoms = [transcript.sidM ?? 'a4a3a2a0', transcript.Rm ?? ''].map(unhex);
    const { user = 'admin', password } = transcript;
    const session = new Session(
      parseSettings({
        ...{ user, password, privilege: 'administrator' },
        ...{ suites: [suite], quirks: ['open-highest'] },
      }),
      (count) => randoms.shift() ?? new Uint8Array(count),
    );
    const steps = [session.start(0)];
    for (const { dir, hex: bytes } of transcript.packets) {
      if (dir === 'bmc') steps.push(session.onDatagram(unhex(bytes), 1));
    }
    return { session, steps, events: steps.flatMap(({ events }) => events) };
  };

  it.each([
    ['suite17-minibmc-badpassword', 17, 'BMC_PASSWORD'],
    ['suite3-ipmisim-badpassword', 3, 'BMC_PASSWORD'],
    ['suite17-minibmc-baduser', 17, 'BMC_USER'],
    ['suite3-ipmisim-baduser', 3, 'BMC_USER'],
    ['suite17-minibmc-operator-asks-admin', 17, 'BMC_PRIVILEGE'],
  ] as const)('%s ends with %s %s', (name, suite, code) => {
    expect(cipherSuite(suite)).toBeDefined();
    expect(refused(name, suite).events).toMatchObject([{ kind: 'failed', fault: { code } }]);
  });

  it('suite17-ipmisim-rejected names nobody, and ends when it has come again', () => {
    const { session, steps, events } = refused('suite17-ipmisim-rejected', 17);
    expect(events).toEqual([]);
    const again = session.onDeadline(steps.at(-1)?.wakeAtMs ?? 0);
    expect(hex(again.send[0] ?? new Uint8Array())).toMatch(/^0600ff070610/);
    const last = golden('suite17-ipmisim-rejected').packets.at(-1)?.hex ?? '';
    // The tag of the second handshake.
    session.onDatagram(unhex(last.replace(/0004$/, '0104')), again.wakeAtMs ?? 0);
    const end = session.onDeadline(again.wakeAtMs ?? 0);
    expect(end.events).toMatchObject([{ kind: 'failed', fault: { code: 'BMC_SUITE' } }]);
  });

  it('tells the BMC of a wrong password, so that it frees the slot', () => {
    const last = refused('suite17-minibmc-badpassword', 17)
      .steps.flatMap(({ send }) => send)
      .at(-1);
    const packet = must(decodeRmcp(last ?? new Uint8Array()));
    expect(packet).toMatchObject({ kind: 'rmcp+', payloadType: 0x14 });
    expect(packet.kind === 'rmcp+' && packet.payload[1]).toBe(0x0f);
  });
});
