import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configKeys } from '../../../src/config.ts';
import { ERRORS } from '../../../src/errors.ts';
import { EVENT_NAMES } from '../../../src/events.ts';
import { LIMITS } from '../../../src/limits.ts';

const sources = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((name) => /\.tsx?$/.test(name));
const text = (file: string) => readFileSync(file, 'utf8');
const imports = (file: string) =>
  [...text(file).matchAll(/from '([^']+)'|^import '([^']+)'/gm)].map(
    (match) => match[1] ?? match[2] ?? '',
  );
/** `src/dhcp/packet.ts` -> `dhcp`, `src/limits.ts` -> `limits`. */
const placeOf = (file: string) => file.split('/')[1]?.replace(/\.tsx?$/, '') ?? '';

/** Rows of the tables below a heading of a page, without their heads: the cells of each. */
function table(page: string, heading: string): string[][] {
  const section = text(page).split(`## ${heading}`)[1]?.split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line, n, lines) => line.startsWith('| ') && !lines[n + 1]?.startsWith('|---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}
const spans = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');

describe('what may import what', () => {
  const rows = new Map(
    table('ARCHITECTURE.md', 'What may import what').map(([folder, may]) => [
      spans(folder)[0] ?? '',
      may ?? '',
    ]),
  );
  const files = sources('src').filter(
    (file) => !['main', 'config', 'limits', 'errors', 'events'].includes(placeOf(file)),
  );

  it.each(files)('%s', (file) => {
    const place = placeOf(file);
    const row = rows.get(place);
    expect(row, `no row for ${place}`).toBeDefined();
    for (const name of imports(file).filter((name) => name.startsWith('.'))) {
      const target = placeOf(normalize(join(dirname(file), name)));
      if (target === place) continue;
      if (row?.startsWith('everything but')) expect(spans(row)).not.toContain(target);
      else expect(spans(row), `${file} imports ${target}`).toContain(target);
    }
  });
});

describe('files that import each other', () => {
  /** What a file needs to run: types are gone by then. */
  const needs = (file: string): string[] =>
    [...text(file).matchAll(/^(?:im|ex)port (?!type )([^;]*?)from '(\.[^']+)'/gm)]
      .filter(([, names = '']) => !/^\{(\s*type [^,}]+,?)+\s*\}/.test(names))
      .map(([, , name = '']) => normalize(join(dirname(file), name)));
  /** A way from a file back to itself, if there is one: each has `done` behind it when nothing leads back. */
  const circleFrom = (file: string, way: string[], done: Set<string>): string[] | undefined => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file) || !/\.tsx?$/.test(file)) return undefined;
    for (const needed of needs(file)) {
      const circle = circleFrom(needed, [...way, file], done);
      if (circle) return circle;
    }
    done.add(file);
    return undefined;
  };

  it.each(['src', 'qemu-lab', 'bench', 'test'])(
    'are none in %s: one of them is read first',
    (root) => {
      const done = new Set<string>();
      const circles = sources(root).map((file) => circleFrom(file, [], done));
      expect(circles.find((circle) => circle)?.join(' -> ')).toBeUndefined();
      expect(done.size).toBeGreaterThan(50);
    },
  );
});

