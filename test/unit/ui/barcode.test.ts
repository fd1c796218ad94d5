/** Barcodes as phones see them: what another program has drawn is read, whatever the light; what is no barcode is not. */
import { describe, expect, it } from 'vitest';
import { readCode39 } from '../../../src/ui/barcode/code39.ts';
import { CODE_128_WIDTHS, readCode128 } from '../../../src/ui/barcode/code128.ts';
import { createJudge } from '../../../src/ui/barcode/detector.ts';
import { type Picture, readPicture } from '../../../src/ui/barcode/read-picture.ts';
import { runsOf } from '../../../src/ui/barcode/runs.ts';
import { bitsOf, type Look, lineOf, randomOf, ZINT_39, ZINT_128 } from '../../support/barcodes.ts';

const read128 = (bits: string, look: Look) => readCode128(runsOf(lineOf(bitsOf(bits), look)));
const read39 = (bits: string, look: Look) => readCode39(runsOf(lineOf(bitsOf(bits), look)));

describe('Code 128', () => {
  it.each(ZINT_128)('reads %s as zint has drawn it', (text, bits) => {
    for (const module of [1.6, 2, 2.7, 3, 5.3]) expect(read128(bits, { module })).toBe(text);
  });

  it.each<[string, Look]>([
    ['out of focus', { module: 3, blur: 3.5 }],
    ['in the dark, with grain', { module: 3, noise: 25, light: [0.5, 0.5], blur: 1 }],
    ['under a lamp at one side', { module: 2.5, light: [1.1, 0.35], blur: 1 }],
    ['printed with too much ink', { module: 3, ink: 0.35, blur: 1 }],
    ['printed with too little', { module: 3, ink: -0.3, blur: 1 }],
    ['cut close', { module: 3, quiet: 6 }],
  ])('reads a label that is %s', (_how, look) => {
    for (const [text, bits] of ZINT_128.slice(0, 6)) expect(read128(bits, look)).toBe(text);
  });

  it('does not read what its check sign denies', () => {
    const [, bits = ''] = ZINT_128[0] ?? [];
    const swapped = [...bitsOf(bits)];
    const [second, third] = [swapped.slice(11, 22), swapped.slice(22, 33)];
    swapped.splice(11, 22, ...third, ...second);
    expect(readCode128(runsOf(lineOf(swapped, { module: 3 })))).toBeUndefined();
  });

  it('has signs of eleven modules, each another one', () => {
    expect(new Set(CODE_128_WIDTHS).size).toBe(107);
    for (const widths of CODE_128_WIDTHS)
      expect([...widths].reduce((sum, width) => sum + Number(width), 0)).toBe(11);
  });
});

describe('Code 39', () => {
  it.each(ZINT_39)('reads %s as zint has drawn it', (text, bits) => {
    for (const module of [1.7, 2, 3, 4.6]) expect(read39(bits, { module })).toBe(text);
    expect(read39(bits, { module: 3, noise: 20, blur: 1.5, light: [0.5, 1] })).toBe(text);
  });
});

describe('what is no barcode', () => {
  it('is not read: noise, stripes and text', () => {
    const random = randomOf(7);
    for (let n = 0; n < 600; n++) {
      const runs = Array.from({ length: 160 }, () => 1 + Math.floor(random() * 4) * 2 + random());
      if (n % 3 === 0) runs[1 + 2 * Math.floor(random() * 40)] = 60;
      expect([readCode128(runs), readCode39(runs)]).toEqual([undefined, undefined]);
    }
  });

  it('is not read whatever the lengths are', () => {
    for (const runs of [[], [0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Array(200).fill(0)])
      expect([readCode128(runs), readCode39(runs)]).toEqual([undefined, undefined]);
    expect(runsOf([])).toEqual([0]);
    expect(runsOf([0, 0, 255, 255])).toHaveLength(3);
  });
});

/** The line over some rows in the middle of a grey picture. */
function pictureOf(line: Float32Array, { upright = false, backwards = false } = {}): Picture {
  const [along, across] = [line.length + 120, 200];
  const [width, height] = upright ? [across, along] : [along, across];
  const data = new Uint8ClampedArray(4 * width * height).fill(200);
  for (let at = 0; at < line.length; at++) {
    const value = line[backwards ? line.length - 1 - at : at] ?? 0;
    for (let row = 80; row < 125; row++) {
      const [x, y] = upright ? [row, 60 + at] : [60 + at, row];
      data.fill(value, 4 * (y * width + x), 4 * (y * width + x) + 3);
    }
  }
  return { width, height, data };
}

describe('a picture', () => {
  it('is read level and upright, forwards and upside down', () => {
    for (const [text, bits] of [...ZINT_128.slice(0, 3)]) {
      const line = lineOf(bitsOf(bits), { module: 3, blur: 1 });
      for (const upright of [false, true])
        for (const backwards of [false, true])
          expect(readPicture(pictureOf(line, { upright, backwards }))).toEqual({
            text,
            sure: true,
          });
    }
    const [, bits = ''] = ZINT_39[0] ?? [];
    const line = lineOf(bitsOf(bits), { module: 3 });
    expect(readPicture(pictureOf(line, { upright: true, backwards: true }))?.text).toBe('C0MPUT3');
    expect(readPicture({ width: 4, height: 4, data: new Uint8ClampedArray(64) })).toBeUndefined();
  });

  it('counts at once where a check sign confirms it, and else when the next one says the same', () => {
    const [checked, unchecked] = [ZINT_128[0]?.[1] ?? '', ZINT_39[0]?.[1] ?? ''].map((bits) =>
      pictureOf(lineOf(bitsOf(bits), { module: 3 })),
    ) as [Picture, Picture];
    const empty = { width: 40, height: 40, data: new Uint8ClampedArray(6400).fill(180) };
    expect(createJudge()(checked)).toBe('C0MPUT3');
    const judge = createJudge();
    const said = [unchecked, empty, unchecked, unchecked].map(judge);
    expect(said).toEqual([undefined, undefined, undefined, 'C0MPUT3']);
  });
});
