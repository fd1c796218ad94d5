import { createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fruBytes, SDR_RECORDS } from '../../../qemu-lab/fake-bmc-data.ts';
import { decodeBootFlags, encodeBootFlags } from '../../../src/ipmi/commands/boot-options.ts';
import { getChassisStatus } from '../../../src/ipmi/commands/chassis-status.ts';
import { getDeviceId, guidSpellings } from '../../../src/ipmi/commands/device-id.ts';
import { chassisIdentify } from '../../../src/ipmi/commands/identify.ts';
import { getUserAccess, setUserAccess, setUserPassword } from '../../../src/ipmi/commands/users.ts';
import { getWatchdog } from '../../../src/ipmi/commands/watchdog.ts';
import { decryptPayload, encryptPayload } from '../../../src/ipmi/crypto.ts';
import { decodeFru } from '../../../src/ipmi/fru-inventory.ts';
import { decodeRmcp, encodePing, encodePong } from '../../../src/ipmi/rmcp.ts';
import { decodeSelRecord } from '../../../src/ipmi/sel-log.ts';
import { decodeSdr, readFactors, sensorValue } from '../../../src/ipmi/sensor-record.ts';
import { unitName } from '../../../src/ipmi/sensor-tables.ts';
import { createCounter, createWindow } from '../../../src/ipmi/sequence.ts';
import { chooseSuites, decodeSuiteRecords } from '../../../src/ipmi/suites.ts';
import { readTextField } from '../../../src/ipmi/text-field.ts';
import { Reader } from '../../../src/wire/cursor.ts';
import { golden, hex, must, unhex } from '../../support/ipmi-golden.ts';

/** The data of a response in a golden transcript. */
const answer = (name: string, cmd: number, netfn: number) =>
  unhex(
    golden(name).messages.find(
      (each) => each.dir === 'bmc' && each.cmd === cmd && each.netfn === netfn,
    )?.data ?? '',
  );

