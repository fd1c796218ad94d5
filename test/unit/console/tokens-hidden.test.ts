/**
 * No reader of a recorded console sees a boot token that could be used, whatever a terminal's sequences have made of it; and text
 * that is none is left as it was printed.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { consoleBits } from '../../../src/inventory/console-bits.ts';
import { ConsoleScreen } from '../../../src/inventory/console-screen.ts';
import {
  type ConsolePart,
  type ConsoleRecording,
  consoleText,
  readConsole,
} from '../../../src/inventory/consoles.ts';
import { limit } from '../../../src/limits.ts';
import { consoleEntries, createConsoleLines } from '../../../src/recorder/console-lines.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { spentMs } from '../../support/spent.ts';

const TOKEN = 'C9NH9JCswavUC6rLpy5bDtwECTse3HPn';
const ESC = '\u001b';
const ESCAPES = new RegExp(
  `(?:${ESC}\\[|\\u009b)[0-?]*[ -/]*[@-~]|${ESC}\\][^\\u0007${ESC}]*(?:\\u0007|${ESC}\\\\)|${ESC}[ -/]*[0-~]|\\p{Cc}`,
  'gu',
);

const part = (text: string, atByte = 0): ConsolePart => ({
  ...{ atByte, at: 5 },
  bytes: new Uint8Array(Buffer.from(text)),
});
const shown = (...texts: readonly string[]): string[] => {
  let at = 0;
  const parts = texts.map((text) => {
    const one = part(text, at);
    at += one.bytes.length;
    return one;
  });
  const lines = consoleEntries(parts, 1).map(({ text }) => text);
  return [consoleText(parts), lines.join('')].map((text) => text.replace(ESCAPES, ''));
};
/** As many of a token's letters as nobody is to see in one place. */
const pieces = (token: string, length: number): string[] =>
  Array.from({ length: token.length - length + 1 }, (_, at) => token.slice(at, at + length));
function expectHidden(texts: readonly string[], { token = TOKEN, length = 8 } = {}): void {
  for (const text of shown(...texts))
    for (const piece of pieces(token, length)) expect(text).not.toContain(piece);
}
const split = (between: string, at = 9): string => TOKEN.slice(0, at) + between + TOKEN.slice(at);

/** What a terminal does not show, or shows by going somewhere else. */
const BETWEEN = [
  ...['\r\n', '\n', '\r', '\r\r\n', '\0', `${ESC}[0m`, `${ESC}[25;1H`, `${ESC}[6;1f`, `${ESC}[1C`],
  ...[`${ESC}[K`, `${ESC}[1;37;44m${ESC}[12;01H`, `${ESC}7${ESC}8`, `${ESC}(B`, `${ESC}E`],
  ...['\u009b5;1H', `${ESC}]0;a title\u0007`, `${ESC}]2;x${ESC}\\`, '\u0007', `${ESC}[?25l`],
];

