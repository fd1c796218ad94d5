import { describe, expect, it } from 'vitest';
import type { Hardwarename } from '../../../../src/wire/ids.ts';
import { createPeople, type People, problemOf } from '../../../support/people.ts';

const enter = (people: People, body: object) => people.admin('POST', '/machines', { body });

async function threeMachines(): Promise<People> {
  const people = await createPeople();
  people.squad('music', 'search');
  await enter(people, { serial: 'C0MPUT3', product: 'R630', rack: 'R1', unit: 3, tags: ['ssd'] });
  await enter(people, {
    ...{ serial: 'SN-B0B', product: 'R730', rack: 'R2', unit: 10, height: 2, squad: 'music' },
    ...{ state: 'in-use', hostname: 'web1.fancy', role: 'web', tags: ['ssd', 'gpu'] },
    ...{ nics: [{ mac: '52:54:00:00:00:01' }, { mac: '52-54-00-00-00-02' }] },
  });
  await enter(people, {
    serial: 'ZZZ9',
    custom: { purpose: 'spare' },
    warrantyUntil: '2027-01-31',
  });
  return people;
}

const names = (answer: { body: { machines: { hardwarename: string }[] } }) =>
  answer.body.machines.map(({ hardwarename }) => hardwarename);

describe('entering a machine', () => {
  it('makes a record with its NICs, its state and an event that says who and why', async () => {
    const people = await threeMachines();
    const { body, headers } = await people.admin('GET', '/machines/SN-B0B');
    expect(body.machine).toMatchObject({
      ...{ state: 'in-use', hostname: 'web1.fancy', squad: 'music', reported: false, unit: 10 },
      nics: [{ mac: '52:54:00:00:00:01' }, { mac: '52:54:00:00:00:02' }],
      locatedBy: 'person',
    });
    expect(headers.etag).toBe(`"${body.machine.version}"`);
    expect(body.events.map((event: { name: string }) => event.name)).toEqual([
      'machine.state',
      'machine.edited',
    ]);
    expect(body.events[1].data).toMatchObject({ who: 'token:admin-1', why: 'entered' });
  });

  it.each([
    ['nothing that identifies it', {}, '400 REQUEST_INVALID /'],
    ['a placeholder', { serial: 'Default string' }, '400 REQUEST_INVALID /serial'],
    ['a known serial', { serial: 'c0mput3' }, '409 ALREADY_EXISTS /serial'],
    ['a known NIC', { nics: [{ mac: '52:54:00:00:00:01' }] }, '409 ALREADY_EXISTS /nics/0/mac'],
    ['an unknown field', { serial: 'X-100', colour: 'red' }, '400 REQUEST_INVALID /colour'],
    [
      'a taken hostname',
      { serial: 'X-100', hostname: 'web1.fancy' },
      '409 HOSTNAME_TAKEN /hostname',
    ],
    ['a bad hostname', { serial: 'X-100', hostname: 'Web_1' }, '400 REQUEST_INVALID /hostname'],
    ['taken units', { serial: 'X-100', rack: 'R2', unit: 11 }, '409 UNIT_TAKEN /unit'],
    ['an unknown squad', { serial: 'X-100', squad: 'nobody' }, '400 REQUEST_INVALID /squad'],
    ['a group MAC', { nics: [{ mac: '01:00:00:00:00:01' }] }, '400 REQUEST_INVALID /nics/0/mac'],
    [
      'a bad date',
      { serial: 'X-100', purchasedAt: '31.1.2027' },
      '400 REQUEST_INVALID /purchasedAt',
    ],
  ])('refuses %s', async (_what, body, expected) => {
    const people = await threeMachines();
    expect(problemOf(await enter(people, body))).toBe(expected);
    expect(names(await people.admin('GET', '/machines'))).toHaveLength(3);
  });
});

