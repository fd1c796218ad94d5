/**
 * DECLINE, RELEASE and INFORM (RFC 2131 4.3.3 to 4.3.5). The first two change only what the client itself holds and are
 * never answered; the third is answered and changes nothing.
 */
import { limit } from '../limits.ts';
import { formatIpv4, IPV4_ANY, type Ipv4 } from '../wire/ipv4.ts';
import { heldAt } from './allocate.ts';
import { type Asked, bootAnswer, drop, leaseChange, parameterReply } from './asked.ts';
import { MESSAGE, OPTION } from './options.ts';
import { addressOption } from './packet.ts';
import type { Outcome, Segment } from './ports.ts';
import { sameWire } from './select-segment.ts';

/**
 * RFC 2131 4.3.3: somebody else answers on that address. It stays out of use for a day. Only who was acknowledged an address
 * can find that out: what was merely offered, or is nobody's, would otherwise be taken out of use by anybody's word.
 *
 * Who declines whatever he is given would empty the pool: with one MAC, with many behind one port, or with many whose port no
 * relay names. Beyond a number for each of these, refusals take the address from the client alone: it goes to the end of the
 * queue, so a client that means it still gets a different one each time.
 */
export function decline(asked: Asked): Outcome {
  const { packet, mac, view, now } = asked;
  const address = addressOption(packet, OPTION.requestedAddress);
  const segment =
    address === undefined ? undefined : sameWire(view.segments, asked.segment, address);
  if (!segment || address === undefined) return drop('not-its-lease');
  const held = heldAt(asked, segment, address);
  const isItsLease = held?.state === 'bound' && held.address === address && held.expiresAt > now;
  if (!isItsLease) return drop('not-its-lease');
  const forMs = mayQuarantine(asked, segment, address) ? limit('declineQuarantineMs') : 0;
  return {
    kind: 'silent',
    lease: leaseChange(asked, {
      ...{ segment: segment.name, address, state: 'declined', boot: undefined },
      forMs,
    }),
    event: {
      name: 'dhcp.declined',
      mac,
      data: { address: formatIpv4(address), quarantineSeconds: forMs / 1000 },
    },
  };
}

function mayQuarantine({ view, mac }: Asked, segment: Segment, address: Ipv4): boolean {
  const { inSegment, behindPort } = view.leases.quarantinesBeside(segment.name, address);
  return (
    view.leases.quarantined(segment.name, mac) < limit('declinedPerMacMax') &&
    behindPort < limit('declinedPerPortMax') &&
    inSegment < segment.quarantinedMax
  );
}

/** RFC 2131 4.3.4: frees only what this client holds. The mapping is kept for its return. */
export function release(asked: Asked): Outcome {
  const { packet, mac, view } = asked;
  const segment = sameWire(view.segments, asked.segment, packet.ciaddr) ?? asked.segment;
  const held = heldAt(asked, segment, packet.ciaddr);
  if (!held) return drop('unknown-client');
  if (held.state !== 'bound' || held.address !== packet.ciaddr) return drop('not-its-lease');
  return {
    kind: 'silent',
    lease: leaseChange(asked, {
      ...{ segment: segment.name, address: held.address, state: 'released', boot: undefined },
      guestOf: null,
      forMs: 0,
    }),
    event: { name: 'dhcp.released', mac, data: { address: formatIpv4(held.address) } },
  };
}

/**
 * RFC 2131 4.3.5: parameters only. A client that leaves `ciaddr` empty, as some do, is answered where it asked from; one
 * that does so behind a relay is told by the relay's broadcast (`replyFlags`).
 */
export function inform(asked: Asked): Outcome {
  const { packet, view } = asked;
  // It gets no address and leaves no event: only a boot that it begins counts.
  const answer = bootAnswer(asked, { established: true });
  if (!answer) return drop('newcomers-limited');
  // Its relay may be in another subnet of the same wire.
  const segment = sameWire(view.segments, asked.segment, packet.ciaddr) ?? asked.segment;
  const reply = parameterReply(asked, answer, segment);
  const nowhere = packet.ciaddr === IPV4_ANY && packet.giaddr === IPV4_ANY;
  return { kind: 'reply', type: MESSAGE.ack, reply, ...(nowhere ? { to: 'source' } : {}) };
}