describe('the core', () => {
  const core = sources('src').filter((file) =>
    [
      'wire',
      'dhcp',
      'tftp',
      'dns',
      'capture',
      'ipmi',
      'inventory',
      'boot',
      'install',
      'bmc',
      'jobs',
      'diagnose',
      'recorder',
      'provisioning',
      'standby',
    ].includes(placeOf(file)),
  );
  it.each(core)('%s does no input or output and reads no clock', (file) => {
    const pure = ['node:crypto', 'node:zlib'];
    expect(
      imports(file).filter((name) => name.startsWith('node:') && !pure.includes(name)),
    ).toEqual([]);
    expect(text(file)).not.toMatch(
      /Date\.now\(|new Date\(|performance\.now\(|process\.(?!versions)/,
    );
  });

  it('only transactions.ts opens transactions and savepoints over the stores, which keep in memory what they are to write', () => {
    const others: Record<string, string> = {
      'src/inventory/schema.ts': 'before there is a store',
      'src/inventory/feed-epoch.ts': 'before there is a store',
      'src/inventory/machines.ts': 'before leases and events are noted',
      'src/platform/restore.ts': 'while no daemon has the database open',
      'src/platform/scratch-copy.ts': 'into a database of its own',
      'src/standby/copy.ts': 'the copy, which has no store that writes',
      'src/daemon/standby-copy.ts': 'while no daemon has the database open',
    };
    const opens = sources('src').filter(
      (file) =>
        !file.startsWith('src/central/') &&
        /\bdb\s*\.transaction\(|['"`](BEGIN|SAVEPOINT)\b/.test(text(file)),
    );
    expect(opens.sort()).toEqual(['src/inventory/transactions.ts', ...Object.keys(others)].sort());
  });

  it('only the boot decision turns a state into what is booted', () => {
    const others = sources('src').filter(
      (file) => !/inventory\/states|boot\/(decide|next)|inventory\/ingest|\/ui\//.test(file),
    );
    for (const file of others)
      expect(text(file), file).not.toMatch(/=== '(in-use|available|installing|recycling|retired)'/);
  });
});

describe('files', () => {
  const files = ['src', 'qemu-lab', 'bench', 'test'].flatMap(sources);
  it.each(files.filter((file) => !file.endsWith('.generated.ts')))(
    '%s is at most 400 lines long',
    (file) => expect(text(file).split('\n').length).toBeLessThanOrEqual(401),
  );
  it('no test and no bench makes a temporary folder that nobody removes', () => {
    const makers = ['bench', 'test']
      .flatMap(sources)
      .filter((file) => /^import \{[^}]*\b(mkdtemp\w*|tmpdir)\b/m.test(text(file)));
    expect(makers, 'temporaryFolder is for that').toEqual([]);
  });
  it('sources begin with what they are', () => {
    for (const file of sources('src').filter((name) => !/vite\.config/.test(name))) {
      expect(/^(\/\*\*|import )/.test(text(file)) && text(file).includes('/**'), file).toBe(true);
    }
  });
});

describe('lists', () => {
  it('docs/events.md has every event', () =>
    expect(table('docs/events.md', 'Every event').map(([name]) => spans(name)[0])).toEqual([
      ...EVENT_NAMES,
    ]));
  it('docs/events.md has every field of each event', () => {
    const shapes = ['src/events.ts', ...sources('src/events')]
      .flatMap((file) => [...text(file).matchAll(/^ {2}'([a-z.-]+)': \{(.*?)\n? {0,2}\};$/gms)])
      .map(
        ([, name = '', body = '']) => [name, body.replace(/\/\*\*.*?\*\/|\{.*?\}/gs, '')] as const,
      );
    expect(shapes.length).toBeGreaterThan(100);
    const sections = text('docs/events.md').split('\n### ');
    for (const [name, body] of shapes) {
      const section = sections.find((one) => one.includes(`\n| \`${name}\` |`)) ?? '';
      // What all of a section have is said above its table.
      const said = section
        .split('\n')
        .filter((line) => !/^\| `/.test(line) || line.includes(`| \`${name}\` |`));
      const fields = [...body.matchAll(/(\w+)\??:/g)].map(([, field]) => field);
      expect(spans(said.join('\n')), name).toEqual(expect.arrayContaining(fields));
    }
  });
  it('docs/errors.md has every error with its status', () =>
    expect(
      table('docs/errors.md', 'Every error').map(([code, status]) => [
        spans(code)[0],
        Number(status),
      ]),
    ).toEqual(Object.entries(ERRORS).map(([code, { httpStatus }]) => [code, httpStatus])));
  it('docs/configuration.md has every key', () =>
    expect(table('docs/configuration.md', 'Every key').map(([key]) => spans(key)[0])).toEqual(
      configKeys(),
    ));
  it('the pages name every metric, and none that is not there', () => {
    const all = sources('src')
      .filter((file) => !file.startsWith('src/ui/'))
      .map(text);
    const cookies = ['reveille_fleet', 'reveille_session', 'reveille_sign_in'];
    const named = all.flatMap((code) =>
      [...code.matchAll(/'(reveille_\w+)'/g)].map(([, name = '']) => name),
    );
    // Those of a part are named by what is behind its prefix.
    const prefixed = all.flatMap((code) => {
      const prefix = /`(reveille_\w+_)\$\{name\}`/.exec(code)?.[1];
      const names = code.matchAll(/\b(?:gauge|labelled)\(\s*'(\w+)'/g);
      return prefix === undefined ? [] : [...names].map(([, name = '']) => [prefix, name] as const);
    });
    expect(prefixed.length).toBeGreaterThan(10);
    const metrics = [
      ...named.filter((name) => !cookies.includes(name)),
      ...prefixed.map((one) => one.join('')),
    ];
    const pages = [
      'README.md',
      ...readdirSync('docs')
        .filter((name) => name.endsWith('.md'))
        .map((name) => join('docs', name)),
    ]
      .map(text)
      .join('\n');
    const said = new Set(pages.match(/\breveille_\w+/g));
    // Of several with one prefix a page may name the others by their ends.
    const ends = pages.match(/(?<=`)_\w+/g) ?? [];
    for (const metric of prefixed.map((one) => one.join('')))
      if (ends.some((end) => metric.endsWith(end))) said.add(metric);
    expect([...said].sort()).toEqual([...new Set(metrics)].sort());
  });
  it('every limit has a unit or is a count, a positive value and a reason', () => {
    for (const [name, { value, why }] of Object.entries(LIMITS)) {
      expect(value, name).toBeGreaterThan(0);
      expect(why.length, name).toBeGreaterThan(20);
      expect(name).toMatch(/(Ms|Bytes|BytesMax|BytesMin|Max|PerSecond|PerBoot|Macs)$/);
    }
  });
  it('every limit and every error is used', () => {
    const all = sources('src')
      .filter((file) => !/src\/(limits|errors)\.ts/.test(file))
      .map(text)
      .join('\n');
    for (const name of Object.keys(LIMITS)) expect(all, name).toContain(`'${name}'`);
    for (const name of Object.keys(ERRORS)) expect(all, name).toContain(`'${name}'`);
  });
});

describe('decoders and parsers', () => {
  /** Those that need no run of their own, and why. */
  const ELSEWHERE: Readonly<Record<string, string>> = {
    decodeRdata: 'decodeMessage calls it for every record',
    parseInstallDetail: 'gives back what it is given',
    parseRecycleDetail: 'gives back what it is given',
  };
  it('of src are all fuzzed', () => {
    const fuzzed = sources('test/fuzz').map(text).join('\n');
    const found = sources('src').flatMap((file) =>
      [...text(file).matchAll(/^export function ((?:decode|parse)[A-Z]\w*)/gm)].map(
        ([, name]) => name ?? '',
      ),
    );
    expect(found.length).toBeGreaterThan(40);
    const missing = found.filter((name) => !new RegExp(`\\b${name}\\b`).test(fuzzed));
    expect(missing.sort()).toEqual(Object.keys(ELSEWHERE).sort());
  });
});

describe('the README', () => {
  it('names only commands and targets that exist', () => {
    const readme = text('README.md');
    const scripts = JSON.parse(text('package.json')).scripts as Record<string, string>;
    for (const [, name] of readme.matchAll(/npm run (?:-s )?([a-z0-9-]+)/g))
      expect(Object.keys(scripts)).toContain(name);
    for (const [, target] of readme.matchAll(/\bmake ([a-z-]+)/g))
      expect(text('Makefile')).toMatch(new RegExp(`^${target}:`, 'm'));
  });
});
