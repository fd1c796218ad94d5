/** From where an appliance goes on: from central's cursor where that is of this feed, else with a snapshot. */
import { describe, expect, it } from 'vitest';
import { type FeedEvent, type FromAppliance, markOf } from '../../../src/federation/protocol.ts';
import { createSession, type SessionPorts } from '../../../src/federation/session.ts';
import { limit } from '../../../src/limits.ts';

const gone = (name: string) => ({ name, gone: true }) as const;

const EPOCH = '0123456789ab';
const event = (id: number): FeedEvent => ({ id, at: id * 10, name: 'machine.state', data: {} });

type Ports = Partial<SessionPorts> & { of?: (id: number) => FeedEvent };

function sessionOf(ids: readonly number[], { of = event, ...ports }: Ports) {
  const sent: FromAppliance[] = [];
  const events = ids.map(of);
  const session = createSession({
    ...{ site: 'lon', appliance: 'one', program: 'test', now: () => 0 },
    after: (cursor, count) => events.filter(({ id }) => id > cursor).slice(0, count),
    lastId: () => ids.at(-1) ?? 0,
    floor: () => 0,
    epoch: () => EPOCH,
    machine: () => undefined,
    machinesAfter: () => [],
    request: () => undefined,
    requestsAfter: () => [],
    ...{ membersOf: () => [], pools: () => [], pool: gone },
    ...{ job: (id: string) => ({ id, gone: true }) as const, jobIds: () => [] },
    carryOut: () => Promise.reject(new Error('nothing was asked for')),
    snapshotId: () => 'snapshot',
    send: (message) => sent.push(message),
    unsentBytes: () => 0,
    onCertificate: () => undefined,
    onRefused: () => undefined,
    onError: () => undefined,
    ...ports,
  });
  return { session, sent };
}

/** What is sent after a welcome with this cursor. @param ids of the events that are there */
function answerTo(
  welcome: { cursor: number | null; mark?: string; takes?: string[]; lacks?: string[] },
  ids: readonly number[],
  ports: Ports = {},
) {
  const { session, sent } = sessionOf(ids, ports);
  session.heard({ kind: 'welcome', clock: 0, ...welcome });
  return sent;
}

describe('a cursor of central', () => {
  const ids = [1, 2, 3, 5, 6];
  const streams = [
    expect.objectContaining({ kind: 'batch', to: 6, mark: `${EPOCH} 60 machine.state` }),
  ];
  const isSnapshot = expect.objectContaining({ kind: 'snapshot' });

  it('is gone on from when its event is the one that central remembers', () => {
    expect(answerTo({ cursor: 3, mark: markOf(EPOCH, event(3)) }, ids)).toEqual(streams);
  });

  it('is gone on from when its event was compacted away, and the epoch is this one', () => {
    expect(answerTo({ cursor: 4, mark: markOf(EPOCH) }, ids)).toEqual(streams);
    expect(answerTo({ cursor: 4, mark: markOf(EPOCH, event(4)) }, ids)).toEqual(streams);
  });

  it('is gone on from when its event is the one that central remembers, whatever the epoch: after a change of places', () => {
    expect(answerTo({ cursor: 3, mark: markOf('ba9876543210', event(3)) }, ids)).toEqual(streams);
  });

  it.each([
    ['of another epoch, on another event', { cursor: 3, mark: markOf('ba9876543210', event(2)) }],
    ['of another epoch, without its event', { cursor: 3, mark: markOf('ba9876543210') }],
    ['of another epoch, its event compacted away', { cursor: 4, mark: markOf('ba9876543210') }],
    ['on another event', { cursor: 3, mark: markOf(EPOCH, event(2)) }],
    ['as an earlier program has written it', { cursor: 3, mark: '30 machine.state' }],
    ['beyond the last event', { cursor: 7, mark: markOf(EPOCH) }],
    ['of nothing yet', { cursor: null }],
  ])('%s is answered with a snapshot', (_, welcome) => {
    expect(answerTo(welcome, ids)[0]).toEqual(isSnapshot);
  });
});

describe('the feed', () => {
  it('gathers while a few batches are on their way, and goes on with each word that central has one', () => {
    const sent: FromAppliance[] = [];
    const ids: number[] = [];
    const session = createSession({
      ...{ site: 'lon', appliance: 'one', program: 'test', now: () => 0, epoch: () => EPOCH },
      after: (cursor, count) =>
        ids
          .filter((id) => id > cursor)
          .slice(0, count)
          .map(event),
      ...{ lastId: () => ids.length, floor: () => 0, machine: () => undefined },
      ...{ machinesAfter: () => [], request: () => undefined, requestsAfter: () => [] },
      ...{ membersOf: () => [], pools: () => [], pool: gone },
      ...{ job: (id: string) => ({ id, gone: true }) as const, jobIds: () => [] },
      carryOut: () => Promise.reject(new Error('nothing was asked for')),
      ...{ snapshotId: () => 'snapshot', send: (message) => sent.push(message) },
      ...{ unsentBytes: () => 0, onCertificate: () => undefined, onRefused: () => undefined },
      onError: () => undefined,
    });
    session.heard({ kind: 'welcome', clock: 0, cursor: 0, mark: markOf(EPOCH) });
    for (let id = 1; id <= 100; id++) {
      ids.push(id);
      session.pump();
    }
    const most = limit('federationBatchesAheadMax');
    expect(sent).toHaveLength(most);
    session.heard({ kind: 'ack', cursor: 1 });
    expect(sent).toHaveLength(most + 1);
    expect(sent.at(-1)).toMatchObject({ kind: 'batch', from: most, to: 100 });
    session.heard({ kind: 'ack', cursor: 100 });
    expect(sent).toHaveLength(most + 1);
  });
});

