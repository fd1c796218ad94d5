/** What the pages tell people to type is there: every command, and every option of it. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

/** A command's words, and what may follow them: as the completion of shells knows it. */
const follow = new Map(
  [
    ...execFileSync('bin/reveille', ['completion', 'bash'], { encoding: 'utf8' }).matchAll(
      /^ {4}'([^']*)'\) follow='([^']*)'/gm,
    ),
  ].map(([, words = '', may = '']) => [words, new Set(may.split(' '))] as const),
);

interface Said {
  readonly page: string;
  readonly line: string;
}

/** In blocks and between backticks, up to what a shell does with it. */
function commandsOf(page: string): Said[] {
  const text = readFileSync(page, 'utf8').replace(/\\\n\s*/g, ' ');
  const lines = [
    ...text.matchAll(/`(reveille [^`\n]+)`/g),
    ...text.matchAll(/^\s*(?:[#$] )?(?:sudo )?(?:bin\/)?(reveille [a-z].*)$/gm),
  ];
  return lines.map(([, line = '']) => ({ page, line: line.split(/[|;&>]/)[0]?.trim() ?? '' }));
}

/** @returns what of it there is not */
function missingIn({ line }: Said): string[] {
  const words = line.split(/\s+/).slice(1);
  let command = '';
  for (let word = words.shift(); word; word = words.shift()) {
    const longer = command === '' ? word : `${command} ${word}`;
    if (!follow.has(longer)) {
      words.unshift(word);
      break;
    }
    command = longer;
  }
  const [next = ''] = words;
  if (command === '' && /^[a-z]/.test(next)) return [next];
  const options = words.flatMap((word) => /^\[?(--[a-z][a-z-]*)/.exec(word)?.[1] ?? []);
  return options.filter((option) => !follow.get(command)?.has(option) && option !== '--version');
}

const pages = ['README.md', ...readdirSync('docs').map((name) => join('docs', name))];

it.each(pages.filter((name) => name.endsWith('.md')))('%s', (page) => {
  for (const said of commandsOf(page)) expect(missingIn(said), said.line).toEqual([]);
});

it('are many', () => {
  expect(pages.filter((name) => name.endsWith('.md')).flatMap(commandsOf).length).toBeGreaterThan(
    200,
  );
  const page = 'docs/cli.md';
  expect(missingIn({ page, line: 'reveille machines list --no-such' })).toEqual(['--no-such']);
  expect(missingIn({ page, line: 'reveille no-such' })).toEqual(['no-such']);
});
