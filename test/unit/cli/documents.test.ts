/** Every command line that a document shows, held against the program: its commands, and the options of the last one. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** `images add` -> the commands below it and its options, as the completion has them. */
function commandTree(): ReadonlyMap<string, readonly string[]> {
  const script = execFileSync(process.execPath, ['src/main.ts', 'completion'], {
    encoding: 'utf8',
  });
  const rows = [...script.matchAll(/^ {4}'([a-z -]*)'\) follow='([^']*)' ;;$/gm)];
  return new Map(rows.map(([, path = '', words = '']) => [path, words.split(' ')]));
}

const PAGES = [
  ...['README.md', 'CHANGELOG.md'],
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** Behind the name of the program: in code spans, and on lines of their own; without comments and what it is piped into. */
function shownIn(page: string): string[] {
  const text = readFileSync(page, 'utf8');
  const spans = [...text.matchAll(/`(?:bin\/)?reveille ([^`]+)`/g)];
  const lines = [...text.matchAll(/^(?: {4})?(?:bin\/)?reveille ([^\n]+)/gm)];
  return [...spans, ...lines].map(([, words = '']) => words.replace(/\s[#|]\s.*$/, ''));
}

/** @returns what is wrong with it; empty when nothing is */
function wrongWith(line: string, tree: ReadonlyMap<string, readonly string[]>): string {
  if (/^(…|--help|--version)$/.test(line)) return '';
  let path = '';
  for (const word of line.split(/\s+/)) {
    const next = path === '' ? word : `${path} ${word}`;
    if (tree.has(next)) {
      path = next;
      continue;
    }
    const below = (tree.get(path) ?? []).filter((one) => !one.startsWith('-'));
    // What comes behind `bmc HOST` are the words of ipmitool.
    const isCommand = /^[a-z][a-z-]*$/.test(word) && below.length > 0 && path !== 'bmc';
    if (isCommand || path === '') return `there is no command ${next}`;
    break;
  }
  const options = line.match(/(?<=\s)--[a-z][a-z-]*/g) ?? [];
  const unknown = options.filter((option) => !tree.get(path)?.includes(option));
  return unknown.length === 0 ? '' : `${path} has no ${unknown.join(', ')}`;
}

describe('what the documents tell people to type', () => {
  const tree = commandTree();

  it.each(PAGES)('is there: %s', (page) => {
    const wrong = shownIn(page).flatMap((line) => {
      const why = wrongWith(line, tree);
      return why === '' ? [] : [`${line}: ${why}`];
    });
    expect(wrong).toEqual([]);
  });

  it('is found, and what is wrong with it', () => {
    expect(PAGES.flatMap(shownIn).length).toBeGreaterThan(150);
    expect(wrongWith('machines juggle', tree)).toBe('there is no command machines juggle');
    expect(wrongWith('juggle', tree)).toBe('there is no command juggle');
    expect(wrongWith('machines list --colour', tree)).toBe('machines list has no --colour');
    expect(wrongWith('machines move available C0MPUT3 --why x', tree)).toBe('');
  });
});
