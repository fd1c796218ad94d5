import { describe, expect, it } from 'vitest';
import { unmerge } from '../../../src/dhcp/merged.ts';
import { MESSAGE, OPTION, text } from '../../../src/dhcp/options.ts';
import { BOOTREPLY, decodePacket, encodePacket } from '../../../src/dhcp/packet.ts';
import { dhcpPacket, mac } from '../../support/world.ts';

function reply(index: number, domainBytes = 0): Uint8Array {
  const hex = index.toString(16).padStart(2, '0');
  const packet = dhcpPacket({ mac: mac(`02:00:00:00:00:${hex}`), type: MESSAGE.offer }, [
    [OPTION.domain, text('d'.repeat(domainBytes))],
  ]);
  return encodePacket({ ...packet, op: BOOTREPLY, xid: index });
}

describe('what a capture shows merged', () => {
  it.each([0, 100, 131])(
    'comes apart into the replies that were sent (domain of %i bytes)',
    (bytes) => {
      const sent = Array.from({ length: 9 }, (_, index) => reply(index, bytes));
      const pieces = unmerge(Buffer.concat(sent));
      expect(pieces.map((piece) => Buffer.from(piece))).toEqual(
        sent.map((one) => Buffer.from(one)),
      );
      const xids = pieces.map((piece) => {
        const decoded = decodePacket(piece);
        return decoded.ok ? decoded.value.xid : undefined;
      });
      expect(xids).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    },
  );

  it('leaves alone what is one message, and what is none', () => {
    expect(unmerge(reply(1))).toEqual([reply(1)]);
    const noise = new Uint8Array(3000);
    expect(unmerge(noise)).toEqual([noise]);
    const requests = Buffer.concat(
      Array.from({ length: 9 }, (_, index) =>
        encodePacket({ ...dhcpPacket({ mac: mac('02:00:00:00:00:01'), type: 1 }), xid: index }),
      ),
    );
    expect(unmerge(requests)).toEqual([requests]);
  });
});