describe('commands', () => {
  it('reads what ipmi_sim says of itself', () => {
    expect(must(getDeviceId.decode(answer('suite3-ipmisim-power', 1, 7)))).toMatchObject({
      ...{ deviceId: 0, firmware: '9.08', ipmiVersion: '2.0', manufacturerId: 4753 },
      productId: 3842,
    });
    expect(must(getChassisStatus.decode(answer('suite3-ipmisim-power', 1, 1))).powerOn).toBe(true);
  });

  it('reads BCD versions the way round that IPMI has them', () => {
    const old = must(getDeviceId.decode(unhex('200105125132a20200010100000000')));
    expect(old).toMatchObject({ firmware: '5.12', ipmiVersion: '1.5', manufacturerId: 674 });
  });

  it('takes a chassis status without its optional byte, and refuses a shorter one', () => {
    const status = must(getChassisStatus.decode(unhex('611060')));
    expect(status).toMatchObject({ powerOn: true, restorePolicy: 'unknown', identify: 'on' });
    expect(status.lastEvents).toEqual(['command']);
    expect(must(getChassisStatus.decode(unhex('000000'))).identify).toBeUndefined();
    expect(getChassisStatus.decode(unhex('6110'))).toMatchObject({ ok: false, code: 'too-short' });
  });

  it.each([
    [{ valid: true, persistent: false, uefi: true, device: 'pxe' }, 'a004000000'],
    [{ valid: true, persistent: true, uefi: true, device: 'pxe' }, 'e004000000'],
    [{ valid: true, persistent: false, uefi: false, device: 'pxe' }, '8004000000'],
    [{ valid: true, persistent: true, uefi: true, device: 'disk' }, 'e008000000'],
    [{ valid: true, persistent: false, uefi: true, device: 'bios' }, 'a018000000'],
    [{ valid: true, persistent: false, uefi: true, device: 'remote-primary' }, 'a024000000'],
    [{ valid: false, persistent: false, uefi: false, device: 'none' }, '0000000000'],
  ] as const)('boot flags %j are %s', (flags, bytes) => {
    expect(hex(encodeBootFlags(flags))).toBe(bytes);
    expect(decodeBootFlags(unhex(bytes))).toEqual(flags);
  });

  it('sets boot flags as ipmitool does', () => {
    const sent = golden('suite17-minibmc-bootdev-pxe-efi').messages.map(({ data }) => data);
    const flags = { valid: true, persistent: false, uefi: true, device: 'pxe' } as const;
    expect(sent).toContain(`05${hex(encodeBootFlags(flags))}`);
  });

  it('switches to the 20-byte form for a long password', () => {
    const set = (length: number) =>
      hex(
        setUserPassword.encode({
          ...{ operation: 'set', user: 3 },
          password: new TextEncoder().encode('x'.repeat(length)),
        }),
      );
    expect(set(4)).toBe(`0302${'78'.repeat(4)}${'00'.repeat(12)}`);
    expect(set(17)).toBe(`8302${'78'.repeat(17)}${'00'.repeat(3)}`);
    expect(hex(setUserPassword.encode({ operation: 'enable', user: 3 }))).toBe('0301');
  });

  it('reads and writes user access', () => {
    expect(must(getUserAccess.decode(unhex('0f430134')))).toEqual({
      ...{ usersMax: 15, usersEnabled: 3, fixedNames: 1, enabled: true, callbackOnly: false },
      ...{ link: true, messaging: true, privilege: 4 },
    });
    const access = { channel: 1, user: 3, messaging: true, link: false, privilege: 3 };
    expect(hex(setUserAccess.encode(access))).toBe('910303');
  });

  it('reads a watchdog, which counts in tenths of a second', () => {
    expect(must(getWatchdog.decode(unhex('44010000580258020a00')))).toEqual({
      ...{ running: true, use: 'sms-os', action: 'reset', initialMs: 60_000, presentMs: 60_000 },
    });
  });

  it('asks for identification by one byte where that is enough', () => {
    expect(hex(chassisIdentify.encode({ seconds: 0 }))).toBe('00');
    expect(hex(chassisIdentify.encode({ seconds: 400 }))).toBe('ff');
    expect(hex(chassisIdentify.encode({ seconds: 'forever' }))).toBe('0001');
  });

  it('spells a GUID in the three ways that vendors have', () => {
    expect(guidSpellings(unhex('33221100554477668899aabbccddeeff'))).toEqual([
      'ffeeddcc-bbaa-9988-6677-445500112233',
      '33221100-5544-7766-8899-aabbccddeeff',
      '00112233-4455-6677-8899-aabbccddeeff',
    ]);
  });
});

describe('cipher suites', () => {
  it('are read from records in pieces, OEM ones included', () => {
    // From minibmc: 0, 1, 2, 3, 15, 16, 17; then an OEM suite 0x80 of enterprise 0x000157.
    const records =
      'c000004080c001014080c002014180c003014181c00f034080c010034480c011034481c180570100014181';
    expect(decodeSuiteRecords(unhex(records))).toEqual([0, 1, 2, 3, 15, 16, 17, 0x80]);
    expect(decodeSuiteRecords(unhex('c0'))).toEqual([]);
  });

  it('are tried in our order; a list never adds a weak one', () => {
    expect(chooseSuites([17, 3], [0, 1, 2, 3])).toEqual([3, 17]);
    expect(chooseSuites([17, 3], [3, 17])).toEqual([17, 3]);
    expect(chooseSuites([17, 3], [])).toEqual([17, 3]);
  });
});

describe('encryption', () => {
  it('comes back for every length, and a changed length byte is found', () => {
    const key = createSecretKey(new Uint8Array(16).fill(1));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (plain) => {
        const sealed = encryptPayload(key, new Uint8Array(16).fill(9), plain);
        expect(sealed.length % 16).toBe(0);
        expect(hex(must(decryptPayload(key, sealed)))).toBe(hex(plain));
      }),
    );
    expect(decryptPayload(key, new Uint8Array(16)).ok).toBe(false);
    expect(decryptPayload(key, new Uint8Array(31)).ok).toBe(false);
  });
});

