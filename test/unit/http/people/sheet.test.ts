/** The sheet as a faithful copy of what people write, and what an import says of each row that it refuses. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCsv, renderCsvRow } from '../../../../src/http/people/csv.ts';
import { FAITHFUL_COLUMNS } from '../../../../src/http/people/machine-sheet.ts';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import { createPeople, type People } from '../../../support/people.ts';
import { bytesOf, report } from '../../../support/reports.ts';
import { dhcpPacket, mac } from '../../../support/world.ts';

/** An empty ServerDb with what machines refer to. */
async function empty(): Promise<People> {
  const people = await createPeople();
  people.squad('music', 'search');
  const put = (path: string, body: object) => people.admin('PUT', path, { body, version: 0 });
  await put('/subnets/net', { cidr: '10.1.0.0/24' });
  await put('/credentials/idrac', { username: 'root', password: 'calvin', squad: '', notes: '' });
  return people;
}

/** Takes a sheet in, and confirms how many machines it changes where that is asked. */
async function load({ admin }: People, csv: string) {
  const post = (confirm?: number) =>
    admin('POST', '/machines/import', { body: { csv, ...(confirm ? { confirm } : {}) } });
  const first = await post();
  return first.status === 409 ? (await post(first.body.count)).body : first.body;
}

const sheetOf = async ({ admin }: People) => (await admin('GET', '/machines.csv')).text;

/** The columns that come back as they went out, as bytes. */
function faithful(sheet: string): string {
  const parsed = parseCsv(sheet);
  if (!parsed.ok) throw new Error(parsed.why);
  const [header = [], ...rows] = parsed.rows;
  const wanted = header.flatMap((name, index) =>
    FAITHFUL_COLUMNS.includes(name) || name.startsWith('custom.') ? [index] : [],
  );
  return [header, ...rows]
    .map((cells) => renderCsvRow(wanted.map((index) => cells[index] ?? '')))
    .join('');
}

const NASTY = [
  "'=x",
  '=1+1',
  "''@a",
  '-1',
  'a,b;c\t"d"',
  'x\r\ny',
  '"',
  "'",
  'é漢🙂',
  '0',
  'false',
];
const words = fc.oneof(
  fc.constantFrom('', ...NASTY),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((value) => value.trim()),
);
const day = fc.constantFrom('', '2026-02-28', '1999-12-31');

const machine = fc.record({
  state: fc.constantFrom('held', 'held', 'in-use'),
  to: fc.constantFrom('', 'broken', 'retired'),
  odd: fc.constantFrom('', ' a', '#b', ',c', '"d'),
  ...{ manufacturer: words, product: words },
  hasSerial: fc.boolean(),
  nics: fc.integer({ min: 1, max: 3 }),
  addressed: fc.boolean(),
  hasBmc: fc.boolean(),
  hasHostname: fc.boolean(),
  placed: fc.boolean(),
  changes: fc.record({
    ...{ role: words, owner: words, notes: words, site: words, hall: words, row: words },
    ...{ supplier: words, orderNumber: words, bmcVendor: words },
    ...{ purchasedAt: day, warrantyUntil: day, protected: fc.boolean() },
    squad: fc.constantFrom('', 'music', 'search'),
    tags: fc.uniqueArray(fc.constantFrom('ssd', 'gpu', 'a:b', 'x_y', '10G')),
    bmcCredential: fc.constantFrom('', 'idrac'),
    custom: fc.dictionary(fc.constantFrom('a', 'B', 'purpose', 'x_1'), words),
  }),
});

type Machine = (typeof machine)['generate'] extends (...args: never[]) => { value: infer M }
  ? M
  : never;

const hex = (n: number) => n.toString(16).padStart(2, '0');

async function enter({ admin }: People, one: Machine, n: number): Promise<void> {
  const { state, to, odd, manufacturer, product, changes } = one;
  const nics = Array.from({ length: one.nics }, (_, index) => ({
    mac: `52:54:00:00:${hex(n)}:${hex(9 - index)}`,
    ...(one.addressed ? { subnet: 'net', address: `10.1.0.${1 + n * 4 + index}` } : {}),
  }));
  const { protected: isProtected, ...fields } = changes;
  const body = {
    ...{ state, manufacturer, product, nics, ...fields },
    ...(one.hasSerial ? { serial: `SN-${n}${odd}` } : { serial: 'To Be Filled By O.E.M.' }),
    ...(one.hasHostname ? { hostname: `h${n}.lab` } : {}),
    ...(one.placed ? { rack: 'R1', unit: n * 2 + 1, height: 2 } : {}),
    ...(one.hasBmc ? { bmcMac: `52:54:00:0b:${hex(n)}:01`, bmcAddress: `10.9.0.${n + 1}` } : {}),
  };
  const made = await admin('POST', '/machines', { body });
  expect(made.status, made.text).toBe(201);
  const name = made.body.hardwarename;
  if (to !== '' && state === 'held')
    await admin('POST', `/machines/${name}/transitions`, { body: { to, why: 'x' } });
  if (isProtected)
    await admin('PATCH', `/machines/${name}`, { body: { protected: true }, version: '*' });
}

