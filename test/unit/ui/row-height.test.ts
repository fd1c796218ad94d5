/** Heights of the board's rows: room for all that a row says, known before it is drawn. */
import { describe, expect, it } from 'vitest';
import { LINES_MAX, linesOf, rowHeights } from '../../../src/ui/parts/row-height.ts';

describe('the lines of a text', () => {
  it.each<[string, number, number]>([
    ['', 10, 1],
    ['one two', 10, 1],
    ['one two', 7, 1],
    ['one two', 6, 2],
    ['one two three', 7, 2],
    ['abcdefghij', 10, 1],
    ['abcdefghijk', 10, 2],
    ['a abcdefghijabcdefghijk b', 10, 4],
  ])('of %j in lines of %i are %i', (text, lettersMax, lines) => {
    expect(linesOf(text, lettersMax)).toBe(lines);
  });

  it('end where nobody reads on', () => {
    expect(linesOf('word '.repeat(200), 20)).toBe(LINES_MAX);
  });
});

describe('the height of a row', () => {
  const trouble = {
    cause: 'No TFTP request within 20 s of the ACK: the firmware did not accept the boot file.',
    next: 'Check that the machine boots in the mode (BIOS or UEFI) that is meant, and that Secure Boot is off.',
  };

  it('grows with what is said, and as the screen gets narrower', () => {
    const phone = rowHeights({ kind: 'phone', widthRem: 22.5 });
    const larger = rowHeights({ kind: 'phone', widthRem: 26 });
    const desk = rowHeights({ kind: 'desk', widthRem: 80 });
    expect(phone(undefined)).toBe(5);
    expect(phone(trouble)).toBeGreaterThan(larger(trouble));
    expect(larger(trouble)).toBeGreaterThan(desk(trouble));
    expect(phone({ ...trouble, next: '' })).toBeLessThan(phone(trouble));
    expect(phone(trouble)).toBe(phone({ ...trouble }));
  });
});