describe('requests of central', () => {
  const request = { status: 'working', done: 1, failed: 0, why: '', endedAt: 0 } as const;
  const ask = (id: string) => (id.startsWith('fleet') ? { id, ...request } : undefined);

  it('travel with the events that have brought them further, each once; the site’s own stay', () => {
    const about = ['fleet-1', 'own-1', 'fleet-1', 'fleet-2'];
    const of = (id: number): FeedEvent => ({
      ...event(id),
      ...{ name: 'request.claimed', data: { request: about[id - 1], place: 0 } },
    });
    const [batch] = answerTo({ cursor: 0, mark: markOf(EPOCH) }, [1, 2, 3, 4], {
      of,
      request: ask,
    });
    expect(batch).toMatchObject({ kind: 'batch', to: 4 });
    const requests = [ask('fleet-1'), ask('fleet-2')];
    expect(batch).toEqual(expect.objectContaining({ requests }));
  });

  it('are pages of a snapshot behind the machines, before its end', () => {
    const machines = ['A', 'B'].map((hardwarename) => ({ hardwarename, version: 1 }));
    const requests = ['fleet-1', 'fleet-2', 'fleet-3'].map((id) => ({
      id,
      ...request,
      places: [],
    }));
    const sent = answerTo({ cursor: null }, [1, 2], {
      machinesAfter: (after) => machines.filter((one) => one.hardwarename > after).slice(0, 1),
      requestsAfter: (after) => requests.filter(({ id }) => id > after).slice(0, 2),
      ...{ membersOf: () => [], pools: () => [], pool: gone },
    });
    const pages = sent.map((message) =>
      message.kind === 'snapshot'
        ? [
            ...message.machines.map(({ hardwarename }) => hardwarename),
            ...(message.requests ?? []).map(({ id }) => id),
            ...(message.done ? ['done'] : []),
          ]
        : message.kind,
    );
    expect(pages).toEqual([['A'], ['B'], ['fleet-1', 'fleet-2'], ['fleet-3'], ['done']]);
  });
});

describe('jobs of the site', () => {
  const ended = { retries: 0, code: '', detail: '', createdAt: 1, startedAt: 2, endedAt: 3 };
  const job = (id: string) => ({
    ...{ id, action: 'reset', version: 1, machine: 'A', params: {}, requester: 'eve', user: 'eve' },
    ...{ priority: 0, status: 'finished' as const, step: 'reset', ...ended },
  });
  const of = (id: number): FeedEvent => ({
    ...event(id),
    ...{ name: 'job.step', data: { job: `job-${Math.min(id, 2)}` } },
  });
  const ports = { of, job, jobIds: () => ['job-1', 'job-2'] };
  const known = { cursor: 0, mark: markOf(EPOCH) };

  it('travel with the events that have brought them further, each once, to a central that takes them', () => {
    const [batch] = answerTo({ ...known, takes: ['jobs', 'other'] }, [1, 2, 3], ports);
    expect(batch).toMatchObject({ kind: 'batch', to: 3, jobs: [job('job-1'), job('job-2')] });
    const [toOlder] = answerTo(known, [1, 2, 3], ports);
    expect(toOlder).toMatchObject({ kind: 'batch', to: 3 });
    expect(toOlder).not.toHaveProperty('jobs');
  });

  it('that were asked for are answered with the event behind which they are told, to a central that takes it', async () => {
    const intents = [{ id: 'one', who: 'ann', body: { kind: 'job' } }];
    const of = { kind: 'result', intent: 'one', status: 'done', result: {} } as const;
    const answered = async (takes: string[]) => {
      let events = 7;
      const { session, sent } = sessionOf([], {
        lastId: () => events,
        carryOut: async () => {
          events = 8;
          return of;
        },
      });
      session.heard({ kind: 'welcome', ...known, cursor: 7, clock: 0, takes });
      session.heard({ kind: 'intents', intents });
      events = 9;
      await new Promise(setImmediate);
      return sent;
    };
    expect(await answered(['jobs', 'answer-events'])).toEqual([{ ...of, event: 8 }]);
    expect(await answered(['jobs'])).toEqual([of]);
  });

  it('are in a snapshot for a central that takes them alone', () => {
    const pages = answerTo({ cursor: null, takes: ['jobs'] }, [1], ports);
    expect(pages).toMatchObject([
      { kind: 'snapshot', jobs: [{ id: 'job-1' }, { id: 'job-2' }] },
      { kind: 'snapshot', jobs: [], pools: [], done: { cursor: 1 } },
    ]);
    const [older, ...others] = answerTo({ cursor: null }, [1], ports);
    expect([Object.keys(older ?? {}).sort(), others]).toEqual([
      ['done', 'kind', 'machines', 'pools', 'snapshot'],
      [],
    ]);
  });

  it('and pools are told whole, before the events, when central lacks them', () => {
    const welcome = { ...known, takes: ['jobs'] };
    const all = answerTo({ ...welcome, lacks: ['pools', 'jobs', 'other'] }, [1], ports);
    expect(all.map(({ kind }) => kind)).toEqual(['whole', 'whole', 'batch']);
    expect(all[0]).toMatchObject({ jobs: [{ id: 'job-1' }, { id: 'job-2' }] });
    expect(all[1]).toMatchObject({ whole: 'snapshot', pools: [], done: ['pools', 'jobs'] });
    const [pools, batch] = answerTo({ ...welcome, lacks: ['pools'] }, [1], ports);
    expect(pools).toEqual({ kind: 'whole', whole: 'snapshot', pools: [], done: ['pools'] });
    expect(batch).toMatchObject({ kind: 'batch' });
    expect(answerTo({ ...welcome, lacks: [] }, [1], ports)).toMatchObject([{ kind: 'batch' }]);
  });
});