describe('sequence numbers', () => {
  it('count past the end without zero', () => {
    const next = createCounter(0xfffffffe);
    expect([next(), next(), next(), next()]).toEqual([0xfffffffe, 0xffffffff, 1, 2]);
  });

  it('are accepted once, in a window of 16 back and as far ahead as allowed', () => {
    const window = createWindow({ ahead: 15 });
    const accepts = [1, 3, 2, 2, 3, 0, 18, 19, 3, 2, 34, 18, 20, 50].map((n) => window.accept(n));
    expect(accepts).toEqual([
      ...[true, true, true, false, false, false, true, true, false, false],
      ...[true, false, true, false],
    ]);
  });

  it('wrap', () => {
    const window = createWindow({ ahead: 15 });
    expect([0xfffffffe, 2, 0xffffffff, 1].map((n) => window.accept(n))).toEqual(
      Array(4).fill(true),
    );
  });

  it('agree with a plain model', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 80 })), (numbers) => {
        const window = createWindow({ ahead: 15 });
        const seen = new Set<number>();
        let highest: number | undefined;
        for (const number of numbers) {
          const fits = highest === undefined || (number <= highest + 15 && number >= highest - 16);
          expect(window.accept(number)).toBe(fits && !seen.has(number));
          if (!fits) continue;
          seen.add(number);
          highest = Math.max(highest ?? 0, number);
        }
      }),
    );
  });
});

describe('sensors', () => {
  const sensors = SDR_RECORDS.map((bytes) => must(decodeSdr(bytes)));

  it('reads every kind of record', () => {
    expect(sensors.map(({ kind }) => kind)).toEqual([
      ...Array(9).fill('sensor'),
      'fru',
      'controller',
    ]);
    expect(sensors[0]).toMatchObject({ name: 'Inlet Temp', number: 1, unit: '°C', sensorType: 1 });
    expect(sensors[9]).toEqual({ kind: 'fru', id: 10, device: 0, name: 'Baseboard FRU' });
  });

  it('refuses a cut record', () => {
    const [first = new Uint8Array()] = SDR_RECORDS;
    for (let length = 0; length < first.length; length++) {
      expect(decodeSdr(first.subarray(0, length)).ok, String(length)).toBe(false);
    }
  });

  const conversion = (linearisation: number, factors: object, format = 'unsigned' as const) => ({
    ...{ format, linearisation },
    factors: { m: 1, b: 0, bExponent: 0, resultExponent: 0, ...factors },
  });
  it.each([
    ['linear', conversion(0, { m: 63, resultExponent: -3 }), 191, 12.033],
    ['with an offset', conversion(0, { m: 4, b: 5, bExponent: 1 }), 30, 170],
    ['natural logarithm', conversion(1, {}), 1, 0],
    ['decimal logarithm', conversion(2, {}), 100, 2],
    ['binary logarithm', conversion(3, {}), 128, 7],
    ['exponential', conversion(4, {}), 0, 1],
    ['ten to the', conversion(5, {}), 3, 1000],
    ['two to the', conversion(6, {}), 10, 1024],
    ['reciprocal', conversion(7, {}), 100, 0.01],
    ['square', conversion(8, {}), 12, 144],
    ['cube', conversion(9, {}), 5, 125],
    ['square root', conversion(10, {}), 81, 9],
    ['cube root', conversion(11, {}), 27, 3],
    ['no value', conversion(7, {}), 0, undefined],
    ["two's complement", conversion(0, {}, 'twos-complement' as 'unsigned'), 0xfb, -5],
    ["one's complement", conversion(0, {}, 'ones-complement' as 'unsigned'), 0xfa, -5],
  ] as const)('converts: %s', (_, how, raw, value) => {
    expect(sensorValue(how, raw)).toBe(value);
  });

  it('reads ten-bit factors and four-bit exponents with their signs', () => {
    expect(readFactors(unhex('ffc0008000ed'))).toEqual({
      ...{ m: -1, b: -512, bExponent: -3, resultExponent: -2 },
    });
  });

  it('names units with rates, ratios and percent', () => {
    expect(unitName([0, 1, 0])).toBe('°C');
    expect(unitName([0, 18, 0])).toBe('rpm');
    expect(unitName([0, 6, 0])).toBe('W');
    expect(unitName([1, 0, 0])).toBe('%');
    expect(unitName([0x18, 70, 0])).toMatch(/\/s$/);
    expect(unitName([0, 250, 0])).toBe('unit 250');
  });
});

