import dgram from 'node:dgram';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { decodeMessage, encodeMessage } from '../../../src/dns/message.ts';
import { CLASS, FLAG, OPCODE, TYPE } from '../../../src/dns/types.ts';
import { answersNotify, openNotifier } from '../../../src/nameserver/notify.ts';
import { dnsName, soa } from '../../support/dns.ts';

const HOST = '127.0.0.1';
const name = dnsName('lon.example');
const zone = { name, serial: 7, soa: soa('lon.example') };
const NOTIFY = FLAG.QR | (OPCODE.notify << 11);

describe('the answer to a NOTIFY', () => {
  const told = { id: 77, zone, secondary: { address: '2001:db8::2', port: 5353, key: undefined } };
  const from = { address: '2001:db8:0:0::2', port: 5353 };
  const question = { name, type: TYPE.SOA, class: CLASS.IN };
  const answer = { id: 77, flags: NOTIFY, questions: [question] };

  it('fits in everything, whatever the case of the name and the form of the address', () => {
    expect(answersNotify(answer, from, told)).toBe(true);
    const upper = name.replaceAll('l', 'L');
    expect(
      answersNotify({ ...answer, questions: [{ ...question, name: upper }] }, from, told),
    ).toBe(true);
  });

  it.each([
    ['another id', { ...answer, id: 78 }, from],
    ['another address', answer, { ...from, address: '2001:db8::3' }],
    ['another port', answer, { ...from, port: 53 }],
    ['no response', { ...answer, flags: OPCODE.notify << 11 }, from],
    ['another opcode', { ...answer, flags: FLAG.QR }, from],
    ['no question', { ...answer, questions: [] }, from],
    ['two questions', { ...answer, questions: [question, question] }, from],
    ['another zone', { ...answer, questions: [{ ...question, name: dnsName('example') }] }, from],
    ['another type', { ...answer, questions: [{ ...question, type: TYPE.A }] }, from],
    ['another class', { ...answer, questions: [{ ...question, class: CLASS.CH }] }, from],
  ])('is not one with %s', (_name, message, source) => {
    expect(answersNotify(message, source, told)).toBe(false);
  });

  it('of somebody else does not keep the secondary from being told again; its own does, also a refusal', async () => {
    const [secondary, stranger] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
    secondary.bind(0, HOST);
    await once(secondary, 'listening');
    const outcomes: object[] = [];
    let told = 0;
    secondary.on('message', (bytes, { port }) => {
      told += 1;
      const { id = 0, questions = [] } = decoded(bytes);
      const sections = { answers: [], authority: [], additional: [] };
      const reply = encodeMessage({ id, flags: NOTIFY | 5, questions, ...sections });
      (told === 1 ? stranger : secondary).send(reply ?? expect.fail(), port, HOST);
    });
    const notifier = openNotifier({
      secondaries: [{ address: HOST, port: secondary.address().port, key: undefined }],
      ...{ from: [HOST], nowSeconds: () => 0 },
      onOutcome: (outcome) => void outcomes.push(outcome),
    });
    notifier.notify(zone);
    await expect.poll(() => outcomes.length, { timeout: 10_000 }).toBe(1);
    expect(told).toBe(2);
    expect(outcomes).toEqual([{ zone: 'lon.example.', secondary: HOST, heard: true, rcode: 5 }]);
    notifier.close();
    secondary.close();
    stranger.close();
  });
});

function decoded(bytes: Uint8Array) {
  const message = decodeMessage(bytes);
  return message.ok ? message.value : expect.fail(message.code);
}
