/**
 * Links lead somewhere: those of the pages to each other, to places within a page and to files of the repository, and the pages that
 * sources name, where somebody who reads an error or a comment is sent to.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const below = (root: string, names: RegExp): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((name) => names.test(name));
const ROOT_PAGES = ['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md'];
const PAGES = [...ROOT_PAGES, ...below('docs', /\.md$/), ...below('test', /\.md$/)];
const SOURCES = [
  ...['Makefile', 'package.json', 'vitest.config.ts', ...below('packaging', /\.(service|yaml)$/)],
  ...[
    'src',
    'bench',
    'qemu-lab',
    'test',
    'tools',
    'pxeimage',
    'ipxe-scripts',
    'grub-scripts',
  ].flatMap((root) => below(root, /\.(tsx?|sh|ipxe|cfg|html|service)$|\/init$/)),
];
const text = (file: string) => readFileSync(file, 'utf8');

/** What is shown as it is, in blocks and between backticks, is no link. */
const withoutCode = (page: string) =>
  page
    .replace(/^```.*?^```$/gms, '')
    .replace(/^(?: {4}|\t).*$/gm, '')
    .replace(/`[^`\n]*`/g, '');

/** A heading's anchor, as GitHub makes it: letters, digits, `-` and `_`; of several that are alike the later have a number. */
function anchorsOf(page: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const [, heading = ''] of page.replace(/^```.*?^```$/gms, '').matchAll(/^#+ +(.*)$/gm)) {
    const bare = heading
      .trim()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase();
    const slug = bare.replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
    let anchor = slug;
    for (let number = 1; found.has(anchor); number++) anchor = `${slug}-${number}`;
    found.add(anchor);
  }
  return found;
}

/** @returns why a link leads nowhere */
function fault(from: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? from : normalize(join(dirname(from), path));
  if (!existsSync(file)) return `${from}: ${target}: there is no ${file}`;
  if (anchor === undefined || !file.endsWith('.md')) return undefined;
  return anchorsOf(text(file)).has(anchor) ? undefined : `${from}: ${target}: no such heading`;
}

const linksOf = (page: string): string[] =>
  [...withoutCode(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);

describe('links', () => {
  it.each(PAGES)('%s', (page) =>
    expect(linksOf(text(page)).flatMap((target) => fault(page, target) ?? [])).toEqual([]),
  );

  it('pages that sources name are there', () => {
    const named = SOURCES.flatMap((file) =>
      [...text(file).matchAll(/(?<![\w/.-])(docs\/[\w-]+\.md(?:#[\w-]+)?)/g)].map(
        ([, target = '']) => [file, target] as const,
      ),
    );
    expect(named.length).toBeGreaterThan(50);
    expect(
      named.flatMap(([file, target]) => {
        const why = fault('README.md', target);
        return why === undefined ? [] : `${file}: ${why}`;
      }),
    ).toEqual([]);
  });

  it('are found where they lead nowhere', () => {
    expect(linksOf('a [b](c.md#d) ![e](f.png) `[g](h.md)`\n\n    [i](j.md)\n')).toEqual([
      'c.md#d',
      'f.png',
    ]);
    expect(fault('docs/dns.md', 'nowhere.md')).toMatch(/there is no .*nowhere/);
    expect(fault('docs/dns.md', 'dhcp.md#nowhere')).toContain('no such heading');
    expect(fault('docs/dns.md', 'https://example.org/x#y')).toBeUndefined();
    const page = '# A `b-c` d\n\n## Why: x, y\n\n## Why: x, y\n';
    expect([...anchorsOf(page)]).toEqual(['a-b-c-d', 'why-x-y', 'why-x-y-1']);
  });
});
