/** From where an appliance goes on: from central's cursor where that is of this feed, else with a snapshot. */
import { describe, expect, it } from 'vitest';
import { type FeedEvent, type FromAppliance, markOf } from '../../../src/federation/protocol.ts';
import { createSession } from '../../../src/federation/session.ts';

const EPOCH = '0123456789ab';
const event = (id: number): FeedEvent => ({ id, at: id * 10, name: 'machine.state', data: {} });

/** What is sent after a welcome with this cursor. @param ids of the events that are there */
function answerTo(welcome: { cursor: number | null; mark?: string }, ids: readonly number[]) {
  const sent: FromAppliance[] = [];
  const events = ids.map(event);
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
    carryOut: () => Promise.reject(new Error('nothing was asked for')),
    snapshotId: () => 'snapshot',
    send: (message) => sent.push(message),
    unsentBytes: () => 0,
    onCertificate: () => undefined,
    onRefused: () => undefined,
    onError: () => undefined,
  });
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

  it.each([
    ['of another epoch', { cursor: 3, mark: markOf('ba9876543210', event(3)) }],
    ['of another epoch, its event compacted away', { cursor: 4, mark: markOf('ba9876543210') }],
    ['on another event', { cursor: 3, mark: markOf(EPOCH, event(2)) }],
    ['as an earlier program has written it', { cursor: 3, mark: '30 machine.state' }],
    ['beyond the last event', { cursor: 7, mark: markOf(EPOCH) }],
    ['of nothing yet', { cursor: null }],
  ])('%s is answered with a snapshot', (_, welcome) => {
    expect(answerTo(welcome, ids)[0]).toEqual(isSnapshot);
  });
});
