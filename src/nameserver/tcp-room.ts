/**
 * Room for TCP connections, shared by all listeners: so many in all, so many of one network; and who goes when there is none.
 *
 * A network is an IPv4 address, or the /64 of an IPv6 one: whoever has one address of a /64 has 2^64 of them (RFC 4291
 * section 2.5.4), so limits for single ones would limit nobody.
 *
 * Whoever comes is let in, and somebody goes for him: of the network that holds the most, the connection that has been
 * idle for the longest time. Both halves have their reason:
 * - The largest network pays, or a few addresses with 32 connections each would push out everybody who has one.
 * - The longest idle, not the newest: one that has just come has its question on the way. If newcomers went first, 512
 *   connections that ask nothing would keep everybody out, by a newcomer each; as it is, each newcomer has 512 arrivals'
 *   time for its question. What the longest idle loses is a handshake when it asks again (RFC 7766 section 6.2.4).
 * One that is being answered never goes; one whose answers wait for its reader is idle since it stopped reading, because
 * whoever reads nothing could otherwise stay for ever.
 */
import { parseAddress } from '../dns/reverse.ts';

export interface Guest {
  readonly network: string;
  /** Since when nothing was done for it, on any clock that only rises; `undefined` while something is. */
  readonly idleSince: number | undefined;
}

export interface RoomSize {
  readonly most: number;
  readonly mostOfNetwork: number;
}

export class TcpRoom<G extends Guest> {
  private readonly size: RoomSize;
  private readonly guests = new Set<G>();
  private readonly counts = new Map<string, number>();

  constructor(size: RoomSize) {
    this.size = size;
  }

  get taken(): number {
    return this.guests.size;
  }

  /** Lets a guest in. @returns whether it may stay, and who has to be sent off for it: that one has left already */
  admit(guest: G): { readonly stays: boolean; readonly goes?: G } {
    const { size, guests, counts } = this;
    const ofNetwork = counts.get(guest.network) ?? 0;
    const tooMany = ofNetwork >= size.mostOfNetwork;
    let goes: G | undefined;
    if (tooMany || guests.size >= size.most) {
      goes = this.longestIdle(tooMany ? guest.network : undefined);
      if (!goes) return { stays: false };
      this.leave(goes);
    }
    guests.add(guest);
    counts.set(guest.network, (counts.get(guest.network) ?? 0) + 1);
    return goes ? { stays: true, goes } : { stays: true };
  }

  /** It is gone; nothing happens where it was gone already. */
  leave(guest: G): void {
    if (!this.guests.delete(guest)) return;
    const left = (this.counts.get(guest.network) ?? 1) - 1;
    if (left > 0) this.counts.set(guest.network, left);
    else this.counts.delete(guest.network);
  }

  private longestIdle(network: string | undefined): G | undefined {
    let found: G | undefined;
    let [foundCount, foundSince] = [0, Number.POSITIVE_INFINITY];
    for (const guest of this.guests) {
      const { idleSince, network: of } = guest;
      if (idleSince === undefined || (network !== undefined && of !== network)) continue;
      const count = this.counts.get(of) ?? 0;
      if (count < foundCount || (count === foundCount && idleSince >= foundSince)) continue;
      [found, foundCount, foundSince] = [guest, count, idleSince];
    }
    return found;
  }
}

/** @param address as text, in any form; one that cannot be read is a network of its own */
export function networkOf(address: string): string {
  const octets = parseAddress(address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, ''));
  if (octets === undefined) return address;
  return octets.length === 4 ? octets : octets.slice(0, 8);
}