describe('a token in a recorded console', () => {
  it.each(BETWEEN)('is hidden where %j breaks it', (between) => {
    for (const before of ['http://10.77.0.1:8080/boot/', 'NBP file: boot/', 'x reveille.token='])
      expectHidden([`${before}${split(between)}/vmlinuz ok\r\n`]);
    const whole = `http://a/bo${between}ot/${split(between, 20)}${between}next line`;
    expectHidden([whole]);
    expect(shown(whole)[0]).toMatch(/^http:\/\/a\/boot\/….*next line$/);
  });

  it('is hidden where an eight-bit control sequence breaks it', () => {
    const bytes = Buffer.from(`http://a/boot/${split('\u009b5;1H')}/x`, 'latin1');
    expect(consoleText([{ atByte: 0, bytes }])).toBe('http://a/boot/…/x');
  });

  it('is hidden where two parts hold it, at each byte', () => {
    const line = `iPXE http://a/boot/${split(`${ESC}[3;1H`)}/script.ipxe... ok\r\n`;
    for (let at = 1; at < line.length; at++) {
      expectHidden([line.slice(0, at), line.slice(at)]);
      expect(shown(line.slice(0, at), line.slice(at))).toEqual([
        'iPXE http://a/boot/…/script.ipxe... ok',
        'iPXE http://a/boot/…/script.ipxe... ok',
      ]);
    }
  });

  it('is hidden where a line is begun anew before it is whole', () => {
    const url = `http://a/boot/${TOKEN}/script.ipxe`;
    const steps = Array.from({ length: url.length }, (_, at) => `\r${url.slice(0, at + 1)}`);
    expectHidden([steps.join('')]);
    expectHidden([`${url.slice(0, 40)}\r${url.slice(0, 41)}\r\nthe kernel died\r\n`]);
  });

  it('is hidden where a clock is painted between its letters', () => {
    const cells = `http://a/boot/${TOKEN}/x`
      .match(/.{1,6}/g)
      ?.map((letters, at) => `${ESC}[10;${at * 6 + 1}H${letters}${ESC}[1;70H12:0${at % 10}`);
    expectHidden([`${ESC}[2J${cells?.join('')}`], { length: 4 });
  });

  it('is hidden where cells that were the same before are not painted again', () => {
    const before = `${ESC}[5;1Hhttp://a/boot/????9????????????????????????????/x`;
    const after = [...TOKEN].map((letter, at) =>
      letter === '9' && at === 1 ? '' : `${ESC}[5;${15 + at}H${letter}`,
    );
    expectHidden([`${before}${ESC}[5;16H9${ESC}[1;1H${after.join('')}${ESC}[9;1H`], { length: 4 });
  });

  it('is hidden where a letter is printed again at the beginning of the next line', () => {
    const text = `http://a/boot/${TOKEN.slice(0, 9)}${ESC}[6;1H${TOKEN.slice(8)}/x`;
    expectHidden([text]);
    expectHidden([`http://a/boot/${TOKEN.slice(0, 9)}\b${TOKEN.slice(8)}/x`], { length: 9 });
  });

  it('is hidden in a title, and where it is seen again without its path', () => {
    expectHidden([`${ESC}]0;http://a/boot/${TOKEN}/x\u0007ok http://a/boot/${TOKEN}/x`]);
    expectHidden([`/boot/${TOKEN}/x\r\n...${TOKEN.slice(11)}/initrd.img\r\n`]);
  });

  it('is hidden as far as it can be guessed from, where the rest was not kept or not heard', () => {
    for (let at = 8; at < 32; at++) {
      expectHidden([`http://a/boot/${TOKEN.slice(0, at)}`]);
      const [head, rest] = [`http://a/boot/${TOKEN.slice(0, at)}`, `${TOKEN.slice(at)}/x\r\n`];
      const parts = [part(head), part(rest.slice(1), head.length + 1)];
      const text = consoleText(parts);
      expect(text).toContain('[… 1 bytes were not kept …]');
      for (const piece of pieces(TOKEN, 17)) expect(text).not.toContain(piece);
    }
  });

  it('is hidden whatever breaks it, wherever', () => {
    const letter = fc.constantFrom(
      ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_',
    );
    const token = fc.string({ unit: letter, minLength: 32, maxLength: 32 });
    const breaks = fc.array(fc.tuple(fc.nat(31), fc.constantFrom(...BETWEEN.slice(0, 14))), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(token, breaks, fc.nat(200), (secret, places, cut) => {
        const letters = [...secret];
        for (const [at, between] of places) letters[at] = between + letters[at];
        const text = `SeaBIOS\r\nhttp://10.77.0.1/recon/${letters.join('')}\r\nok\r\n`;
        expectHidden([text.slice(0, cut), text.slice(cut)], { token: secret });
      }),
    );
  });
});

describe('plain text of a console', () => {
  it.each([
    'Kernel command line: root=/dev/sda1 BOOT_IMAGE=/boot/vmlinuz-6.1.0-28-amd64 quiet\r\n',
    '# ls /boot/\r\nSystem.map-6.1.0-28-amd64\r\nconfig-6.1.0-28-amd64\r\ngrub\r\n# ',
    '/boot/efi/EFI/debian/shimx64.efi\r\n/agent/recon-nics.sh: done\r\n/images/list',
    `${ESC}[2J${ESC}[1;1HPowerEdge R640${ESC}[2;1HBIOS Version 2.10.2\r\n\r\n F2 = System Setup`,
    'Loading initial ramdisk ...\r 10%\r 20%\r100%\r\n',
    '--------------------------------------------------------------------------------\r\n',
    `${ESC}[0;32m  OK  ${ESC}[0m] Mounted /boot/efi - EFI System Partition of ThisMachine_01.\r\n`,
    '\u2502 caf\u00e9 \u2502 /metadata/ is where cloud-init looks \u2502\r\n',
  ])('is left as it is: %j', (text) => expect(consoleText([part(text)])).toBe(text));

  it('is left as it is, whatever it is, where nothing in it leads to a token', () => {
    const piece = fc.oneof(fc.string({ maxLength: 30 }), fc.constantFrom(...BETWEEN));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (texts) => {
        const text = `.${texts.join('')}`.toWellFormed();
        expect(consoleText([part(text)])).toBe(text);
      }),
    );
  });

  it('of a folder is left as it is where the name of a file has as many letters as a token', () => {
    const text = 'BOOT_IMAGE=/vmlinuz initrd=/boot/initrd-MyCompanyServerImage2024x.img quiet\r\n';
    expect(consoleText([part(text)])).toBe(text);
  });
});