describe('filters on NICs', () => {
  it.each([
    ['nic.mac=525400000a01', ['AAA-1']],
    ['nic.mac=52:54:00:00:0a:01,52:54:00:00:0b:01', ['AAA-1', 'BBB-1']],
    ['nic.address=10.1.0.2', ['AAA-1']],
    ['nic.subnet=net', ['AAA-1', 'BBB-1']],
    ['nic.switch=sw1', ['AAA-1', 'BBB-1']],
    ['nic.switch.like=sw?', ['AAA-1', 'BBB-1']],
    ['nic.switch=sw1&nic.port=2', ['BBB-1']],
    // Of one NIC: AAA-1 has port 2 on another switch.
    ['nic.switch=sw2&nic.port=2', ['AAA-1']],
    ['nic.switch=sw2&state=in-use', []],
  ])('%s', async (query, expected) => {
    const people = await createPeople();
    await people.admin('PUT', '/subnets/net', { body: { cidr: '10.1.0.0/28' }, version: 0 });
    const nicsOf = (...macs: string[]) => macs.map((mac) => ({ mac: `52:54:00:00:${mac}` }));
    const entries = [
      { serial: 'AAA-1', nics: nicsOf('0a:01', '0a:02') },
      { serial: 'BBB-1', nics: nicsOf('0b:01') },
      { serial: 'CCC-1', nics: nicsOf('0c:01') },
    ];
    for (const body of entries) await people.admin('POST', '/machines', { body });
    for (const [name, mac, address] of [
      ['AAA-1', '0a:01', '10.1.0.2'],
      ['BBB-1', '0b:01', '10.1.0.3'],
    ])
      await people.admin('POST', `/machines/${name}/addresses`, {
        body: { mac: `52:54:00:00:${mac}`, subnet: 'net', address },
      });
    const cable = people.world.db.prepare('UPDATE nics SET switch = ?, port = ? WHERE mac = ?');
    cable.run('sw1', '1', '52:54:00:00:0a:01');
    cable.run('sw2', '2', '52:54:00:00:0a:02');
    cable.run('sw1', '2', '52:54:00:00:0b:01');
    expect(names(await people.admin('GET', `/machines?${query}`))).toEqual(expected);
    const { body } = await people.admin('GET', `/machines/count?${query}`);
    expect(body.count).toBe(expected.length);
    const sheet = await people.admin('GET', `/machines.csv?${query}`);
    expect(sheet.text.trim().split('\r\n')).toHaveLength(expected.length + 1);
  });

  it.each(['nic.mac=52:54', 'nic.address=10.1.0', 'nic.colour=red'])(
    'refuses %s',
    async (query) => {
      const { admin } = await createPeople();
      expect((await admin('GET', `/machines?${query}`)).status).toBe(400);
    },
  );
});

describe('lists', () => {
  it.each([
    ['', ['C0MPUT3', 'SN-B0B', 'ZZZ9']],
    ['state=held', ['C0MPUT3', 'ZZZ9']],
    ['state.not=held', ['SN-B0B']],
    ['rack=R1,R2', ['C0MPUT3', 'SN-B0B']],
    ['rack=', ['ZZZ9']],
    ['hostname.like=web*', ['SN-B0B']],
    ['tags=ssd', ['C0MPUT3', 'SN-B0B']],
    ['tags=ssd,gpu', ['SN-B0B']],
    ['custom=purpose=spare', ['ZZZ9']],
    ['unit.gte=4', ['SN-B0B']],
    ['warrantyUntil.lte=2028-01-01&warrantyUntil.gte=2026-01-01', ['ZZZ9']],
    ['reported=false&squad=music', ['SN-B0B']],
    ['sort=-hardwarename', ['ZZZ9', 'SN-B0B', 'C0MPUT3']],
    ['sort=-unit', ['SN-B0B', 'C0MPUT3', 'ZZZ9']],
    ['sort=product', ['ZZZ9', 'C0MPUT3', 'SN-B0B']],
  ])('%s', async (query, expected) => {
    const people = await threeMachines();
    expect(names(await people.admin('GET', `/machines?${query}`))).toEqual(expected);
    const filters = query.replace(/&?sort=[^&]*/, '');
    const { body } = await people.admin('GET', `/machines/count?${filters}`);
    expect(body.count).toBe(expected.length);
  });

  it.each(['hardwarename', '-hardwarename', 'product', '-updatedAt', 'unit', 'tags'])(
    'pages by %s come to every machine once',
    async (sort) => {
      const people = await threeMachines();
      const seen: string[] = [];
      for (let cursor = ''; ; ) {
        const { body } = await people.admin('GET', `/machines?limit=1&sort=${sort}${cursor}`);
        seen.push(...names({ body }));
        if (body.next === undefined) break;
        cursor = `&cursor=${body.next}`;
      }
      expect(seen).toEqual(names(await people.admin('GET', `/machines?sort=${sort}`)));
      expect(seen).toHaveLength(3);
    },
  );

  it.each([
    ['colour=red', '400 REQUEST_INVALID /colour'],
    ['sort=colour', '400 REQUEST_INVALID /sort'],
    ['unit.gte=many', '400 REQUEST_INVALID /unit.gte'],
    ['cursor=AAAA', '400 REQUEST_INVALID /cursor'],
    ['limit=0', '400 REQUEST_INVALID /limit'],
    ['protected=perhaps', '400 REQUEST_INVALID /protected'],
    [`hostname.like=${Array(21).fill('a*').join()}`, '400 REQUEST_INVALID /hostname.like'],
    [`notes.like=${'*a'.repeat(200)}`, '400 REQUEST_INVALID /notes.like'],
    [`tags=${Array(21).fill('a').join()}`, '400 REQUEST_INVALID /tags'],
  ])('refuses %s', async (query, expected) => {
    const { admin } = await createPeople();
    expect(problemOf(await admin('GET', `/machines?${query}`))).toBe(expected);
  });
});

