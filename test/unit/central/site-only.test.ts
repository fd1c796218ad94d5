/**
 * Every command and every operation of an appliance, at a real central with two sites: those that work there do, those that do not say why, and whom
 * to ask. docs/central.md is what was found here.
 */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SITE_ONLY } from '../../../src/central/site-only.ts';
import { addPeopleCommands } from '../../../src/cli/people/commands.ts';
import type { ApiProblem } from '../../../src/client/client.ts';
import { commandLine } from '../../support/command-line.ts';
import { createFleet, type TestFleet } from '../../support/fleet.ts';
import { current, hallAt } from '../../support/fleet-halls.ts';

let fleet: TestFleet;
let run: ReturnType<typeof commandLine>;

beforeAll(async () => {
  fleet = await createFleet();
  const lon = await hallAt(fleet, 'lon', { from: 0, count: 2 });
  const sto = await hallAt(fleet, 'sto', { from: 100, count: 2 });
  lon.site.connect();
  sto.site.connect();
  await current(fleet, 'lon', 'sto');
  const url = `http://127.0.0.1:${fleet.central.peoplePort}`;
  run = commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: fleet.token });
});
afterAll(async () => {
  process.exitCode = 0;
  await fleet?.close();
});

const ID = '00000000-0000-8000-a000-000000000000';

/** Asked with these words; what they name need not be there. */
const CENTRAL = `
machines list
machines show SN00000
machines search sn
machines states
machines set SN00000 notes=x
machines enter serial=LATER-1 site=lon
machines forget NO-SUCH
machines name SN00000 web
machines move held NO-SUCH --why x
machines edit-many notes=x --why x --filter role=none
machines export site=lon
naming-rules list
naming-rules show x
naming-rules put web role=web pattern=web-{n}
naming-rules delete x
hardware-types list
hardware-types show x
hardware-types put x conditions=[{"fact":"memoryBytes","atLeast":1}]
hardware-types delete x
squads list
squads show x
squads put x notes=x
squads delete x
policies list
policies show x
policies put default holdOnLost=[nic]
policies delete x
bmc-profiles list
bmc-profiles show x
bmc-profiles put x
bmc-profiles delete x
roles list
roles show x
roles put x notes=x
roles delete x
users list
users put ann --role viewer
users remove x
tokens list
tokens revoke x
events
jobs list
jobs show ${ID}
jobs watch ${ID}
jobs create netboot NO-SUCH
jobs cancel ${ID}
images list
images show x@1
images add x@1 --disk sha256:${'0'.repeat(64)}
images remove x@1
images point x/stable 1
images rollback x/stable
images unpoint x/stable
images upload /dev/null
request create --role web --image x/stable --count 1 --dry-run
request list
request show ${ID}
request watch ${ID}
request cancel ${ID}
capacity
pool list
pool show x
pool put x --role web --image x/stable --sites lon=0
pool size x --sites lon=0
pool remove x
pool reset x --why x
pool resets
pool pause-reset x
pool resume-reset x
pool abort-reset x
sites list
sites join-code par
sites revoke par
notices
statistics
federation remove par --confirm par`;

const SITE = `
machines address SN00000 52:54:00:00:00:01 lab
machines import /dev/null
machines merge SN00000 SN00001 --why x
machines split 1 --why x
machines nic SN00000 52:54:00:00:00:01 --why x
racks list
racks show x
racks put x
racks delete x
subnets list
subnets show x
subnets put x
subnets delete x
subnets addresses x
subnets served
hardware-types apply
credentials list
credentials put x y
credentials remove x
webhooks list
webhooks add http://127.0.0.1/
webhooks stop 1
webhooks start 1
webhooks remove 1
webhooks dead 1
webhooks redeliver 1
enc x
dns zones
dns export x
dns explain x
dns generations
dns diff
dns rollback 1
dns accept
dns resume
dns records list
dns records add x A 10.0.0.1
dns records remove 1
dns keys
dns ds x
dns rollover x
jobs kinds
jobs queue
jobs pause
jobs resume
jobs stats
images import http://127.0.0.1/x
images uploads
images cancel x
images store
images streams
images collect
certificates list
certificates show x
certificates verify x
diagnose
boot show x
boot export x
quirks list
quirks set x a b fails
quirks forget x a b
times
console SN00000
breakers list
breakers close 1 --why x
deliveries list
deliveries show x
deliveries put x /dev/null
deliveries remove x
federation status`;

/** They ask no API, or look at the appliance that they run on. */
const LOCAL = `
tokens create
images manifest
quirks import
backup
restore
doctor
completion`;

const linesOf = (text: string) => text.trim().split('\n');

/** `pool list` of `pool list`, `dns records add` of all that follows it. */
function leaves(): string[] {
  const program = new Command('reveille');
  addPeopleCommands(program, {
    ...{ environment: {}, write: () => undefined, tell: () => undefined },
    readInput: async () => '',
  });
  const below = (command: Command, path: string): string[] =>
    command.commands.length === 0
      ? [path]
      : command.commands.flatMap((one) => below(one, `${path} ${one.name()}`.trim()));
  return below(program, '');
}

