/** What `reveille decode` says of datagrams that cannot be decoded, and to whom. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodePcap } from '../../../qemu-lab/pcap-file.ts';
import { decode } from '../../../src/cli/decode.ts';
import { MESSAGE, OPTION, text } from '../../../src/dhcp/options.ts';
import { encodeAck } from '../../../src/tftp/packet.ts';
import { hear, rrq } from '../../support/capture-scenes.ts';
import {
  analyse,
  ask,
  ethernetFrame,
  exchange,
  frameOf,
  MACHINE,
  type Shot,
} from '../../support/captures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const spoilt = (edit: (bytes: Uint8Array) => void): Shot =>
  ask(MESSAGE.discover, {
    edit: (bytes) => {
      const copy = Uint8Array.from(bytes);
      edit(copy);
      return copy;
    },
  });
const found = (...shots: Shot[]) => {
  const { machines, problems } = analyse(shots);
  return [...problems, ...machines.flatMap((machine) => machine.problems)].map(
    ({ check, detail }) => `${check}: ${detail}`,
  );
};
const FROM = `from ${MACHINE} 0.0.0.0:68`;

describe('a DHCP message that cannot be decoded', () => {
  it.each<[string, Shot, RegExp]>([
    [
      'an option that overruns',
      spoilt((bytes) => bytes.set([12, 200, 0x61], 243)),
      /^dhcp-malformed: option-overruns at byte \d+ of 300: option 12 \(host name\) says that it has 200 bytes, and goes beyond its field; /,
    ],
    ['another op', spoilt((bytes) => bytes.set([7])), /bad-op at byte 0 .*: it begins with 7, /],
    [
      'no options',
      spoilt((bytes) => bytes.fill(0, 236)),
      /bad-magic .*: 00000000 where options begin with 63825363: BOOTP without options, or no DHCP/,
    ],
    [
      'a field of options that does not end',
      spoilt((bytes) => {
        bytes.set([52, 1, 2, 255], 243);
        bytes.fill(0, 44, 108);
      }),
      /no-end-option .*: option 52 says that sname holds options, and they do not end there/,
    ],
  ])('says what is wrong, who sent it and whose it is: %s', (_what, shot, expected) => {
    const [line = '', ...others] = found(shot);
    expect(line).toMatch(expected);
    expect(line.endsWith(`; ${FROM}, of ${MACHINE}`)).toBe(true);
    expect(others).toEqual([]);
  });

  it('has no machine where it is too short to name one', () => {
    const [line = ''] = found({ ...ask(MESSAGE.discover), payload: new Uint8Array(12) });
    expect(line).toBe(
      `dhcp-malformed: too-short at byte 12 of 12: a message has 240 bytes at least; ${FROM}`,
    );
  });

  it('is shown to who looks at that machine alone', async () => {
    const file = join(temporaryFolder('malformed'), 'a.pcap');
    const shots = [spoilt((bytes) => bytes.set([7])), ...exchange('os')];
    writeFileSync(file, encodePcap(shots.map((shot) => frameOf(ethernetFrame(shot)))));
    const { text, errors } = await decode(file, { mac: MACHINE, problems: true });
    expect(text).toContain('error dhcp-malformed #1: bad-op');
    expect(errors).toBe(true);
    const other = await decode(file, { mac: '52:54:00:99:99:99', problems: true });
    expect(other.text).not.toContain('dhcp-malformed');
  });
});

describe('what is no TFTP request on port 69', () => {
  it.each<[string, Shot, string]>([
    [
      'an ACK for the wrong port',
      { ...hear(encodeAck(1)), to: ['10.77.0.1', 69] },
      'tftp-malformed: ACK to port 69, where requests go: the server has answered from another port; ',
    ],
    [
      'a request that does not end',
      { ...rrq(), payload: Uint8Array.of(0, 1, 0x61) },
      'tftp-malformed: unterminated at byte 3 of 3: its last word does not end in a NUL; ',
    ],
    [
      'something else',
      { ...rrq(), payload: Uint8Array.of(9, 9) },
      'tftp-malformed: unknown-opcode at byte 0 of 2: no TFTP packet; ',
    ],
  ])('is told of: %s', (_what, shot, expected) => {
    const [line = '', ...others] = found(shot);
    expect(line.startsWith(`${expected}from `)).toBe(true);
    expect(others).toEqual([]);
  });
});

describe('option 60 PXEClient beside an option 43', () => {
  const offer = (value: number[]) =>
    exchange('uefi', {
      offer: {
        options: [
          [OPTION.vendorClass, text('PXEClient')],
          [OPTION.vendorSpecific, Uint8Array.from(value)],
        ],
      },
    });
  it('of another vendor sends UEFI to port 4011 all the same', () =>
    expect(found(...offer([1, 4, 192, 168, 0, 1]))).toEqual(['pxe-class-alone: by 10.77.0.1']));
  it('of PXE does not', () => expect(found(...offer([6, 1, 8, 255]))).toEqual([]));
});
