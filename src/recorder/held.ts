/**
 * The boots that go on, each with its packets in memory, until it has been quiet for a while; then they are one row.
 *
 * Bounded: above `flightBootsInMemoryMax` the oldest are written although they go on, and from twice that on, where a storm outruns
 * the disk, they are dropped and counted. A boot that goes on after it was written has its further packets put behind those.
 */
import type { Inventory } from '../inventory/inventory.ts';
import { limit } from '../limits.ts';
import type { BootId } from '../wire/ids.ts';
import {
  addPacket,
  type KeptPacket,
  openPacketLog,
  type PacketLog,
  packetsIn,
  storedForm,
} from './packets.ts';
import type { Booting } from './questions.ts';
import type { FlightStore } from './store.ts';

export interface Held extends Booting {
  readonly log: PacketLog;
  changedAt: number;
}

export interface HeldBoots {
  of(boot: BootId): Held | undefined;
  begin(booting: Booting): Held;
  add(one: Held, packets: readonly KeptPacket[], at: number): void;
  /** What is not written yet. */
  packets(boot: BootId): KeptPacket[];
  /** Writes what has been quiet, or all at the end of time. @returns whether there is more, for another turn */
  write(now: number): boolean;
  /** Boots that there was no room for, ever. */
  dropped(): number;
}

export function holdBoots({
  store,
  inventory,
  quietMs,
}: {
  store: Pick<FlightStore, 'keep' | 'trim'>;
  inventory: Pick<Inventory, 'transactionUnsynced'>;
  quietMs: number;
}): HeldBoots {
  const held = new Map<BootId, Held>();
  let dropped = 0;
  return {
    of: (boot) => held.get(boot),
    begin({ boot, mac }) {
      const one: Held = { boot, mac, log: openPacketLog(), changedAt: 0 };
      held.set(boot, one);
      // `write` takes what is above the limit; only a storm that outruns the disk loses packets.
      if (held.size <= 2 * limit('flightBootsInMemoryMax')) return one;
      const oldest = held.keys().next().value;
      if (oldest !== undefined && held.delete(oldest)) dropped += 1;
      return one;
    },
    add(one, packets, at) {
      for (const packet of packets) addPacket(one.log, packet);
      one.changedAt = at;
    },
    packets(boot) {
      const log = held.get(boot)?.log;
      return log ? packetsIn(storedForm(log)) : [];
    },
    write(now) {
      const max = Number.isFinite(now) ? limit('flightWritesMax') : held.size;
      let surplus = held.size - limit('flightBootsInMemoryMax');
      const due: Held[] = [];
      for (const one of held.values()) {
        if (due.length === max) break;
        if (surplus-- > 0 || now - one.changedAt >= quietMs) due.push(one);
      }
      if (due.length === 0) return false;
      inventory.transactionUnsynced(() => {
        for (const { boot, mac, log } of due) store.keep(boot, mac, log);
        store.trim();
      });
      for (const { boot } of due) held.delete(boot);
      return due.length === max;
    },
    dropped: () => dropped,
  };
}
