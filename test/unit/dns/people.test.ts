import { describe, expect, it } from 'vitest';
import { ImageReader } from '../../../src/dns/image.ts';
import { Responder } from '../../../src/dns/respond.ts';
import { createDnsDesk } from '../../../src/nameserver/desk.ts';
import { SETTINGS } from '../../support/dns.ts';
import { createDnsWorld, machineNumber } from '../../support/dns-world.ts';
import { createPeople } from '../../support/people.ts';

const names = (count: number) => Array.from({ length: count }, (_, n) => machineNumber(n + 1));

async function open() {
  const dns = createDnsWorld({ machines: names(60) });
  await dns.fill();
  const responder = new Responder(new ImageReader(dns.keeper.buffer), SETTINGS);
  const desk = createDnsDesk({
    keeper: dns.keeper,
    store: dns.store,
    responder: responder,
    signing: undefined,
  });
  const people = await createPeople({ dns: () => desk });
  return { dns, people, operator: people.as('operator'), viewer: people.as('viewer') };
}

describe('DNS for people', () => {
  it('zones, a zone as a file, generations and differences are read by anybody with a role', async () => {
    const { viewer, people } = await open();
    const { body } = await viewer('GET', '/dns');
    expect(body).toMatchObject({ generation: 1, held: null, faults: [] });
    expect(body.zones.map(({ name }: { name: string }) => name)).toContain('lon.example.');
    const file = await viewer('GET', '/dns/zones/lon.example');
    expect(file.text.split('\n')[0]).toMatch(/^lon\.example\.\t3600\tIN\tSOA\t/);
    expect(file.text).toContain('web7.lon.example.\t300\tIN\tA\t10.0.1.7');
    expect((await viewer('GET', '/dns/zones/nope.example')).status).toBe(404);
    const list = await viewer('GET', '/dns/generations');
    expect(list.body.generations).toMatchObject([{ id: 1, status: 'served' }]);
    const diff = await viewer('GET', '/dns/generations/1');
    expect(diff.body.text).toContain('+ web7.lon.example.');
    expect((await people.nobody('GET', '/dns')).status).toBe(401);
  });

  it('says where an answer comes from', async () => {
    const { dns, viewer } = await open();
    dns.keeper.addStatic(
      { name: 'www', type: 'CNAME', data: 'web7', ttl: 60, note: '' },
      { who: 'kim', why: '' },
    );
    const { body } = await viewer('GET', '/dns/explain?name=www.lon.example&type=A');
    expect(body).toMatchObject({
      ...{ question: 'www.lon.example. A', zone: 'lon.example.', rcode: 'NOERROR' },
      answers: [{ data: 'web7.lon.example.' }, { data: '10.0.1.7' }],
    });
    const owners = new Map(
      body.origins.map((origin: { name: string; owners: string[] }) => [
        origin.name,
        origin.owners,
      ]),
    );
    expect(owners.get('web7.lon.example.')).toEqual(['machine:C0MP000007']);
    expect(owners.get('www.lon.example.')).toEqual([expect.stringMatching(/^record:/)]);
    const missing = await viewer('GET', '/dns/explain?name=nope.other.example&type=TXT');
    expect(missing.body).toMatchObject({ zone: null, rcode: 'REFUSED', answers: [] });
    expect((await viewer('GET', '/dns/explain?name=a..b&type=A')).status).toBe(400);
  });

  it('an operator puts a stopped generation through, and back; a viewer cannot', async () => {
    const { dns, operator, viewer } = await open();
    dns.remove(...names(30).map(({ hardwarename }) => hardwarename));
    const stopped = await viewer('GET', '/dns');
    expect(stopped.body.faults).toMatchObject([{ code: 'shrink' }, { code: 'shrink' }]);
    expect((await viewer('GET', '/dns/pending')).body.text).toContain('- web7.lon.example.');
    expect((await viewer('POST', '/dns/accept')).status).toBe(403);
    const accepted = await operator('POST', '/dns/accept');
    expect(accepted.body).toMatchObject({ faults: [], held: null });
    const back = await operator('POST', '/dns/rollback', { body: { generation: 1 } });
    expect(back.body).toMatchObject({ held: 1 });
    expect((await viewer('GET', '/dns/explain?name=web7.lon.example')).body.rcode).toBe('NOERROR');
    expect((await operator('POST', '/dns/resume')).body.held).toBeNull();
    expect((await operator('POST', '/dns/rollback', { body: { generation: 99 } })).status).toBe(
      404,
    );
    const { generations, next } = (await viewer('GET', '/dns/generations')).body;
    expect(next).toBeUndefined();
    const ids: number[] = [];
    for (let cursor = ''; ; ) {
      const page = (await viewer('GET', `/dns/generations?limit=2${cursor}`)).body;
      expect(page.generations.length).toBeLessThanOrEqual(2);
      ids.push(...page.generations.map(({ id }: { id: number }) => id));
      if (page.next === undefined) break;
      cursor = `&cursor=${page.next}`;
    }
    expect(ids).toEqual(generations.map(({ id }: { id: number }) => id));
    expect(ids.length).toBeGreaterThan(2);
    expect((await viewer('GET', '/dns/generations?cursor=0')).status).toBe(400);
    expect((await viewer('GET', '/dns/generations?after=1')).status).toBe(400);
    expect(generations.map(({ cause }: { cause: string }) => cause).join()).toMatch(
      /accepted by .*operator/,
    );
  });

  it('records of people: added, listed, refused, removed', async () => {
    const { dns, operator, viewer } = await open();
    const body = { name: '_sip._tcp', type: 'SRV', data: '0 0 5060 web1' };
    const added = await operator('POST', '/dns/records', { body: { ...body, why: 'telephones' } });
    expect(added.status).toBe(201);
    expect(dns.events.after(0, 1000).find(({ name }) => name === 'dns.edited')?.data).toMatchObject(
      {
        ...{
          before: null,
          after: body,
          why: 'telephones',
          who: expect.stringContaining('operator'),
        },
      },
    );
    expect((await viewer('GET', '/dns/records')).body.records).toEqual([added.body]);
    const dangling = await operator('POST', '/dns/records', {
      body: { ...body, data: '0 0 1 no' },
    });
    expect(dangling).toMatchObject({ status: 409, body: { code: 'DNS_REFUSED' } });
    expect((await operator('DELETE', `/dns/records/${added.body.id}?why=moved`)).status).toBe(204);
    expect((await operator('DELETE', `/dns/records/${added.body.id}`)).status).toBe(404);
    expect((await viewer('POST', '/dns/records', { body })).status).toBe(403);
  });
});