describe('a recording that is as long as is kept', () => {
  const MIX = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa';
  const tokens = Array.from({ length: 16 }, (_, at) => `${MIX.slice(at + 1)}B${MIX.slice(0, at)}`);
  const ring = 'abcdEfghi'.repeat(4).slice(0, 32);
  const paths = 'boot/'.repeat(45);
  const full = (text: string, head = ''): string =>
    head + text.repeat(Math.ceil((262_144 - head.length) / text.length));

  it.each<readonly [text: string, head?: string]>([
    ...([
      [`${ESC}[Hx`],
      ['\rx'],
      [`${ESC}]`],
      ['\r'],
      [`${ESC}[1;1`],
      ['/boot/'],
      ['a\n'],
    ] as const),
    ['a', tokens.map((token) => `/boot/${token}/x\r\n`).join('')],
    ['abcdEfghi', `/boot/${ring}/x\r\n`],
    ['b\b', `${paths}\r\n${paths}\r\n${paths}${ESC}[2;3H`],
    ['x\b'],
    ['/\b'],
    ['/x\r\n\r', `${ESC}[5;5H`],
    [`${ESC}[2J/x`, `${ESC}[100;1H`],
    [`${ESC}[J/\b`, `${ESC}[100;1H`],
    [`${ESC}[1K`, `${'x/'.repeat(200)}${ESC}[5D`],
    [`/\v${ESC}D`],
    [`/boot/${TOKEN}${ESC}[3D`],
  ])('is read in no time: %j', (text = '', head = '') => {
    const recording = full(text, head);
    // Generous. What grew with the square took seconds.
    expect(spentMs(() => consoleText([part(recording)]))).toBeLessThan(2000);
  });

  it('has its screen looked at so many times, and hides what is painted after that', () => {
    const painted = `${paths}\r\n${paths}${ESC}[2;3H`;
    const looks = (text: string): number => {
      let count = 0;
      const look = (): void => {
        count += 1;
      };
      new ConsoleScreen({ look, unseen: () => undefined }).paint(consoleBits(text));
      return count;
    };
    expect(looks(full('b\b', painted))).toBeLessThanOrEqual(limit('consoleLooksMax') + 100);
    expect(looks(full('x\b'))).toBe(0);
    expect(looks(full('http://a/boot/x ok\r\n', '\r 1%\r 2%\r\n'))).toBeLessThan(4);
    const cells = [...`http://a/boot/${TOKEN}/x`].map(
      (letter, at) => `${ESC}[10;${at + 1}H${letter}${ESC}[1;70H1`,
    );
    const text = `${ESC}[5;1HBIOS\r\n${painted}${'b\b'.repeat(9000)}${cells.join('')}\r\nok\r\n`;
    expectHidden([text], { length: 4 });
    expect(shown(text)[0]).toMatch(/BIOS/);
  });
});

