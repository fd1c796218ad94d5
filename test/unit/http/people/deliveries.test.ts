/** Packing lists against what has come: every kind of difference, the supplier's sheet, who may, and versions. */
import { describe, expect, it } from 'vitest';
import { describeConfig, parseConfig } from '../../../../src/config.ts';
import { createPeople, problemOf } from '../../../support/people.ts';
import { furnish } from '../../../support/portal.ts';

async function open() {
  const people = await createPeople();
  const names = furnish(people.world, 6);
  return { people, names, technician: people.as('technician'), viewer: people.as('viewer') };
}

const byStatus = (lines: readonly { serial: string; status: string }[]) =>
  Object.fromEntries(lines.map(({ serial, status }) => [serial, status]));

describe('a delivery', () => {
  it('tells what is missing, twice, elsewhere, in no list, and what has come', async () => {
    const { people, names, technician } = await open();
    const [first = '', second = '', third = ''] = names;
    const lines = [
      { serial: first, rack: 'R01', unit: 1 },
      { serial: second.toLowerCase(), rack: 'R01', unit: 40 },
      { serial: 'NEVERCAME' },
      { serial: 'TWICE' },
      { serial: ' twice ' },
    ];
    const made = await technician('PUT', '/deliveries/PO-1', { body: { lines }, version: 0 });
    expect(made.status).toBe(200);
    expect(made.body.counts).toEqual({
      ...{ missing: 1, duplicate: 2, 'wrong slot': 1, unexpected: 0, arrived: 1 },
    });
    people.world.pass(1000);
    const path = `/machines/${third}`;
    await people.as('operator')('PATCH', path, { body: { orderNumber: 'PO-1' }, version: '*' });
    const { body } = await technician('GET', '/deliveries/PO-1');
    expect(byStatus(body.lines)).toEqual({
      NEVERCAME: 'missing',
      ...{ TWICE: 'duplicate', twice: 'duplicate', [second.toLowerCase()]: 'wrong slot' },
      ...{ [third]: 'unexpected', [first]: 'arrived' },
    });
    expect(body.lines[0].status).toBe('missing');
    expect(body.lines.find(({ status }: { status: string }) => status === 'wrong slot').why).toBe(
      'It is in R01 unit 2.',
    );
  });

  it('a machine that came since, in a rack of the list, is unexpected; one of another list is not', async () => {
    const { people, technician } = await open();
    people.world.pass(60_000);
    const body = { lines: [{ serial: 'A-1', rack: 'R01' }] };
    await technician('PUT', '/deliveries/PO-1', { body, version: 0 });
    people.world.pass(60_000);
    const [stray = '', listed = ''] = furnish(people.world, 2, 7);
    await technician('PUT', '/deliveries/PO-2', {
      ...{ body: { lines: [{ serial: listed }] }, version: 0 },
    });
    const answer = await technician('GET', '/deliveries/PO-1');
    expect(byStatus(answer.body.lines)).toEqual({ 'A-1': 'missing', [stray]: 'unexpected' });
  });

  it('is taken in as the supplier sends it, and the row that is wrong is named', async () => {
    const { technician } = await open();
    const sheet = 'Service Tag;Model;Rack;U\r\nC0MPUT3;R750;R01;14\r\nC0MPUT4;R750;;\r\n';
    const made = await technician('PUT', '/deliveries/PO-3', { body: { sheet }, version: 0 });
    expect(made.body.counts.missing).toBe(2);
    const wrong = await technician('PUT', '/deliveries/PO-4', {
      ...{ body: { sheet: 'serial,unit\nA,1\nB,high\n' }, version: 0 },
    });
    expect(problemOf(wrong)).toBe('400 REQUEST_INVALID /sheet');
    expect(wrong.body.detail).toMatch(/^Row 3, unit/);
    const none = await technician('PUT', '/deliveries/PO-4', {
      body: { sheet: 'a,b\n1,2' },
      version: 0,
    });
    expect(none.body.detail).toMatch(/no column serial/);
  });

  it('wants a technician, and the version that was read', async () => {
    const { people, technician, viewer } = await open();
    const body = { lines: [{ serial: 'A-1' }] };
    expect(problemOf(await viewer('PUT', '/deliveries/PO-1', { body, version: 0 }))).toBe(
      '403 FORBIDDEN',
    );
    await technician('PUT', '/deliveries/PO-1', { body, version: 0 });
    expect(problemOf(await technician('PUT', '/deliveries/PO-1', { body, version: 0 }))).toBe(
      '412 VERSION_CONFLICT',
    );
    expect((await viewer('GET', '/deliveries')).body.deliveries).toHaveLength(1);
    expect((await technician('DELETE', '/deliveries/PO-1', { version: 1 })).status).toBe(204);
    expect(problemOf(await viewer('GET', '/deliveries/PO-1'))).toBe('404 NOT_FOUND');
    const told = people.world.inventory.events
      .after(0, 1000)
      .filter(
        ({ name, data }) => name === 'record.changed' && 'kind' in data && data.kind === 'delivery',
      );
    expect(told).toHaveLength(2);
  });
});

describe('what the board keeps', () => {
  it('is every machine, a page at a time or by name, with the delivery that lists it', async () => {
    const { names, technician, viewer } = await open();
    const [first = ''] = names;
    await technician('PUT', '/deliveries/PO-1', {
      ...{ body: { lines: [{ serial: first }] }, version: 0 },
    });
    const { body } = await viewer('GET', '/board/machines');
    expect(body.machines.map(({ hardwarename }: { hardwarename: string }) => hardwarename)).toEqual(
      [...names].sort(),
    );
    const one = await viewer('GET', `/board/machines?names=${first}`);
    expect(one.body.machines).toMatchObject([{ hardwarename: first, orderNumber: 'PO-1' }]);
    expect(one.body.cursor).toBeGreaterThan(0);
  });
});

describe('the configuration', () => {
  it('says of each value where it comes from, and keeps secrets', async () => {
    const text = 'site: lon1\n';
    const rows = describeConfig(parseConfig(text), text);
    const row = (key: string) => rows.find((one) => one.key === key);
    expect(row('site')).toEqual({ key: 'site', value: '"lon1"', origin: 'file' });
    expect(row('peopleHttp.port')).toMatchObject({ value: '8081', origin: 'default' });
    const relays = 'dhcp: { trustedRelays: [192.0.2.0/28] }\n';
    expect(describeConfig(parseConfig(relays), relays)).toEqual(
      expect.arrayContaining([
        { key: 'dhcp.trustedRelays.0', value: '"192.0.2.0/28"', origin: 'file' },
        { key: 'dhcp.segments.0.address', value: '"10.77.0.1"', origin: 'default' },
        { key: 'dhcp.segments.0.cidr', value: '"10.77.0.0/24"', origin: 'default' },
        { key: 'dhcp.segments.0.pools.0.first', value: '"10.77.0.100"', origin: 'default' },
      ]),
    );
    const secret = 'c2VjcmV0IHNlY3JldCBzZWNyZXQ=';
    const keyed = `dns: { keys: [{ name: k1, secret: "${secret}" }] }\n`;
    expect(JSON.stringify(describeConfig(parseConfig(keyed), keyed))).not.toContain(secret);
    const people = await createPeople({ configuration: rows });
    expect(problemOf(await people.as('viewer')('GET', '/configuration'))).toBe('403 FORBIDDEN');
    const { body } = await people.as('technician')('GET', '/configuration');
    expect(body.rows).toEqual(rows);
  });
});
