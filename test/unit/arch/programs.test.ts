/**
 * That a machine on which only the Makefile has installed something has every foreign program that is started here: one that happens
 * to be on the machine of whoever wrote it is missed on a new one, by somebody else.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { missingFiles, requireBuilt } from '../../../bench/support/built.ts';
import { find, type Needed, PACKAGES } from '../../../bench/support/programs.ts';
import { missingPrerequisites, TOOLS } from '../../../qemu-lab/prerequisites.ts';
import { SCENARIOS } from '../../../qemu-lab/scenarios/index.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const makefile = readFileSync('Makefile', 'utf8');
const listed = (name: string): string[] =>
  new RegExp(`^${name}_PACKAGES := (.*)$`, 'm').exec(makefile)?.[1]?.split(' ') ?? [];
const LAB = listed('LAB');
const TEST = [...LAB, ...listed('TEST')];
const BENCH = [...LAB, ...listed('BENCH')];

/** Of packages that are on every Debian (`Essential: yes`), and our own of node_modules. */
const ALWAYS = [
  ...[
    'bash',
    'cat',
    'chmod',
    'chroot',
    'dash',
    'env',
    'id',
    'mkfifo',
    'mktemp',
    'perl',
    'script',
    'sed',
  ],
  ...['setpriv', 'sh', 'sleep', 'sync', 'taskset', 'timeout', 'true', 'unshare', 'vitest'],
];
const ESSENTIAL_PACKAGES = ['coreutils', 'dpkg', 'tar', 'apt'];

/** Scenarios that say themselves what they need, for they are no part of `make test`. */
const BY_COMMAND = SCENARIOS.filter(({ byCommand }) => byCommand).flatMap(
  ({ tools = [] }) => tools,
);

const NAME = "'([a-z][\\w.+-]*)'";
/** Where what is started stands, and can be nothing else. */
const STARTS = [
  `\\b(?:spawn|spawnSync|execFile|execFileSync)\\(\\s*${NAME}`,
  `'netns',\\s*'exec',\\s*[^,\\n]+,\\s*${NAME}`,
  `\\bcommand: \\[\\s*${NAME}`,
];
/** Where it may stand, beside other words. */
const MENTIONS = [
  ...STARTS,
  `\\b(?:inside|start|run|exec|program|runClient|freeipmi|runToEnd)\\(\\s*(?:[\\w.]+,)?\\s*\\[?${NAME}`,
  `\\[\\s*${NAME},\\s*[\`'][-@+]`,
];

const filesOf = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, name));
const namesIn = (file: string, patterns: readonly string[]): string[] => {
  const text = readFileSync(file, 'utf8');
  const found = patterns.flatMap((pattern) => [...text.matchAll(new RegExp(pattern, 'g'))]);
  return [...new Set(found.map(([, name = '']) => name))];
};
const isKnown = (name: string): name is Needed => name in PACKAGES;

const PLACES: readonly (readonly [root: string, packages: readonly string[]])[] = [
  ['bench', BENCH],
  ['qemu-lab', TEST],
  ...['test/unit', 'test/interop', 'test/e2e', 'test/fuzz', 'tools'].map(
    (root) => [root, TEST] as const,
  ),
  // Some of it is for benches.
  ['test/support', [...TEST, ...BENCH]],
];

