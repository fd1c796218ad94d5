import { describe, expect, it } from 'vitest';
import {
  createUnframer,
  createVlanSwitch,
  entering,
  leaving,
} from '../../../qemu-lab/vlan-switch.ts';

const A = '0200000000aa';
const B = '0200000000bb';
const EVERYBODY = 'ffffffffffff';

const frame = (to: string, from: string, tag?: number, payload = 'c0ffee') =>
  Buffer.from(
    `${to}${from}${tag === undefined ? '' : `8100${tag.toString(16).padStart(4, '0')}`}0800${payload}`,
    'hex',
  );

describe('a port', () => {
  const access = { untagged: 100 };
  const trunk = { untagged: 1, tagged: [100, 200] };
  it.each([
    ['an access port takes what has no tag into its VLAN', access, undefined, 100],
    ['a tag with VLAN 0 says a priority and no VLAN', access, 0xe000, 100],
    ['and refuses a tag, also of its own VLAN', access, 100, undefined],
    ['a trunk takes a tag that it is a member of, whatever its priority', trunk, 0xa0c8, 200],
    ['and what has none into the native VLAN', trunk, undefined, 1],
    ['and refuses others', trunk, 300, undefined],
    ['without a native VLAN a tag is needed', { tagged: [100] }, undefined, undefined],
  ] as const)('%s', (_what, plan, tag, vlan) => {
    const inside = entering(plan, frame(A, B, tag));
    expect(inside?.vlan).toBe(vlan);
    if (inside) expect(inside.frame).toEqual(frame(A, B));
  });

  it('sends its own VLAN without a tag, others with theirs, and no more', () => {
    const inside = (vlan: number) => ({ vlan, frame: frame(A, B) });
    expect(leaving(access, inside(100))).toEqual(frame(A, B));
    expect(leaving(access, inside(200))).toBeUndefined();
    expect(leaving(trunk, inside(1))).toEqual(frame(A, B));
    expect(leaving(trunk, inside(200))).toEqual(frame(A, B, 200));
    expect(leaving(trunk, inside(300))).toBeUndefined();
  });

  it('refuses what is cut off in its header or its tag', () => {
    expect(entering(access, frame(A, B).subarray(0, 13))).toBeUndefined();
    expect(entering(trunk, frame(A, B, 100).subarray(0, 16))).toBeUndefined();
  });
});

describe('a switch', () => {
  const build = () => {
    const lan = createVlanSwitch();
    const heard: string[] = [];
    const port = (name: string, plan: Parameters<typeof lan.port>[1]) =>
      lan.port(name, plan, (bytes) => heard.push(`${name} ${bytes.toString('hex')}`));
    const flush = () => heard.splice(0);
    return { port, flush };
  };
  const said = (name: string, bytes: Buffer) => `${name} ${bytes.toString('hex')}`;

  it('keeps VLANs apart, and tells one MAC in two of them by the VLAN', () => {
    const { port, flush } = build();
    const trunk = port('trunk', { tagged: [100, 200] });
    const one = port('one', { untagged: 100 });
    const two = port('two', { untagged: 200 });
    one.receive(frame(EVERYBODY, A));
    expect(flush()).toEqual([said('trunk', frame(EVERYBODY, A, 100))]);
    two.receive(frame(EVERYBODY, A));
    expect(flush()).toEqual([said('trunk', frame(EVERYBODY, A, 200))]);
    trunk.receive(frame(A, B, 100));
    trunk.receive(frame(A, B, 200));
    expect(flush()).toEqual([said('one', frame(A, B)), said('two', frame(A, B))]);
  });

  it('sends to everybody of the VLAN until it has learnt, and never back', () => {
    const { port, flush } = build();
    const trunk = port('trunk', { untagged: 1, tagged: [100] });
    const one = port('one', { untagged: 100 });
    port('two', { untagged: 100 });
    port('native', { untagged: 1 });
    trunk.receive(frame(A, B, 100));
    expect(flush()).toEqual([said('one', frame(A, B)), said('two', frame(A, B))]);
    one.receive(frame(B, A));
    expect(flush()).toEqual([said('trunk', frame(B, A, 100))]);
    trunk.receive(frame(A, B, 100));
    expect(flush()).toEqual([said('one', frame(A, B))]);
    one.receive(frame(A, A));
    expect(flush()).toEqual([]);
  });

  it('forgets what it has learnt of a port that is moved to another VLAN', () => {
    const { port, flush } = build();
    const trunk = port('trunk', { tagged: [100, 200] });
    const one = port('one', { untagged: 100 });
    one.receive(frame(EVERYBODY, A));
    one.configure({ untagged: 200 });
    flush();
    trunk.receive(frame(A, B, 100));
    expect(flush()).toEqual([]);
    trunk.receive(frame(A, B, 200));
    expect(flush()).toEqual([said('one', frame(A, B))]);
  });
});

it('a stream is cut into frames wherever it breaks', () => {
  const frames = ['01', '0203', '', '04050607'].map((text) => Buffer.from(text, 'hex'));
  const stream = Buffer.concat(
    frames.map((bytes) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return Buffer.concat([length, bytes]);
    }),
  );
  for (let size = 1; size <= stream.length; size++) {
    const heard: Buffer[] = [];
    const take = createUnframer((bytes) => heard.push(bytes));
    for (let at = 0; at < stream.length; at += size) take(stream.subarray(at, at + size));
    expect(heard).toEqual(frames);
  }
});
