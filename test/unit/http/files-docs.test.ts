import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { SHED_REASONS } from '../../../src/http/machine/connections.ts';
import { SEND_ENDS } from '../../../src/platform/file-sender.ts';

const page = readFileSync('docs/http-boot.md', 'utf8');

it('docs/http-boot.md has every reason why a connection is closed', () => {
  const section = page.split('| reason |')[1]?.split('\n\n')[0] ?? '';
  const listed = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]);
  expect(listed).toEqual([...SHED_REASONS]);
});

it('docs/http-boot.md has every end of a download', () => {
  const [row] = /^\| `reveille_http_downloads_total\{result\}`.*$/m.exec(page) ?? [];
  const named = [...(row ?? '').matchAll(/`([a-z-]+)`/g)].map((match) => match[1]);
  expect(named).toEqual([...SEND_ENDS]);
});