describe('what is started', () => {
  it.each(PLACES)('in %s comes from packages that are installed for it', (root, packages) => {
    const allowed = [
      ...packages,
      ...(root === 'qemu-lab' ? BY_COMMAND.map((tool) => PACKAGES[tool]) : []),
    ];
    const missing = filesOf(root).flatMap((file) =>
      namesIn(file, MENTIONS)
        .filter((name) => isKnown(name) && !allowed.includes(PACKAGES[name]))
        .map((name) => `${file} starts ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it('has a package that is known', () => {
    const unknown = PLACES.flatMap(([root]) => filesOf(root)).flatMap((file) =>
      namesIn(file, STARTS)
        .filter((name) => !isKnown(name) && !ALWAYS.includes(name))
        .map((name) => `${file} starts ${name}`),
    );
    expect(unknown).toEqual([]);
  });

  it('is found where it stands', () => {
    expect(namesIn('bench/dns.ts', STARTS)).toEqual(expect.arrayContaining(['dig', 'dnsperf']));
    expect(namesIn('qemu-lab/scenarios/clients.ts', MENTIONS)).toContain('dhclient');
    expect(namesIn('test/interop/dnssec.test.ts', MENTIONS)).toContain('kzonecheck');
  });
});

describe('the lab', () => {
  it('needs what `make lab` installs', () => {
    for (const tool of TOOLS) expect(LAB, tool).toContain(PACKAGES[tool]);
  });

  it.each(SCENARIOS.filter(({ byCommand }) => !byCommand).map((one) => [one.name, one] as const))(
    '%s needs what `make test` installs and builds',
    (_, { tools = [], built = [] }) => {
      for (const tool of tools) expect(TEST, tool).toContain(PACKAGES[tool]);
      for (const [, remedy] of built) expect(remedy).toBe('make snapshots');
    },
  );

  it('names all that is missing with its remedy, before it begins', () => {
    const built = [['build/of-another-world', 'make it']] as const;
    expect(missingPrerequisites({ built })).toContain('build/of-another-world: make it');
    expect(() => requireBuilt(...built)).toThrow('not built: build/of-another-world: make it');
    expect(missingFiles([['Makefile', 'none']])).toEqual([]);
  });
});

describe('a bench', () => {
  it('asks for programs that `make setup-bench` installs', () => {
    const asked = filesOf('bench').flatMap((file) =>
      [...readFileSync(file, 'utf8').matchAll(/requirePrograms\(([^)]*)\)/g)].flatMap(
        ([, words = '']) => [...words.matchAll(/'([^']+)'/g)].map(([, name = '']) => name),
      ),
    );
    expect(asked.length).toBeGreaterThan(20);
    for (const name of asked.filter(isKnown)) expect(BENCH, name).toContain(PACKAGES[name]);
  });
});

describe('a script that builds', () => {
  it.each(['pxeimage/build.sh', 'pxeimage/snapshots/build.sh'])(
    '%s needs programs of packages that `make lab` installs',
    (script) => {
      const text = readFileSync(script, 'utf8');
      const loop = /for pair in ([^;]+);/.exec(text)?.[1]?.replaceAll('\\\n', ' ') ?? '';
      const pairs = loop.split(/\s+/).filter(Boolean);
      expect(pairs.length).toBeGreaterThan(5);
      for (const pair of pairs)
        expect([...LAB, ...ESSENTIAL_PACKAGES], pair).toContain(pair.split(':')[1]);
      const image = script === 'pxeimage/build.sh';
      for (const pair of image ? pairs : [])
        expect([...listed('IMAGE'), ...ESSENTIAL_PACKAGES], pair).toContain(pair.split(':')[1]);
    },
  );

  it('makes the boot loaders with each profile that a user builds', () => {
    for (const profile of ['lab', 'metal'])
      expect(makefile).toMatch(
        new RegExp(`^pxeimage\\S*:.*\n\tpxeimage/build.sh boot ${profile}$`, 'm'),
      );
  });
});

describe('the PATH', () => {
  it('has the folders of servers, whoever has begun', () => {
    expect(process.env.PATH?.split(':')).toEqual(expect.arrayContaining(['/usr/sbin', '/sbin']));
  });

  it('is where programs are looked for', () => {
    const dir = temporaryFolder('path');
    const before = process.env.PATH;
    writeFileSync(join(dir, 'sbsign'), '', { mode: 0o755 });
    writeFileSync(join(dir, 'tshark'), '', { mode: 0o644 });
    try {
      process.env.PATH = dir;
      expect(find('sbsign')).toBe(join(dir, 'sbsign'));
      expect(find('tshark')).toBeUndefined();
    } finally {
      process.env.PATH = before;
    }
  });
});
