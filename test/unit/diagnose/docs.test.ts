import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DIAGNOSES, RULES } from '../../../src/diagnose/table.ts';

const PAGE = 'docs/diagnoses.md';
const BEGIN = '<!-- the table -->';
const END = '<!-- end of the table -->';

/** The page's section of every diagnosis, as the table of rules has it. */
function rendered(): string {
  return DIAGNOSES.map((name) => {
    const rules = RULES.filter((rule) => rule.name === name);
    const [rule] = rules;
    if (!rule) throw new Error(name);
    const others = Object.entries(rule.not).map(([other, why]) => `- not \`${other}\`: ${why}`);
    const remedy = rule.remedy
      ? [
          `The next attempt by itself: another ${rule.remedy === 'blksize' ? 'block size' : rule.remedy}.`,
          '',
        ]
      : [];
    return [
      `### \`${name}\`: ${rule.title}`,
      '',
      rule.says,
      '',
      `**Next:** ${rule.next}`,
      '',
      ...remedy,
      `Confidence: ${[...new Set(rules.map(({ confidence }) => confidence))].join(', ')}.`,
      '',
      ...others,
    ].join('\n');
  }).join('\n\n');
}

describe('docs/diagnoses.md', () => {
  it('has every diagnosis in the words of the table', () => {
    const page = readFileSync(PAGE, 'utf8');
    const [head, rest = ''] = page.split(BEGIN);
    const [, tail = ''] = rest.split(END);
    const wanted = `${head}${BEGIN}\n\n${rendered()}\n\n${END}${tail}`;
    if (process.env.UPDATE_FIXTURES) writeFileSync(PAGE, wanted);
    expect(readFileSync(PAGE, 'utf8')).toBe(wanted);
  });
});

describe('the table', () => {
  it('has at least thirty diagnoses, each explained, with what to do and what it is not', () => {
    expect(DIAGNOSES.length).toBeGreaterThanOrEqual(30);
    for (const { name, title, says, next, not, waitMs } of RULES) {
      expect(name).toMatch(/^[a-z0-9-]+$/);
      expect(title.length, name).toBeGreaterThan(10);
      expect(says.length, name).toBeGreaterThan(40);
      expect(next.length, name).toBeGreaterThan(30);
      expect(Object.keys(not).length, name).toBeGreaterThan(0);
      for (const other of Object.keys(not))
        expect(DIAGNOSES, `${name}: not ${other}`).toContain(other);
      expect(waitMs, name).toBeLessThanOrEqual(90_000);
    }
  });
});