describe('an export', () => {
  it('that is taken into an empty ServerDb is the same export again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(machine, { minLength: 3, maxLength: 14 }), async (machines) => {
        const here = await empty();
        for (const [n, one] of machines.entries()) await enter(here, one, n);
        const sheet = await sheetOf(here);
        const there = await empty();
        expect(await load(there, sheet)).toMatchObject({ changed: machines.length, failed: 0 });
        const copy = await sheetOf(there);
        expect(faithful(copy)).toBe(faithful(sheet));
        const states = ({ world }: People) =>
          world.inventory.machines.list().map(({ hardwarename, state }) => [hardwarename, state]);
        expect(states(there)).toEqual(states(here));
        // And taken in where it comes from, it changes nothing.
        const last = here.world.inventory.events.lastId();
        expect(await load(here, sheet)).toMatchObject({ failed: 0 });
        expect(here.world.inventory.events.lastId()).toBe(last);
      }),
      { numRuns: 8 },
    );
  }, 90_000);

  it('keeps it in mind that a machine’s disks may hold data, and what a job had in hand', async () => {
    const people = await empty();
    await load(
      people,
      'serial,state,mayHoldData\nSN-1,recycling,\nSN-2,held,true\nSN-3,available,false\nSN-4,broken,\n',
    );
    const { machines } = people.world.inventory;
    const rows = ['SN-1', 'SN-2', 'SN-3', 'SN-4'].map((name) =>
      machines.record(name as Hardwarename),
    );
    expect(rows.map((row) => [row?.state, row?.mayHoldData])).toEqual([
      ['held', true],
      ['held', true],
      ['held', false],
      ['broken', true],
    ]);
    // It is no capacity by its first report either.
    const { world } = people;
    const body = report({ serial: 'SN-2' });
    world.dhcp(dhcpPacket({ mac: mac(body.bootMac), type: 1, client: 'ipxe' }));
    const boot = world.inventory.boots.latest(mac(body.bootMac));
    if (!boot) throw new Error('no boot');
    const token = world.inventory.tokens.mint(boot.id, mac(body.bootMac), 'boot');
    const reported = world.inventory.ingest({ token, body: bytesOf(body) }).machine;
    expect(reported).toMatchObject({ hardwarename: 'SN-2', state: 'held', reported: true });
    expect(reported.stateWhy).toContain('recycle');
  });
});

