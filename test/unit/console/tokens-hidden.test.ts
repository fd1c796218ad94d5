/**
 * No reader of a recorded console sees a boot token that could be used, whatever a terminal's sequences have made of it; and text
 * that is none is left as it was printed.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ConsolePart, consoleText } from '../../../src/inventory/consoles.ts';
import { consoleEntries } from '../../../src/recorder/console-lines.ts';

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

  it('of the largest recording is read in no time, also where every byte moves the cursor', () => {
    const began = performance.now();
    for (const text of [`${ESC}[Hx`, '\rx', `${ESC}]`, '\r', `${ESC}[1;1`, '/boot/', 'a\n'])
      consoleText([part(text.repeat(Math.ceil(262_144 / text.length)))]);
    expect(performance.now() - began).toBeLessThan(5000);
  });
});
