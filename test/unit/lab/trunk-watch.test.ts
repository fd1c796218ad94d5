/** What the lab's judge of a trunk lets pass, and what not. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { watchTrunk } from '../../../qemu-lab/trunk-watch.ts';
import { MESSAGE } from '../../../src/dhcp/options.ts';
import { parseCidr } from '../../../src/wire/ipv4.ts';
import { answer, ask, ethernetFrame, framesOf, type Shot } from '../../support/captures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const dir = temporaryFolder('trunk');

const networks = new Map(
  [
    [0, '10.80.0.0/24'],
    [100, '10.77.0.0/24'],
    [200, '10.82.0.0/24'],
  ].flatMap(([tag, text]) => {
    const cidr = parseCidr(String(text));
    return cidr ? [[Number(tag), cidr] as const] : [];
  }),
);

function judge(...shots: readonly (readonly [shot: Shot, tag: number, fromAppliance?: boolean])[]) {
  const file = join(dir, 'trunk.pcap');
  const watch = watchTrunk(networks, file);
  for (const [shot, tag, fromAppliance = false] of shots)
    watch.add(ethernetFrame(shot, tag === 0 ? [] : [tag]), fromAppliance);
  watch.close();
  return { ...watch, frames: framesOf(Uint8Array.from(readFileSync(file))) };
}

describe('a watched trunk', () => {
  it('counts what is right, and keeps a capture of it', () => {
    const { faults, counts, answersTo, frames } = judge(
      [ask(MESSAGE.discover), 100],
      [answer(MESSAGE.offer), 100, true],
    );
    expect(faults).toEqual([]);
    expect(counts(100)).toMatchObject({ frames: 2, answers: 1 });
    expect(answersTo(0x1234)).toEqual([100]);
    expect(frames).toHaveLength(2);
  });

  it.each([
    ['an answer with the tag of another VLAN', 200],
    ['an answer without a tag', 0],
  ])('names %s, and its addresses', (_what, tag) => {
    const { faults } = judge([ask(MESSAGE.discover), 100], [answer(MESSAGE.offer), tag, true]);
    expect(faults.join('\n')).toContain(`the answer 1234 has tag ${tag}, its question 100`);
    expect(faults.join('\n')).toContain(`10.77.0.100 is given with tag ${tag}`);
    expect(faults.join('\n')).toContain(`10.77.0.1 is in a frame with tag ${tag}`);
  });

  it('names whatever else is in another network than that of its tag', () => {
    const stray: Shot = {
      ...{ atMs: 0, from: ['10.82.0.7', 2000], to: ['10.82.0.1', 69] },
      payload: Uint8Array.of(0, 1),
    };
    expect(judge([stray, 200]).faults).toEqual([]);
    expect(judge([stray, 200]).counts(200).tftp).toBe(1);
    expect(judge([stray, 100]).faults).toEqual([
      '10.82.0.7 is in a frame with tag 100',
      '10.82.0.1 is in a frame with tag 100',
    ]);
  });
});
