/** Templates of installers: rendered, escaped for where a value stands, and refused before any machine asks for one. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseTemplate, renderArguments, renderTemplate } from '../../../src/images/template.ts';
import type { TemplateFormat } from '../../../src/inventory/images.ts';
import { createStoreWorld, type StoreWorld } from '../../support/image-store.ts';

const render = (format: TemplateFormat, text: string, values = {}) =>
  renderTemplate(parseTemplate(format, text), values);

describe('a template', () => {
  it('of each format is rendered', () => {
    const values = {
      ...{ hostname: 'db1', phoneHomeUrl: 'http://10.0.0.1/x', 'metadata.note': `it's "so"` },
      sshKeys: ['ssh-ed25519 AAAA ann@x', 'ssh-rsa BBBB'],
    };
    expect(render('preseed', 'd-i netcfg/hostname string {{hostname}}\n', values)).toBe(
      'd-i netcfg/hostname string db1\n',
    );
    expect(render('kickstart', 'echo {{ metadata.note }} {{ sshKeys }}', values)).toBe(
      `echo 'it'\\''s "so"' 'ssh-ed25519 AAAA ann@x' 'ssh-rsa BBBB'`,
    );
    expect(
      parse(render('autoinstall', 'hostname: {{ hostname }}\nkeys: {{ sshKeys }}\n', values)),
    ).toEqual({ hostname: 'db1', keys: values.sshKeys });
    expect(
      JSON.parse(render('ignition', '{"name": {{hostname}}, "k": {{sshKeys}}}', values)),
    ).toEqual({ name: 'db1', k: values.sshKeys });
    expect(render('ignition', '"data:,{{ metadata.note | url }}"', values)).toBe(
      '"data:,it%27s%20%22so%22"',
    );
    expect(render('preseed', 'x {{ hostname | base64 }}', values)).toBe('x ZGIx');
  });
  it.each([
    ['an unknown name', 'a\nb {{ hostnam }}', /line 2: 'hostnam' is none of hardwarename/],
    ['an unknown escape', '{{ hostname | html }}', /'html' is none of line, shell/],
    ['one that inherits', '{{ hostname | constructor }}', /'constructor' is none of/],
    ['a name that inherits', '{{ constructor }}', /is none of/],
    ['no end', 'x {{ hostname', /line 1: a place is/],
    ['no beginning', '\n\nx }}', /line 3: a place is/],
    ['an expression', '{{ hostname + role }}', /is none of/],
    ['a line break in it', '{{ hostname\n}}', /a place is/],
    ['nothing in it', '{{ }}', /is none of/],
    ['a loop', '{{#each sshKeys}}', /is none of/],
  ])('with %s is refused', (_what, text, why) =>
    expect(() => parseTemplate('preseed', text)).toThrow(why),
  );
  it('needs every value that it has a place for', () => {
    expect(() => render('preseed', '{{ role }}', {})).toThrow(/no value for role/);
    expect(() => render('preseed', '{{ metadata.toString }}', {})).toThrow(/no value for/);
  });
  it('takes nothing into a line that would be a second one', () => {
    for (const bad of ['a\nd-i preseed/early_command string evil', 'a\r', 'a\u0000', 'a\u2028b'])
      expect(() => render('preseed', 'x {{ hostname }}', { hostname: bad })).toThrow(
        /hostname: it has/,
      );
    expect(() => render('preseed', 'x {{ sshKeys }}', { sshKeys: [] })).toThrow(/a list cannot/);
  });
  it('is not rendered twice: a value with a place in it stays one', () =>
    expect(render('preseed', '{{ hostname }}', { hostname: '{{ role }}' })).toBe('{{ role }}'));
});

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((one) => one.isWellFormed());

describe('whatever the value', () => {
  it('a shell reads it back', () =>
    fc.assert(
      fc.property(
        text.filter((one) => !one.includes('\0')),
        (hostname) => {
          const script = render('kickstart', 'printf %s {{ hostname }}', { hostname });
          expect(execFileSync('/bin/sh', ['-c', script]).toString()).toBe(hostname);
        },
      ),
      { numRuns: 40 },
    ));
  it('JSON and YAML read it back', () =>
    fc.assert(
      fc.property(text, fc.array(text, { maxLength: 3 }), (hostname, sshKeys) => {
        const values = { hostname, sshKeys };
        const json = render('ignition', '{"a": {{ hostname }}, "b": {{ sshKeys }}}', values);
        expect(JSON.parse(json)).toEqual({ a: hostname, b: sshKeys });
        const yaml = render('autoinstall', 'a: {{ hostname }}\nb: {{ sshKeys }}\n', values);
        for (const version of ['1.1', '1.2'] as const)
          expect(parse(yaml, { version })).toEqual({ a: hostname, b: sshKeys });
      }),
    ));
});

describe('kernel arguments', () => {
  it('take values without a blank or a quote', () => {
    const values = { url: 'http://10.0.0.1:8080/images/x/template', hostname: 'a b' };
    expect(renderArguments('auto=true url={{ url }}', values)).toBe(
      'auto=true url=http://10.0.0.1:8080/images/x/template',
    );
    expect(() => renderArguments('h={{ hostname }}', values)).toThrow(/'hostname' has no value/);
    expect(() => renderArguments('h={{ nothing }}', values)).toThrow(/'nothing' has no value/);
  });
});

describe('an installer in the store', () => {
  const opened: StoreWorld[] = [];
  afterEach(async () => {
    for (const { store, folder } of opened.splice(0)) {
      await store.stop();
      folder.drop(folder.root);
    }
  });
  it('has a template that can be rendered', async () => {
    const made = createStoreWorld();
    opened.push(made);
    const [kernel, initrd] = [await made.put(Buffer.from('K')), await made.put(Buffer.from('I'))];
    const [good, bad] = [
      await made.put(Buffer.from('d-i x string {{ hostname }}\nd-i y string {{ phoneHomeUrl }}\n')),
      await made.put(Buffer.from('d-i x string {{ hostnam }}\n')),
    ];
    const mute = await made.put(Buffer.from('d-i x string {{ hostname }}\n'));
    const add = (
      template: string,
      kernelArguments = 'auto=true url={{ url }}',
      format: TemplateFormat | undefined = 'preseed',
    ) =>
      made.world.inventory.transaction(() =>
        made.desk().add(
          {
            ...{ name: 'x', version: '1', kind: 'installer' },
            doc: { description: '', kernelArguments, ...(format ? { format } : {}) },
            files: [
              { role: 'kernel', sha256: kernel },
              { role: 'initrd', sha256: initrd },
              { role: 'template', sha256: template },
            ],
          },
          '',
          { who: 'ann', why: '' },
        ),
      );
    expect(() => add(bad)).toThrow(/line 1: 'hostnam' is none of/);
    expect(() => add(mute)).toThrow(/no \{\{ phoneHomeUrl \}\}/);
    expect(() => add(good, 'url={{ urll }}')).toThrow(/'urll' is none of url, seedUrl/);
    expect(() => add(good, 'auto=true')).toThrow(/neither \{\{ url \}\} nor \{\{ seedUrl \}\}/);
    for (const odd of ['a=$net0', 'a || reboot', 'a && b', 'a="b c"', 'a ; reboot', 'a#b'])
      expect(() => add(good, odd), odd).toThrow(/cannot stand|ends the command/);
    expect(made.world.inventory.images.list()).toEqual([]);
    expect(add(good).files.map(({ role }) => role)).toEqual(['initrd', 'kernel', 'template']);
  });
});
