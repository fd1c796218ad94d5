/**
 * Every operation that changes something, against the three questions that guard a machine: is it another squad's, is it
 * protected, is it in use? The table has a row for each operation of the API; a new one without a row fails here.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Answer, type Caller, createPeople, type People } from '../../../support/people.ts';

const NIC = '52:54:00:77:00:01';
const BMC = '52:54:00:77:00:0b';

interface Guarded {
  /** The call upon `TARGET`. `id` is the merge that made it what it is. */
  call(caller: Caller, id: number): Promise<Answer>;
  /** What an operator of the site and of another squad gets; `done` where that is the site's people's. */
  readonly foreign: string;
  readonly protected: string;
  /** What its own squad's operator gets while it is in use, without a release. */
  readonly inUse: string;
}

const post = (path: string, body: object) => (caller: Caller) => caller('POST', path, { body });
const at = (rest: string) => `/machines/TARGET/${rest}`;
/** The result of the one item that a call for many was for. */
const itemOf = ({ body }: Answer) => body.results[0].code ?? 'done';
const many =
  (path: string, body: object) =>
  async (caller: Caller): Promise<Answer> => {
    const answer = await caller('POST', path, { body });
    if (answer.status !== 200) return answer;
    const code = itemOf(answer);
    return { ...answer, status: code === 'done' ? 200 : 400, body: { code } };
  };

const TABLE: Record<string, Guarded> = {
  'PATCH /machines/{hardwarename}': {
    call: (caller) => caller('PATCH', '/machines/TARGET', { body: { role: 'x' }, version: '*' }),
    ...{ foreign: 'FORBIDDEN', protected: 'done', inUse: 'done' },
  },
  'DELETE /machines/{hardwarename}': {
    call: (caller) => caller('DELETE', '/machines/TARGET', { version: '*' }),
    ...{ foreign: 'FORBIDDEN', protected: 'MACHINE_PROTECTED', inUse: 'STILL_REFERENCED' },
  },
  'POST /machines/{hardwarename}/transitions': {
    call: post(at('transitions'), { to: 'broken', why: 'x' }),
    // A machine that nobody uses is the site's to move; docs/access.md.
    ...{ foreign: 'done', protected: 'MACHINE_PROTECTED', inUse: 'RELEASE_NEEDED' },
  },
  'POST /machines/{hardwarename}/hostname': {
    call: post(at('hostname'), { role: 'web' }),
    ...{ foreign: 'FORBIDDEN', protected: 'done', inUse: 'done' },
  },
  'POST /machines/{hardwarename}/addresses': {
    call: post(at('addresses'), { mac: NIC, subnet: 'net', address: '10.0.0.5' }),
    ...{ foreign: 'done', protected: 'MACHINE_PROTECTED', inUse: 'done' },
  },
  'DELETE /machines/{hardwarename}/addresses/{mac}': {
    call: (caller) => caller('DELETE', at(`addresses/${NIC}`)),
    ...{ foreign: 'done', protected: 'MACHINE_PROTECTED', inUse: 'done' },
  },
  'POST /machines/{hardwarename}/nics': {
    call: post(at('nics'), { mac: '52:54:00:77:00:99' }),
    ...{ foreign: 'done', protected: 'done', inUse: 'done' },
  },
  'DELETE /machines/{hardwarename}/nics/{mac}': {
    call: (caller) => caller('DELETE', at(`nics/${NIC}`)),
    ...{ foreign: 'done', protected: 'MACHINE_PROTECTED', inUse: 'RELEASE_NEEDED' },
  },
  'POST /machines/{hardwarename}/merge': {
    call: post('/machines/OTHER-1/merge', { gone: 'TARGET', why: 'x' }),
    ...{ foreign: 'FORBIDDEN', protected: 'MACHINE_PROTECTED', inUse: 'RELEASE_NEEDED' },
  },
  'POST /merges/{id}/split': {
    call: (caller, id) => caller('POST', `/merges/${id}/split`, { body: { why: 'x' } }),
    ...{ foreign: 'FORBIDDEN', protected: 'MACHINE_PROTECTED', inUse: 'RELEASE_NEEDED' },
  },
  'POST /machines/bulk': {
    call: many('/machines/bulk', {
      ...{ machines: ['TARGET'], move: { to: 'broken' }, why: 'x', confirm: 1 },
    }),
    ...{ foreign: 'done', protected: 'MACHINE_PROTECTED', inUse: 'RELEASE_NEEDED' },
  },
  'POST /machines/import': {
    call: many('/machines/import', {
      ...{ machines: [{ hardwarename: 'TARGET', role: 'x' }], confirm: 1 },
    }),
    ...{ foreign: 'FORBIDDEN', protected: 'done', inUse: 'done' },
  },
  'POST /jobs': {
    call: post('/jobs', { action: 'power-off', target: 'TARGET' }),
    ...{ foreign: 'FORBIDDEN', protected: 'MACHINE_PROTECTED', inUse: 'RELEASE_NEEDED' },
  },
  'POST /jobs/bulk': {
    call: many('/jobs/bulk', { action: 'power-off', targets: ['TARGET'], confirm: 1 }),
    ...{ foreign: 'FORBIDDEN', protected: 'MACHINE_PROTECTED', inUse: 'RELEASE_NEEDED' },
  },
};