describe('search', () => {
  it.each([
    ['the whole serial', 'SN-B0B', ['SN-B0B'], 3],
    ['a piece of it', 'n-b0', ['SN-B0B'], 2],
    ['O for 0', 'COMPUT3', ['C0MPUT3'], 3],
    ['I for 1 in a hostname', 'webI.fancy', ['SN-B0B'], 3],
    ['a MAC without colons', '525400000002', ['SN-B0B'], 1],
    ['a rack and a product', 'R1 R630', ['C0MPUT3'], 1],
    ['one wrong character', 'C0MQUT3', ['C0MPUT3'], 0],
    ['the first two characters', 'zz', ['ZZZ9'], 2],
    ['what nobody has', 'NOTHING-LIKE-IT', [], undefined],
    ['quotes and operators', '"web1" OR NOT (', ['SN-B0B'], 0],
  ])('finds %s', async (_what, question, expected, rank) => {
    const people = await threeMachines();
    const q = encodeURIComponent(question);
    const { body } = await people.admin('GET', `/machines/search?q=${q}`);
    const hits = body.hits as { rank: number; machine: { hardwarename: string } }[];
    expect(hits.map(({ machine }) => machine.hardwarename)).toEqual(expected);
    expect(hits[0]?.rank).toBe(rank);
  });

  it('follows every change', async () => {
    const people = await threeMachines();
    await people.admin('PATCH', '/machines/ZZZ9', {
      body: { notes: 'smells burnt' },
      version: '*',
    });
    const find = async (q: string) =>
      (await people.admin('GET', `/machines/search?q=${q}`)).body.hits.length;
    expect(await find('burnt')).toBe(1);
    await people.admin('PATCH', '/machines/ZZZ9', { body: { notes: '' }, version: '*' });
    expect(await find('burnt')).toBe(0);
    await people.admin('DELETE', '/machines/ZZZ9', { version: '*' });
    expect(await find('ZZZ9')).toBe(0);
  });
});

describe('a patch', () => {
  it('says before and after, and counts the version up', async () => {
    const people = await threeMachines();
    const { version } = (await people.admin('GET', '/machines/C0MPUT3')).body.machine;
    const answer = await people.admin('PATCH', '/machines/C0MPUT3?why=moved', {
      body: { unit: 7, tags: ['ssd', 'odd', 'odd'] },
      version,
    });
    expect(answer.body).toMatchObject({ unit: 7, tags: ['odd', 'ssd'], version: version + 1 });
    const last = (await people.admin('GET', '/machines/C0MPUT3')).body.events.at(-1);
    expect(last).toMatchObject({
      name: 'machine.edited',
      data: { why: 'moved', before: { unit: 3, tags: ['ssd'] }, after: { unit: 7 } },
    });
  });

  it('never loses an update: the second writer at one version is refused', async () => {
    const people = await threeMachines();
    const { version } = (await people.admin('GET', '/machines/C0MPUT3')).body.machine;
    const write = (notes: string) =>
      people.admin('PATCH', '/machines/C0MPUT3', { body: { notes }, version });
    const [first, second] = [await write('mine'), await write('yours')];
    expect(first.status).toBe(200);
    expect(problemOf(second)).toBe('412 VERSION_CONFLICT');
    expect(second.body.version).toBe(version + 1);
    expect((await people.admin('GET', '/machines/C0MPUT3')).body.machine.notes).toBe('mine');
  });

  it('wants to know what was read', async () => {
    const people = await threeMachines();
    const patch = (headers: Record<string, string>) =>
      people.admin('PATCH', '/machines/C0MPUT3', { body: { notes: 'x' }, headers });
    expect(problemOf(await patch({}))).toBe('428 VERSION_NEEDED');
    expect(problemOf(await patch({ 'if-match': 'W/"1"' }))).toBe('400 REQUEST_INVALID');
    expect((await patch({ 'if-match': '*' })).status).toBe(200);
  });

  it('that changes nothing is no event', async () => {
    const people = await threeMachines();
    const before = people.world.inventory.events.lastId();
    await people.admin('PATCH', '/machines/C0MPUT3', { body: { unit: 3 }, version: '*' });
    expect(people.world.inventory.events.lastId()).toBe(before);
  });
});

