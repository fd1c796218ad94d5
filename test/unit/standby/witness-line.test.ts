/** Why the witness or the other appliance is not heard is in the log, and not with every try. */
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { FLEET_FILES } from '../../../src/daemon/membership.ts';
import { openMeetings } from '../../../src/daemon/standby-meeting.ts';
import { openWitness } from '../../../src/daemon/standby-witness.ts';
import { dialPair, listenForPair } from '../../../src/platform/pair-link.ts';
import { encodeFrame } from '../../../src/standby/protocol.ts';
import type { Question } from '../../../src/standby/witness.ts';
import { formatQuestion, witnessQuestion } from '../../../src/standby/witness-form.ts';
import { parseIpv4 } from '../../../src/wire/ipv4.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const QUESTION: Question = {
  ...{ kind: 'renew', member: 'a', epoch: 1, leaseMs: 5000, mayTake: false, n: 1 },
};

function witness(membership?: string) {
  const folder = temporaryFolder('witness');
  if (membership !== undefined)
    for (const name of Object.values(FLEET_FILES)) writeFileSync(join(folder, name), membership);
  const told: string[] = [];
  const warn = ({ err }: { err: Error }) => void told.push(err.message);
  return { ask: openWitness(folder, { warn } as never), told };
}

it.each([undefined, '{', 'null'])(
  'says once that there is no way to the witness: %s',
  async (text) => {
    const { ask, told } = witness(text);
    for (let n = 0; n < 3; n++) expect(await ask(QUESTION, 1000)).toBeUndefined();
    expect(told).toHaveLength(1);
  },
);

it('hears of one who has another key, and gives no line', async () => {
  let lines = 0;
  const line = () => {
    lines += 1;
  };
  const stranger = Promise.withResolvers<Error>();
  const at = { host: '127.0.0.1', port: 0, key: Buffer.alloc(32, 1) };
  const server = await listenForPair({ ...at, onStranger: stranger.resolve }, line);
  const { port } = server.address() as AddressInfo;
  const socket = dialPair({ ...at, port, key: Buffer.alloc(32, 2) }, line);
  const refused = new Promise<Error>((heard) => socket.once('error', heard));
  expect(await stranger.promise).toBeInstanceOf(Error);
  expect(await refused).toBeInstanceOf(Error);
  expect(lines).toBe(0);
  await new Promise((closed) => server.close(closed));
});

it('goes on between versions: a question of before is taken, and what is asked has what was asked for then', () => {
  expect(witnessQuestion.parse({ ...QUESTION, order: true })).toEqual(QUESTION);
  expect(witnessQuestion.parse(QUESTION)).toEqual(QUESTION);
  expect(JSON.parse(formatQuestion(QUESTION))).toEqual({ ...QUESTION, order: false });
});

it('says which protocol the other appliance speaks when it is another one, whatever its hello looks like', async () => {
  const folder = temporaryFolder('meeting');
  const keyFile = join(folder, 'key');
  writeFileSync(keyFile, '01'.repeat(32), { mode: 0o600 });
  const told: string[] = [];
  const warn = ({ why }: { why: string }) => void told.push(why);
  const settings = { member: 'a', address: parseIpv4('127.0.0.1'), port: 0, keyFile };
  const onMeeting = vi.fn();
  const meetings = await openMeetings({
    ...{ settings, log: { warn }, silenceMs: 5000, onMeeting },
    hello: () => ({ kind: 'hello' }),
  } as never);
  const old = encodeFrame(JSON.stringify({ kind: 'hello', protocol: 2, site: 's' }));
  const at = { host: '127.0.0.1', port: meetings.port, key: Buffer.alloc(32, 1) };
  const ended = Promise.withResolvers<void>();
  dialPair(at, (socket) => {
    socket.resume().once('close', ended.resolve);
    socket.write(old);
  });
  await ended.promise;
  await expect.poll(() => told).toEqual(['protocol 2, and not 4']);
  expect(onMeeting).not.toHaveBeenCalled();
  await meetings.close();
});