/** Operations that change no machine on record, by what they are about. */
const NO_MACHINE: readonly RegExp[] = [
  /^POST \/machines$/,
  // Where a BMC is belongs to the site's people, as the machine's place does (docs/access.md); a BMC that another record
  // names is refused by ownership.test.ts.
  /^(?:POST|DELETE) \/bmcs\//,
  /^POST \/machines\/\{hardwarename\}\/bmc\/(?:confirm|retry)$/,
  // A job is called off by who asked for it, or by the squad: test/unit/jobs/api.test.ts.
  /^POST \/jobs\/(?:\{id\}\/cancel|pause|resume)$/,
  /^\w+ \/(?:login|logout|users|tokens|credentials|webhooks|backups|deliveries|dns|quirks|images|image-uploads|image-store)\b/,
  /^\w+ \/(?:racks|subnets|naming-rules|hardware-types|squads|policies|bmc-profiles|roles|breakers)\b/,
  // It is tried on a copy, and changes nothing: test/unit/cli/time-travel.test.ts.
  /^POST \/configuration\/diff$/,
  // Which of two appliances is the active one: test/unit/standby.
  /^POST \/standby\/(?:take-over|hand-back)$/,
  // They take capacity, and give it to squads: test/unit/provisioning.
  /^\w+ \/(?:requests|pools|resets)\b/,
];

interface Scene {
  readonly people: People;
  readonly merge: number;
  readonly own: Caller;
  readonly foreign: Caller;
}

/** TARGET, which belongs to `music`, has a NIC with an address, a BMC, and what a merge brought; and OTHER-1 beside it. */
async function scene(state: 'held' | 'in-use', isProtected = false): Promise<Scene> {
  const people = await createPeople();
  const { admin } = people;
  people.squad('music', 'search');
  const put = (path: string, body: object) => admin('PUT', path, { body, version: 0 });
  await put('/subnets/net', { cidr: '10.0.0.0/28' });
  await put('/naming-rules/all', { pattern: '{role}{n}' });
  const enter = (body: object) => admin('POST', '/machines', { body });
  const bmc = { bmcMac: BMC, bmcAddress: '10.9.0.1' };
  await enter({ serial: 'TARGET', squad: 'music', state, nics: [{ mac: NIC }], ...bmc });
  await enter({ serial: 'OTHER-1', squad: 'music' });
  await enter({ serial: 'TWIN-1', squad: 'music', nics: [{ mac: '52:54:00:77:00:02' }] });
  await admin('POST', '/machines/TARGET/addresses', { body: { mac: NIC, subnet: 'net' } });
  const merged = await admin('POST', '/machines/TARGET/merge', {
    body: { gone: 'TWIN-1', why: 'x' },
  });
  expect(merged.status).toBe(201);
  if (isProtected)
    await admin('PATCH', '/machines/TARGET', { body: { protected: true }, version: '*' });
  return {
    ...{ people, merge: merged.body.id },
    own: people.as('operator', { music: 'operator' }),
    foreign: people.as('operator', { search: 'operator' }),
  };
}

const outcome = ({ status, body }: Answer): string => (status < 300 ? 'done' : body.code);

/** Everything that there is on TARGET: what a refused call must leave as it was. */
const snapshot = ({ people: { world } }: Scene) => ({
  machines: world.inventory.machines.list(),
  addresses: world.db.prepare('SELECT * FROM addresses').all(),
});

describe.each(Object.keys(TABLE))('%s', (operation) => {
  const row = TABLE[operation] as Guarded;
  const tried: readonly (readonly [string, string, () => Promise<[Scene, Caller]>])[] = [
    [
      'another squad’s machine',
      row.foreign,
      async () => {
        const made = await scene('held');
        return [made, made.foreign];
      },
    ],
    [
      'another squad’s machine in use',
      // Merge and the like refuse before they look at the squad's word; in use nothing is the site's.
      'FORBIDDEN',
      async () => {
        const made = await scene('in-use');
        return [made, made.foreign];
      },
    ],
    [
      'a protected machine',
      row.protected,
      async () => {
        const made = await scene('held', true);
        return [made, made.people.admin];
      },
    ],
    [
      'a machine in use, without its release',
      row.inUse,
      async () => {
        const made = await scene('in-use');
        return [made, made.own];
      },
    ],
  ];
  it.each(tried)('on %s: %s', async (_what, expected, make) => {
    const [made, caller] = await make();
    const before = snapshot(made);
    expect(outcome(await row.call(caller, made.merge))).toBe(expected);
    if (expected !== 'done') expect(snapshot(made)).toEqual(before);
  });
});

describe('the table', () => {
  let operations: string[] = [];
  beforeAll(() => {
    const { paths } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as {
      paths: Record<string, Record<string, unknown>>;
    };
    operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => method !== 'get')
        .map((method) => `${method.toUpperCase()} ${path.replace('/api/v1', '')}`),
    );
  });

  it('has every operation that changes something', () => {
    const missing = operations.filter(
      (name) => !(name in TABLE) && !NO_MACHINE.some((pattern) => pattern.test(name)),
    );
    expect(missing).toEqual([]);
    expect(Object.keys(TABLE).filter((name) => !operations.includes(name))).toEqual([]);
  });
});
