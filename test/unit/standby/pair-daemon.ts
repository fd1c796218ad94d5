/** What a daemon of the made-up pair is made of, each time that one starts: the rules under test, over its member's store. */
import { createFeeder, type Feeder } from '../../../src/standby/feeder.ts';
import { createFollowing, type Following } from '../../../src/standby/following.ts';
import { apartHoldSeconds, isSilent, isTogether } from '../../../src/standby/gate.ts';
import { createMoves, type Moves } from '../../../src/standby/moves.ts';
import { createPromises, type Promises } from '../../../src/standby/promises.ts';
import type { Place } from '../../../src/standby/protocol.ts';
import type { Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { HOLD_MS, MCLT_S } from './pair-form.ts';
import { keepWord } from './pair-places.ts';
import type { SimMember } from './pair-world.ts';

export interface SimDaemon {
  readonly feeder: Feeder;
  readonly moves: Moves;
  readonly promises: Promises;
  readonly following: Following;
}

export function startSimDaemon(member: SimMember): SimDaemon {
  const { store, world, told } = member;
  const standing = () => member.standing();
  const feeder = openFeeder(member);
  const moves = createMoves({
    before: store.before(member.wall()),
    ...{ head: () => store.head, mono: () => world.now },
    ...{ isTogether: () => isTogether(standing()), isSilent: () => isSilent(standing()) },
    isAlone: () => member.isAlone(),
    ...{ holdMs: HOLD_MS, apartMs: apartHoldSeconds(MCLT_S) * 1000 },
  });
  const leases = {
    byAddress: (_segment: string, address: Ipv4) => store.leases.get(address),
    byMac: (_segment: string, mac: Mac) =>
      [...store.leases.values()].find((row) => row.mac === mac),
  };
  const following = createFollowing({
    ...{ mcltSeconds: MCLT_S, standsBackSeconds: 4, standing, told, moves: store },
    leases: {
      byAddress: (segment, address) => {
        const row = leases.byAddress(segment, address);
        const expiresAt = ((row?.expiresAt ?? 0) + member.footing.ahead().leastMs) as Millis;
        return row && { ...row, expiresAt };
      },
    },
  });
  const promises = createPromises(
    {
      ...{ member: member.id, mcltSeconds: MCLT_S, head: () => store.head },
      ...{ leases, standing, told },
      moves: {
        formerly: (...of) =>
          (member.wasActive || member.line.id === 0 ? moves : store).formerly(...of),
        left: (...of) => member.note(moves.left(...of)),
      },
      aheadMs: () => (store.fromCopy ? member.footing.ahead().leastMs : 0),
      waits: () => feeder.waits(),
    },
    member.kept.unsure,
  );
  return { feeder, moves, promises, following };
}

function openFeeder(member: SimMember): Feeder {
  const { store, world, line } = member;
  const run = `${member.id}${member.run}.${world.now}`;
  const sendRows = (rows: readonly string[], to: number | undefined): void =>
    line.send((other) => {
      if (!other.mayTake()) return;
      other.store.apply(rows);
      if (to === undefined) return;
      other.store.place = { run, seq: to };
      other.line.send((back) => {
        back.feeder?.acked(to);
        back.promises.acked(to);
        back.moves.acked(to);
      });
    });
  const sendCopy = async (place: Place): Promise<void> => {
    const whole = store.whole();
    const { id } = line;
    await new Promise<void>((run) => {
      world.later.push({ at: world.now + Math.floor(world.random() * 4000), run });
    });
    if (line.id !== id) throw new Error('the line is lost');
    line.send((other) => {
      if (!other.mayTake()) return;
      keepWord(other, other.wall());
      other.store.replace(whole);
      other.store.place = place;
      other.keep({ unsure: [] });
    });
  };
  return createFeeder({
    log: {
      ...{ head: () => store.head, floor: () => 0, forget: () => undefined },
      read: (after) => [
        {
          ...{ table: 'addresses', columns: ['row'], key: [], gone: [] },
          rows: store.rowsAfter(after).map((row) => [row]),
        },
      ],
    },
    ...{ run, sendCopy, onWhole: () => member.whole(), onError: () => undefined },
    send(message) {
      if (message.kind !== 'rows') return;
      const rows = message.changes.flatMap(({ rows }) => rows.map(([row]) => String(row)));
      sendRows(rows, message.to);
    },
  });
}