describe('any recording', () => {
  it.each([
    [`x${ESC}[999C${ESC}[1K`],
    [`${'x'.repeat(256)}${ESC}[1K`],
    [`${'x'.repeat(300)}${ESC}[1J`],
    [`${'x'.repeat(300)}${ESC}[J${ESC}[K${ESC}[2K`],
    [`x${ESC}[99999999999999999999Cx${ESC}[99999999999999999999;99999999999999999999Hx${ESC}[1J`],
  ])('is read, wherever the cursor is sent: %j', (text) => {
    expect(consoleText([part(text)])).toBe(text);
  });

  it('is read, whatever it is', () => {
    const number = fc.oneof(fc.nat(300), fc.nat(2_000_000_000).map(String), fc.constant(''));
    const sequence = fc
      .tuple(
        fc.constantFrom(`${ESC}[`, '\u009b', ESC),
        fc.array(number, { maxLength: 3 }),
        fc.constantFrom(...'ABCDEFGHJKdfsu`mhl78MEDc'),
      )
      .map(([begin, numbers, final]) => begin + numbers.join(';') + final);
    const piece = fc.oneof(
      sequence,
      sequence,
      fc.constantFrom(
        '\r',
        '\b',
        '\t',
        '\n',
        '\r\n',
        '/boot/',
        TOKEN,
        '\u2502',
        `${ESC}]0;x\u0007`,
      ),
      fc.nat(300).map((length) => 'x'.repeat(length)),
      fc.string({ unit: 'binary', maxLength: 20 }),
    );
    const texts = fc.array(piece, { maxLength: 60 }).map((pieces) => Buffer.from(pieces.join('')));
    const bytes = fc.uint8Array({ maxLength: 400 });
    fc.assert(
      fc.property(fc.oneof(texts, bytes), (heard) => {
        const parts = [{ atByte: 0, bytes: heard }];
        const { kept, hidden } = readConsole(parts);
        expect(hidden.length).toBe(kept.length);
        consoleText(parts);
        consoleEntries(parts, 1);
      }),
      { numRuns: 2000 },
    );
  });
});

it('is read once for the flight records that show it, until it grows', () => {
  const reads: number[] = [];
  const read = createConsoleLines((number) => {
    reads.push(number);
    return [part(`line of ${number}\r\n`)];
  });
  const lines = (one: ConsoleRecording, now = 0, lateMs = 0) => read(one, now, lateMs);
  const recording = (number: number, heardBytes: number): ConsoleRecording => ({
    ...{ number, heardBytes, keptBytes: heardBytes, hardwarename: 'M1' as Hardwarename, boot: '' },
    ...{ why: 'boot', startedAt: 1, lastAt: 1, endedAt: 0, ended: '' },
  });
  expect(lines(recording(1, 9))).toEqual([{ kind: 'console', at: 5, text: 'line of 1' }]);
  expect(lines(recording(1, 9))).toEqual([{ kind: 'console', at: 5, text: 'line of 1' }]);
  lines(recording(1, 10));
  expect(reads).toEqual([1, 1]);
  lines({ ...recording(1, 10), startedAt: 2 });
  expect(reads).toEqual([1, 1, 1]);
  for (let number = 2; number < 2 + limit('consoleLinesKeptMax'); number++)
    lines(recording(number, 9));
  const before = reads.length;
  lines(recording(3, 9));
  expect(reads.length).toBe(before);
  lines(recording(1, 10));
  expect(reads.length).toBe(before + 1);
  // Who looks again and again is content with what was read a moment ago, of the same recording.
  lines(recording(1, 11), 4999, 5000);
  expect(reads.length).toBe(before + 1);
  lines({ ...recording(1, 11), startedAt: 3 }, 4999, 5000);
  lines({ ...recording(1, 12), startedAt: 3 }, 9999, 5000);
  expect(reads.length).toBe(before + 3);
  // The clock was set back.
  lines({ ...recording(1, 13), startedAt: 3 }, 9, 5000);
  expect(reads.length).toBe(before + 4);
});
