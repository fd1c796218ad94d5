import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { TFTP_DROP_REASONS } from '../../../src/tftp/ports.ts';

it('docs/tftp.md has every drop reason', () => {
  const section = readFileSync('docs/tftp.md', 'utf8').split('## Every drop reason')[1] ?? '';
  const listed = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]);
  expect(listed).toEqual([...TFTP_DROP_REASONS]);
});