describe('FRU inventories', () => {
  const good = fruBytes({ serial: 'C0MPUT3', asset: 'A-77' });

  it('are read', () => {
    expect(must(decodeFru(good))).toEqual({
      chassis: { partNumber: 'CH-100', serial: 'C0MPUT3C' },
      board: {
        ...{ manufacturer: 'Reveille Lab', product: 'Mainboard', serial: 'C0MPUT3B' },
        ...{ partNumber: 'MB-1', madeSeconds: Date.UTC(2024, 6, 8, 16) / 1000 },
      },
      product: {
        ...{ manufacturer: 'Reveille Lab', name: 'Virtual 1U', partNumber: 'PN-1' },
        ...{ version: '1.0', serial: 'C0MPUT3', assetTag: 'A-77' },
      },
      warnings: [],
    });
  });

  it('with a wrong checksum are read with a warning', () => {
    const bad = Uint8Array.from(good);
    bad[15] = (bad[15] ?? 0) ^ 1;
    const inventory = must(decodeFru(bad));
    expect(inventory.warnings).toEqual(['the checksum of the chassis area is wrong']);
    expect(inventory.product?.serial).toBe('C0MPUT3');
  });

  it('of nothing are refused', () => {
    expect(decodeFru(new Uint8Array(4))).toMatchObject({ code: 'too-short' });
    expect(decodeFru(new Uint8Array(64).fill(0xff))).toMatchObject({ code: 'not-a-fru' });
  });

  it.each([
    ['Latin-1', 'c3414243', 'ABC'],
    ['6-bit ASCII', '8329dca6', 'IPMI'],
    ['BCD plus', '4212ab', '12 -'],
    ['bytes', '02beef', 'beef'],
    ['padded', 'c541420020 20'.replaceAll(' ', ''), 'AB'],
    ['the end', 'c1', undefined],
  ])('text: %s', (_, bytes, text) => {
    expect(readTextField(new Reader(unhex(bytes)))).toBe(text);
  });
});

describe('event log records', () => {
  it('are read, with their time or the time since the start', () => {
    const record = unhex('0300028fee53652000040102015960 5f'.replaceAll(' ', ''));
    expect(must(decodeSelRecord(record))).toMatchObject({
      ...{ id: 3, seconds: 0x6553ee8f, sinceStart: false, asserted: true },
      ...{ sensor: 'Temperature #0x02', event: 'upper critical going high' },
    });
    const early = Uint8Array.from(record);
    early.set([0x10, 0, 0, 0], 3);
    expect(must(decodeSelRecord(early))).toMatchObject({ seconds: 16, sinceStart: true });
  });

  it('of vendors are kept as bytes', () => {
    const timed = must(decodeSelRecord(unhex('0400c08fee5365570100aabbccddeeff')));
    expect(timed).toMatchObject({ sensor: 'OEM record 0xc0', seconds: 0x6553ee8f });
    expect(timed.event).toBe('570100aabbccddeeff');
    expect(
      must(decodeSelRecord(unhex('0500f0112233445566778899aabbccdd'))).seconds,
    ).toBeUndefined();
    expect(decodeSelRecord(unhex('0500'))).toMatchObject({ ok: false });
  });
});

describe('RMCP', () => {
  it('ping and pong', () => {
    expect(must(decodeRmcp(encodePing(7)))).toEqual({ kind: 'ping', tag: 7 });
    expect(must(decodeRmcp(encodePong(7)))).toEqual({ kind: 'pong', tag: 7, ipmi: true });
  });

  it.each([
    ['too-short', '0600ff'],
    ['not-rmcp', '0500ff07'],
    ['ack', '0600ff87'],
    ['unknown-class', '0600ff08'],
    ['not-asf', '0600ff06000011bf80000000'],
    ['bad-auth-type', '0600ff0701'],
    ['too-short', '0600ff0706000000000000000000ff00'],
    ['bad-length', '0600ff07060000000000000000000000aa'],
    ['bad-length', '0600ff0700000000000000000000aabb'],
    ['too-long', '06'.repeat(1501)],
  ])('refuses: %s', (code, bytes) => {
    expect(decodeRmcp(unhex(bytes))).toMatchObject({ ok: false, code });
  });
});