describe('an import', () => {
  /** AB-1 and its twin of the same serial; SN-2 with a NIC; SN-3, which is music's. */
  async function site(): Promise<People> {
    const people = await empty();
    const { admin, world } = people;
    await admin('POST', '/machines', { body: { serial: 'AB-1' } });
    await admin('POST', '/machines', {
      body: { serial: 'SN-2', nics: [{ mac: '52:54:00:00:00:02' }], custom: { a: '1', b: '2' } },
    });
    await admin('POST', '/machines', { body: { serial: 'SN-3', squad: 'music', hostname: 'db1' } });
    await admin('POST', '/machines', { body: { serial: 'TWIN' } });
    world.db.prepare(`UPDATE machines SET serial_key = 'AB-1' WHERE hardwarename = 'TWIN'`).run();
    return people;
  }

  it.each([
    ['a serial that two records have', 'serial,notes\nab-1,x', 'REQUEST_INVALID', 'serial', 'TWIN'],
    [
      'a NIC of a machine that the row does not name',
      'nics,notes\n52:54:00:00:00:02,x',
      'REQUEST_INVALID',
      'nics',
      'SN-2',
    ],
    [
      'that NIC under another serial',
      'serial,nics\nNEW-1,52:54:00:00:00:02',
      'ALREADY_EXISTS',
      'nics',
      'SN-2',
    ],
    [
      'an empty key',
      'hardwarename,serial,notes\n,,x',
      'REQUEST_INVALID',
      'hardwarename',
      'no hardwarename',
    ],
    [
      'a name and a serial that are two machines',
      'hardwarename,serial\nSN-2,SN-3',
      'REQUEST_INVALID',
      'serial',
      "'SN-2'",
    ],
    [
      'a name that its serial does not give',
      'hardwarename,serial\nOTHER,NEW-1',
      'MACHINE_UNKNOWN',
      'hardwarename',
      'NEW-1',
    ],
    [
      'a name that is not on record',
      'hardwarename,notes\nNO-SUCH,x',
      'MACHINE_UNKNOWN',
      'hardwarename',
      'NO-SUCH',
    ],
    [
      'another name for a known serial',
      'hardwarename,serial\nOTHER,SN-2',
      'REQUEST_INVALID',
      'hardwarename',
      'SN-2',
    ],
    ['a hostname that is taken', 'serial,hostname\nSN-2,db1', 'HOSTNAME_TAKEN', 'hostname', 'SN-3'],
    ['a unit that is no number', 'serial,rack,unit\nSN-2,R1,top', 'REQUEST_INVALID', 'unit', ''],
    [
      'a custom field that is too long',
      `serial,custom.a\nSN-2,${'x'.repeat(9000)}`,
      'REQUEST_INVALID',
      'custom.a',
      '',
    ],
    ['a squad that there is not', 'serial,squad\nSN-2,none', 'REQUEST_INVALID', 'squad', 'none'],
    [
      'a state that there is not',
      'serial,state\nNEW-1,asleep',
      'REQUEST_INVALID',
      'state',
      'asleep',
    ],
    [
      'an address of no subnet',
      'serial,nics\nSN-2,52:54:00:00:00:02=10.0.0.1@none',
      'NOT_FOUND',
      'nics',
      'none',
    ],
    [
      'the address of a network',
      'serial,nics\nSN-2,52:54:00:00:00:02=10.1.0.0@net',
      'REQUEST_INVALID',
      'nics',
      '10.1.0.0',
    ],
    [
      'a NIC that it does not have',
      'serial,nics\nSN-2,52:54:00:00:00:77',
      'REQUEST_INVALID',
      'nics',
      '52:54:00:00:00:77',
    ],
    ['a cell too many', 'serial,notes\nSN-2,a,b', 'REQUEST_INVALID', undefined, 'beyond'],
  ])('refuses %s, and says which row and column', async (_what, csv, code, column, detail) => {
    const people = await site();
    const last = people.world.inventory.events.lastId();
    const { results } = await load(people, csv);
    expect(results).toMatchObject([{ ok: false, code, row: 2 }]);
    expect(results[0].column).toBe(column);
    expect(results[0].detail).toContain(detail);
    expect(people.world.inventory.events.lastId()).toBe(last);
  });

  it('counts rows as a spreadsheet does, blank ones too', async () => {
    const { results } = await load(await site(), 'serial,unit\n\n,\nSN-2,top\n');
    expect(results).toMatchObject([{ row: 4, column: 'unit' }]);
  });

  it('of a field that somebody may not write names its column', async () => {
    const people = await site();
    const operator = people.as('operator', { search: 'operator' });
    const body = { csv: 'serial,role\nSN-3,web\n' };
    expect((await operator('POST', '/machines/import', { body })).body.results).toMatchObject([
      { code: 'FORBIDDEN', column: 'role' },
    ]);
  });

  it('leaves custom fields alone that the sheet has no column or no cell for', async () => {
    const people = await site();
    await load(people, 'serial,custom.a,custom.b,custom.c\nSN-2,,3,4\n');
    const { machine } = (await people.admin('GET', '/machines/SN-2')).body;
    expect(machine.custom).toEqual({ a: '1', b: '3', c: '4' });
    // A list of records is no sheet: it says all of them.
    const machines = [{ serial: 'SN-2', custom: { d: '5' } }];
    await people.admin('POST', '/machines/import', { body: { machines } });
    expect((await people.admin('GET', '/machines/SN-2')).body.machine.custom).toEqual({ d: '5' });
  });

  it('reserves the addresses that it names, for those who may', async () => {
    const people = await site();
    const csv = 'serial,nics\nSN-2,52:54:00:00:00:02=10.1.0.9@net\n';
    const technician = people.as('technician');
    const refused = await technician('POST', '/machines/import', { body: { csv } });
    expect(refused.body.results).toMatchObject([{ code: 'FORBIDDEN', column: 'nics' }]);
    expect((await load(people, csv)).results).toMatchObject([{ ok: true }]);
    expect((await people.admin('GET', '/machines/SN-2')).body.machine.nics).toMatchObject([
      { address: '10.1.0.9', subnet: 'net' },
    ]);
  });

  it.each(['serial,serial\nA,B', 'serial,custom\nA,B'])(
    'has each column once, by its name: %j',
    async (csv) => {
      const people = await empty();
      expect((await people.admin('POST', '/machines/import', { body: { csv } })).status).toBe(400);
    },
  );
});
