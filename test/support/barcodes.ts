/** Barcodes as a camera sees them: bars of an encoder that is not ours, drawn with the blur, noise, light and ink of the real thing. */

/** What zint 2.11.1 prints of these texts (`zint -b 20` and `-b 8`, `--dump`): modules as bits, in hexadecimal. */
export const ZINT_128: readonly (readonly [text: string, bits: string])[] = [
  ['C0MPUT3', 'D2 11 1A 76 5D 8E ED BB B7 16 5C C2 58 EB'],
  ['CN7016378700A4', 'D2 11 1A E3 5D EB 09 3B 23 47 94 D9 97 BA 8C 64 E8 F5 8E B'],
  ['CZJ84200KX', 'D2 11 1B B1 5B 8E 99 77 AD C6 CC BD D6 3B 8B 79 4C 75 8'],
  ['S/N CZJ84200KX', 'D2 1B A2 E6 5C 6D 99 11 BB 15 B8 E9 97 7A DC 6C CB DD 63 B8 B5 88 C7 58'],
  ['0123456789', 'D3 99 B3 B7 5D 88 59 B7 A1 A6 3A C'],
  ['1234567', 'D3 96 72 2C 71 6B DD DB A3 76 3A C'],
  [
    ' !"#$%&\'()*+,-./0a1b2c3d4e5f6g7h8i9j:;<=>?@',
    'D2 1B 33 36 66 69 31 23 22 64 C8 98 91 93 24 64 4C 49 67 26 E4 CE B9 93 B2 58 4E 69 0D 9C A1 66 5C 84 D9 3A ' +
      'C8 6E 4B 09 9D 26 87 6E 98 5D 32 1A 72 C8 65 C9 BB 27 34 E6 5B 63 63 63 68 ED 8E B',
  ],
  [
    'ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`klmnopqrstuvwxyz{|}~',
    'D2 14 62 2C 44 6B 11 1A 23 16 88 C5 18 8A DC 58 E8 DD 76 2E 34 76 EE DA 3B 17 6E 8D C5 BB BA C7 46 E2 DD A3 ' +
      'B1 71 AE F5 90 BC 55 30 A1 98 4B 28 7B AC 29 1E A9 E4 BC 93 D7 92 7A 4F 2F 49 E5 3C 96 DE DE DE DA BC 51 E8 ' +
      'BD 47 B1 D6',
  ],
  [
    Array.from({ length: 50 }, (_, n) => String(n).padStart(2, '0')).join(''),
    'D3 9B 33 36 66 69 31 23 22 64 C8 98 91 93 24 64 4C 49 67 26 E4 CE B9 93 B2 73 67 2C B9 93 B7 26 74 ED DD 33 ' +
      '96 72 6E C9 CD 39 96 D8 D8 D8 DA 8C 45 88 8D 62 23 44 62 D1 18 A3 11 5B 8B 1D 1B AE C5 C6 8E DD DB 47 62 8C ' +
      '75 8',
  ],
  [
    Array.from({ length: 50 }, (_, n) => String(50 + n)).join(''),
    'D3 98 BB 74 6E 2D DD D6 3A 37 16 ED 1D 8B 8D 77 AC 85 E2 A9 85 0C 96 12 1A 16 42 6B 21 61 26 84 C2 86 90 CB ' +
      '09 65 0F 75 85 23 D5 3C 97 92 7A F2 4F 49 E5 E9 3C A7 92 DB DB DB DB 57 8A 3D 17 AF 45 E2 F5 1E 8A EF 51 8C ' +
      '75 8',
  ],
];

export const ZINT_39: readonly (readonly [text: string, bits: string])[] = [
  ['C0MPUT3', '96 D6 D2 A9 B5 B5 2B 69 65 5A B6 5B 2A 96 D'],
  [
    'CN7016378700A4',
    '96 D6 D2 AB 4D 4B 6A 6D 69 5A CD 5B 2A A5 B6 96 A9 6D 4D AA 6D 6A 5A 9A D2 DA',
  ],
  [
    '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%',
    '96 D5 36 B4 AD 65 6D 95 53 5B 4D 56 6A A5 B6 96 AC B5 A9 6B 4B 6D 2A B2 DA CA B6 55 4D B5 35 69 AA CD 6A 9A ' +
      'D4 DB 52 AD 36 B4 AD A5 56 6D 59 5A CA B6 59 56 9A B6 6A A5 AD 96 A9 B5 4A DB 2B 53 5A 92 54 94 A5 25 49 29 6D',
  ],
];

export const bitsOf = (hex: string): readonly boolean[] =>
  [...hex.replaceAll(' ', '')].flatMap((digit) =>
    [8, 4, 2, 1].map((bit) => (Number.parseInt(digit, 16) & bit) !== 0),
  );

/** Numbers between 0 and 1 that are the same in every run. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Look {
  /** Pixels of a module. */
  readonly module: number;
  /** By how much of a module each bar is wider than it should be. */
  readonly ink?: number;
  /** Pixels over which an edge is smeared. */
  readonly blur?: number;
  /** Of 255. */
  readonly noise?: number;
  /** Of the left end and the right end, where paper is white at 1. */
  readonly light?: readonly [number, number];
  readonly quiet?: number;
  readonly random?: () => number;
}

const PAPER = 225;
const INK = 30;
const PARTS = 16;

/** One line across a barcode, in brightness. */
export function lineOf(bits: readonly boolean[], look: Look): Float32Array {
  const { module, ink = 0, blur = 0, noise = 0, light = [1, 1], quiet = 10 } = look;
  const { random = randomOf(1) } = look;
  const isDark = (x: number) => {
    const at = x / module - quiet;
    return (bits[Math.floor(at - ink / 2)] ?? false) || (bits[Math.floor(at + ink / 2)] ?? false);
  };
  const width = Math.ceil((bits.length + 2 * quiet) * module);
  return Float32Array.from({ length: width }, (_, x) => {
    let dark = 0;
    for (let part = 0; part < PARTS; part++)
      dark += isDark(x + (part / PARTS) * (1 + blur) - blur / 2) ? 1 : 0;
    const value = PAPER + ((INK - PAPER) * dark) / PARTS;
    const lit = light[0] + ((light[1] - light[0]) * x) / width;
    return Math.min(255, Math.max(0, value * lit + noise * (2 * random() - 1)));
  });
}
