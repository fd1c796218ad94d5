/**
 * What a source exports is what other files ask of it: an export that nobody imports hides dead code from the compiler, which
 * tells of unused names within a file only. Of types it is no matter: those of what is exported are exported with it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const sources = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((name) => /\.tsx?$/.test(name));

const EXPORT = /^export (?:async )?(?:const|let|function\*?|(?:abstract )?class) (\w+)/gm;
/** `import { a, type b as c } from './d.ts'` and `export { a } from './d.ts'`. */
const NAMED = /^(?:import|export) (?:type )?\{([^}]*)\} from '(\.[^']+)'/gm;
/** What is imported as a whole, or where it is used. */
const WHOLE = /(?:\* as \w+ from |import\(\s*)'(\.[^']+)'/g;

interface Imports {
  /** `src/a.ts name`. */
  readonly names: ReadonlySet<string>;
  readonly wholes: ReadonlySet<string>;
}

function importsOf(files: ReadonlyMap<string, string>): Imports {
  const names = new Set<string>();
  const wholes = new Set<string>();
  for (const [file, text] of files) {
    const of = (path: string) => normalize(join(dirname(file), path));
    for (const [, list = '', path = ''] of text.matchAll(NAMED))
      for (const one of list.split(',')) {
        const name = /^\s*(?:type\s+)?(\w+)/.exec(one)?.[1];
        if (name !== undefined) names.add(`${of(path)} ${name}`);
      }
    for (const [, path = ''] of text.matchAll(WHOLE)) wholes.add(of(path));
  }
  return { names, wholes };
}

function unused(files: ReadonlyMap<string, string>): string[] {
  const { names, wholes } = importsOf(files);
  return [...files]
    .filter(([file]) => file.startsWith('src/') && !wholes.has(file))
    .flatMap(([file, text]) => [...text.matchAll(EXPORT)].map(([, name]) => `${file} ${name}`))
    .filter((one) => !names.has(one));
}

describe('exports', () => {
  it('of sources are imported by another file', () => {
    const files = ['src', 'test', 'qemu-lab', 'pxeimage', 'bench', 'tools'].flatMap(sources);
    const written = files.filter((file) => !file.endsWith('.generated.ts'));
    expect(unused(new Map(written.map((file) => [file, readFileSync(file, 'utf8')])))).toEqual([]);
  });

  it('are found, however they are written and imported', () => {
    const exported = 'export const a = 1;\nexport async function b() {}\nexport type C = 1;\n';
    const files = (other: string) =>
      new Map([
        ['src/x/one.ts', exported],
        ['src/y.ts', other],
      ]);
    expect(unused(files("import { a, type C } from './x/one.ts';"))).toEqual(['src/x/one.ts b']);
    expect(unused(files("import {\n  b as d,\n} from './x/one.ts';"))).toEqual(['src/x/one.ts a']);
    expect(unused(files("export { a, b } from './x/one.ts';"))).toEqual([]);
    expect(unused(files("const one = await import('./x/one.ts');"))).toEqual([]);
    expect(unused(files(''))).toHaveLength(2);
  });
});