describe('the way through the states', () => {
  const move = (people: People, name: string, body: object) =>
    people.admin('POST', `/machines/${name}/transitions`, { body: { why: 'test', ...body } });

  it('takes legal steps only, and names them', async () => {
    const people = await threeMachines();
    expect((await move(people, 'C0MPUT3', { to: 'available' })).body).toMatchObject({
      state: 'available',
      stateBy: 'token:admin-1',
      stateDeadlineAt: null,
    });
    const refused = await move(people, 'C0MPUT3', { to: 'in-use' });
    expect(problemOf(refused)).toBe('409 TRANSITION_ILLEGAL');
    expect(refused.body.detail).toContain('held (by operator)');
    expect(problemOf(await move(people, 'C0MPUT3', { to: 'flying' }))).toBe(
      '400 REQUEST_INVALID /to',
    );
  });

  it('releases a machine in use only by its name, and ends what it was called', async () => {
    const people = await threeMachines();
    const refused = await move(people, 'SN-B0B', { to: 'recycling' });
    expect(problemOf(refused)).toBe('409 RELEASE_NEEDED');
    expect(problemOf(await move(people, 'SN-B0B', { to: 'recycling', release: 'C0MPUT3' }))).toBe(
      '409 RELEASE_NEEDED',
    );
    const released = await move(people, 'SN-B0B', { to: 'recycling', release: 'SN-B0B' });
    expect(released.body).toMatchObject({ state: 'recycling', hostname: 'web1.fancy' });
    const { machines } = people.world.inventory;
    const name = released.body.hardwarename;
    people.world.inventory.transaction(() => machines.write(name, { mayHoldData: false }));
    people.world.inventory.transaction(() =>
      people.world.inventory.serverdb.editor.move(name, 'available', { by: 'job', why: 'clean' }),
    );
    expect(machines.record(name)).toMatchObject({ hostname: '', squad: '', role: '' });
  });

  it('lets only a job begin an install, and a person end one that has no job', async () => {
    const people = await threeMachines();
    const begin = { to: 'installing', release: 'SN-B0B' };
    expect(problemOf(await move(people, 'SN-B0B', begin))).toBe('409 TRANSITION_ILLEGAL');
    const many = await people.admin('POST', '/machines/bulk', {
      body: {
        machines: ['SN-B0B'],
        why: 'test',
        move: { to: 'installing', release: ['SN-B0B'] },
        confirm: 1,
      },
    });
    expect(many.body).toMatchObject({ changed: 0, results: [{ code: 'TRANSITION_ILLEGAL' }] });

    // As an appliance before this one has left it: installing, and nobody carries it on.
    const { machines } = people.world.inventory;
    const name = 'SN-B0B' as Hardwarename;
    people.world.inventory.transaction(() =>
      machines.transition(name, 'installing', { by: 'job', why: 'test' }),
    );
    const forgotten = await people.admin('DELETE', '/machines/SN-B0B', { version: '*' });
    expect(problemOf(forgotten)).toBe('409 STILL_REFERENCED');
    const held = await move(people, 'SN-B0B', { to: 'held' });
    expect(held.body).toMatchObject({ state: 'held', mayHoldData: true });
    expect(problemOf(await move(people, 'SN-B0B', { to: 'available' }))).toBe(
      '409 DISKS_NOT_CLEAN',
    );
  });

  it('leaves a protected machine alone', async () => {
    const people = await threeMachines();
    await people.admin('PATCH', '/machines/C0MPUT3', { body: { protected: true }, version: '*' });
    expect(problemOf(await move(people, 'C0MPUT3', { to: 'available' }))).toBe(
      '409 MACHINE_PROTECTED',
    );
  });

  it('makes stuck visible: a deadline that passes is an event, a filter and a count', async () => {
    const people = await threeMachines();
    const { serverdb, transaction } = people.world.inventory;
    const look = () => transaction(() => serverdb.waits.look());
    expect(look()).toBe(0);
    people.world.pass(3 * 86_400_000 + 1);
    expect([look(), look()]).toEqual([2, 0]);
    expect(names(await people.admin('GET', '/machines?overdue=true'))).toEqual(['C0MPUT3', 'ZZZ9']);
    const { body } = await people.admin('GET', '/states');
    expect(body.states.find(({ state }: { state: string }) => state === 'held')).toMatchObject({
      machines: 2,
      overdue: 2,
    });
    await move(people, 'ZZZ9', { to: 'available' });
    expect(names(await people.admin('GET', '/machines?overdue=true'))).toEqual(['C0MPUT3']);
  });
});