const leafOf = (line: string, all: readonly string[]): string =>
  all.find((leaf) => line === leaf || line.startsWith(`${leaf} `)) ?? `${line} is no command`;

const outcome = (line: string): Promise<{ code: string; message: string }> =>
  run(line, 'secret secret secret').then(
    () => ({ code: 'ok', message: '' }),
    ({ code, message }: ApiProblem) => ({ code: String(code), message }),
  );

describe('the command line at central', () => {
  const all = leaves();
  const named = (text: string) => linesOf(text).map((line) => leafOf(line, all));

  it('is sorted whole into what works there, what its sites do, and what asks nobody', () => {
    expect([...named(CENTRAL), ...named(SITE), ...named(LOCAL)].sort()).toEqual([...all].sort());
  });

  it.each(linesOf(CENTRAL))('does %s', async (line) => {
    // What is not there is said not to be there: it is found out, not left to a site.
    const { code, message } = await outcome(line);
    expect(['ok', ...MISSING], message).toContain(code);
  });

  it.each(linesOf(SITE))('leaves %s to a site, and says so', async (line) => {
    const { code, message } = await outcome(line);
    expect([line, code, message]).toEqual([line, 'SITE_ONLY', expect.stringMatching(ASK)]);
  });

  it('is told so in the documentation', () => {
    const groups = new Map<string, Record<'central' | 'site' | 'local', string[]>>();
    const note = (where: 'central' | 'site' | 'local', text: string) => {
      for (const leaf of named(text)) {
        const [group = '', ...rest] = leaf.split(' ');
        const row = groups.get(group) ?? { central: [], site: [], local: [] };
        groups.set(group, row);
        row[where].push(rest.join(' ') || 'yes');
      }
    };
    note('central', CENTRAL);
    note('site', SITE);
    note('local', LOCAL);
    const rows = [...groups].map(
      ([group, { central, site, local }]) =>
        `| \`${group}\` | ${central.join(', ')} | ${site.join(', ')} | ${local.join(', ')} |`,
    );
    expect(tableBelow('## Every command')).toEqual(rows);
  });
});

const ASK = / (Ask the appliance of (lon|sto|lon or sto)\.)/;
const MISSING = 'NOT_FOUND SITE_UNKNOWN MACHINE_UNKNOWN IMAGE_INCOMPLETE REQUEST_ENDED'.split(' ');

/** The rows of the table below a heading of docs/central.md. */
function tableBelow(heading: string): string[] {
  const [, below = ''] = readFileSync('docs/central.md', 'utf8').split(`${heading}\n`);
  const lines = below.split('\n## ')[0]?.split('\n') ?? [];
  return lines.filter((line) => line.startsWith('| ')).slice(1);
}

type Document = { paths: Record<string, Record<string, unknown>> };

describe('the API of central', () => {
  const { paths } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as Document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => [method.toUpperCase(), path] as const),
  );

  it('has every operation of an appliance, or says why it has not, and nothing that no appliance has', async () => {
    const used = new Set<string>();
    for (const [method, path] of operations) {
      const url = path
        .replace('/api/v1', '')
        .replace('{id}', ID)
        .replaceAll(/\{\w+\}/g, 'x');
      const { body } = await fleet.call(method, url, method === 'GET' ? undefined : {});
      if (body?.code !== 'SITE_ONLY') {
        // Found, or refused for what was said.
        const nowhere =
          body?.detail === undefined && ['NOT_FOUND', 'METHOD_NOT_ALLOWED'].includes(body?.code);
        expect([method, path, nowhere]).toEqual([method, path, false]);
        continue;
      }
      const row = SITE_ONLY.find(([, why]) => body.detail.startsWith(why));
      expect([method, path, row?.[1]]).toEqual([method, path, expect.any(String)]);
      used.add(String(row?.[1]));
    }
    expect([...used].sort()).toEqual(SITE_ONLY.map(([, why]) => why).sort());
    expect((await fleet.call('GET', '/no-such-thing')).body.code).toBe('NOT_FOUND');
    expect((await fleet.call('DELETE', '/sites')).body.code).toBe('METHOD_NOT_ALLOWED');
  });

  it('sends to the site of the machine that it is about', async () => {
    const { status, body } = await fleet.call('GET', '/machines/SN00100/bmc/power');
    expect([status, body.code]).toEqual([404, 'SITE_ONLY']);
    expect(body.detail).toContain('Ask the appliance of sto.');
  });

  it('is told so in the documentation', () => {
    const rows = SITE_ONLY.map(
      ([beginnings, why]) =>
        `| ${beginnings.map((one) => `\`${one.replaceAll('*', 'NAME')}\``).join(', ')} | ${why} |`,
    );
    expect(tableBelow('## What a site alone does')).toEqual(rows);
  });
});
