import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DHCP_DROPS } from '../../../src/dhcp/server.ts';

it('docs/dhcp.md has every drop reason', () => {
  const section = readFileSync('docs/dhcp.md', 'utf8').split('## Every drop reason')[1] ?? '';
  const listed = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]);
  expect(listed).toEqual([...DHCP_DROPS]);
});
