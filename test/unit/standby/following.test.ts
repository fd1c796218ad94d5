/** What one that follows says to machines: from its copy, which it cannot change, and nothing that the active one does not hold to. */
import type { Database } from 'better-sqlite3';
import { afterEach, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config.ts';
import { type CoreRun, openCore } from '../../../src/daemon/core.ts';
import { OPTION, u32 } from '../../../src/dhcp/options.ts';
import { respond } from '../../../src/dhcp/respond.ts';
import { enterLease } from '../../../src/dhcp/server.ts';
import { subnetSchema } from '../../../src/inventory/record-kinds.ts';
import { openChangeLog } from '../../../src/standby/change-log.ts';
import { setPlace } from '../../../src/standby/copy.ts';
import { createFollowing } from '../../../src/standby/following.ts';
import { inheritMoves, openMoveLog, readMoves } from '../../../src/standby/move-log.ts';
import { createTold, type ToldOne } from '../../../src/standby/told.ts';
import { parseBootToken } from '../../../src/wire/ids.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { addressOf, asks, names, numberOf, shown } from '../../support/outcomes.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { dhcpPacket, ipv4, mac } from '../../support/world.ts';

const [ONE, TWO] = [mac('52:54:00:00:00:01'), mac('52:54:00:00:00:02')];
const X = ipv4('10.77.0.20');
const CAUSE = { who: 'test', why: 'test' };
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

/** An active one with two machines, of which the first has an address, and one that follows the same file. */
function pair() {
  const folder = temporaryFolder('following');
  const config = parseConfig(`database: { file: ${folder}/r.db }
dhcp: { segments: [{ name: provisioning, iface: prov0, address: 10.77.0.1, cidr: 10.77.0.0/24, pools: [{ first: 10.77.0.100, last: 10.77.0.200 }] }] }`);
  const opened = (run: CoreRun) => {
    const core = openCore(config, undefined, run);
    closers.push(core.close);
    return core;
  };
  const active = opened({});
  const { transaction, serverdb } = active.inventory;
  transaction(() => {
    const doc = subnetSchema.parse({ cidr: '10.77.0.0/24', use: 'provisioning' });
    serverdb.records.put('subnet', { name: 'provisioning', doc }, CAUSE);
    for (const [serial, of] of [
      ['S1', ONE],
      ['S2', TWO],
    ] as const)
      serverdb.editor.enter(
        { serial, manufacturer: '', product: '', state: 'held', nics: [{ mac: of, name: '' }] },
        CAUSE,
      );
  });
  const hardwarenameOf = (of: Mac) => {
    const found = active.inventory.machines.stateByMac(of)?.hardwarename;
    if (!found) throw new Error(`no machine has ${of}`);
    return found;
  };
  const reserve = (of: Mac) =>
    transaction(() => {
      const address = { mac: of, subnet: 'provisioning', address: '10.77.0.20' };
      serverdb.addresses.reserve({ ...address, hardwarename: hardwarenameOf(of) }, 'test');
    });
  const free = (of: Mac) =>
    transaction(() => serverdb.addresses.free({ mac: of, owner: hardwarenameOf(of) }, 'test'));
  reserve(ONE);
  const follower = opened({ copy: { serves: true, aheadMs: () => 0 } });
  return { active, follower, reserve, free };
}

/** The notes of an active one that is not in touch. */
const logAt = (time: { now: number }) => ({
  ...{ holdMs: 122_000, apartMs: 122_000, wall: () => time.now, mono: () => time.now },
  longestMs: 86_400_000,
  ...{ head: () => 7, isTogether: () => false, isSilent: () => false, isAlone: () => false },
});

const endLog = (db: Database) => {
  for (const what of ['INSERT', 'DELETE']) db.exec(`DROP TRIGGER temp.standby_moved_${what}`);
};

function toldAt(time: { now: number }, before: ToldOne[] = []) {
  const kept: ToldOne[][] = [];
  const told = createTold({
    ...{ before, mono: () => time.now, soon: (task) => task() },
    keep: (all) => void kept.push(all),
  });
  return { told, kept };
}

function serving({ follower }: Pick<ReturnType<typeof pair>, 'follower'>) {
  const time = { now: Date.now() };
  const { told, kept } = toldAt(time);
  const moves = readMoves(follower.db);
  const rules = createFollowing({
    ...{ mcltSeconds: 600, standsBackSeconds: 4, leases: follower.view.leases, told, moves },
    standing: () => ({ mode: 'read-only', follows: true, inTouch: true, quiet: false }),
  });
  follower.pairing.rules = rules;
  const ask = (packet: ReturnType<typeof dhcpPacket>, secs: number) =>
    follower.inventory.transactionUnsynced(() => {
      const now = time.now as Millis;
      const outcome = respond({ packet: { ...packet, secs }, iface: 'prov0' }, follower.view, now);
      const event = enterLease(outcome, (change) => rules.entering(change, now));
      if (event) follower.inventory.events.append(event);
      return outcome;
    });
  return { ask, told, kept, time, moves };
}

it('steps in for a reserved address alone, when its machine has been asking for some time', () => {
  const both = pair();
  const { ask } = serving(both);
  const discover = dhcpPacket({ mac: ONE, type: 1 });
  expect(shown(ask(discover, 0))).toBe('drop the-partners');
  expect(shown(ask(discover, 4))).toBe('offer 10.77.0.20');
  expect(shown(ask(dhcpPacket({ mac: TWO, type: 1 }), 60))).toBe('drop the-partners');
  const chosen = dhcpPacket({ mac: ONE, type: 3 }, [names(), asks('10.77.0.20')]);
  const ack = ask(chosen, 0);
  expect(shown(ack)).toBe('ack 10.77.0.20');
  expect(addressOf(ack, OPTION.serverId)).toBe('10.77.0.1');
  expect(numberOf(ack, OPTION.leaseTime)).toBe(120);
  // A lease of the pool is the active one's to renew.
  const { leases, transaction } = both.active.inventory;
  const expiresAt = (Date.now() + 3_600_000) as Millis;
  transaction(() =>
    leases.apply({
      ...{ segment: 'provisioning', address: ipv4('10.77.0.101'), mac: TWO, state: 'bound' },
      ...{ expiresAt, clientId: undefined, hostname: '', boot: undefined },
    }),
  );
  const renewal = dhcpPacket({ mac: TWO, type: 3, ciaddr: ipv4('10.77.0.101') });
  expect(shown(ask(renewal, 60))).toBe('drop the-partners');
});

it('tells a machine what to boot, and writes nothing of it into the copy', () => {
  const both = pair();
  const { ask } = serving(both);
  const { active, follower } = both;
  const before = active.db.serialize();
  const offer = ask(dhcpPacket({ mac: ONE, type: 1, client: 'ipxe' }), 9);
  const url = offer.kind === 'reply' ? offer.reply.file : '';
  const token = parseBootToken(/boot\/([^/.]+)/.exec(url)?.[1] ?? '');
  if (!token) throw new Error(`no token in ${url}`);
  expect(follower.inventory.tokens.find(token)).toMatchObject({ mac: ONE, purpose: 'boot' });
  expect(follower.inventory.boots.latest(ONE)?.client).toBe('ipxe');
  expect(active.inventory.tokens.find(token)).toBeUndefined();
  expect(active.db.serialize().equals(before)).toBe(true);
  const { transaction, serverdb } = follower.inventory;
  expect(() => transaction(() => serverdb.access.bootstrap())).toThrow('readonly');
});

it('hears of what changes in the copy, and holds to what it has said itself', async () => {
  const both = pair();
  const { ask, kept, told, time } = serving(both);
  const asked = (of: Mac) =>
    shown(ask(dhcpPacket({ mac: of, type: 3 }, [[OPTION.requestedAddress, u32(X)]]), 9));
  expect(asked(ONE)).toBe('ack 10.77.0.20');
  both.free(ONE);
  both.reserve(TWO);
  both.follower.inventory.reread(new Set(['addresses']));
  expect(asked(ONE)).toBe('drop the-partners');
  expect(asked(TWO)).toBe('drop the-partners');
  let isKept = false;
  told.whenKept(() => {
    isKept = true;
  });
  expect(isKept).toBe(true);
  // Nor after a restart.
  const again = toldAt(time, kept.at(-1) ?? []);
  expect(again.told.isAnothers('provisioning', X, TWO)).toBe(true);
  time.now += 121_000;
  expect(again.told.isAnothers('provisioning', X, TWO)).toBe(false);
  // That a NIC is among those with an address is read within a second.
  await expect.poll(() => asked(TWO), { timeout: 5000 }).toBe('ack 10.77.0.20');
});

it('notes whose an address was with the change, until the other one knows and what it said is over', () => {
  const both = pair();
  const { db, inventory } = both.active;
  const time = { now: 0 };
  const { head } = openChangeLog(db);
  const open = () => openMoveLog(db, { ...logAt(time), head, isTogether: () => true });
  const log = open();
  both.free(ONE);
  both.reserve(TWO);
  expect(() =>
    inventory.transaction(() => {
      db.prepare('DELETE FROM addresses').run();
      throw new Error('undone');
    }),
  ).toThrow('undone');
  expect(log.formerly('provisioning', X)).toEqual([ONE, '', TWO]);
  log.acked(head() - 1);
  time.now += 122_000;
  expect(log.formerly('provisioning', X)).toEqual([ONE, '', TWO]);
  endLog(db);
  const restarted = open();
  expect([...restarted.formerly('provisioning', X)].sort()).toEqual(['', ONE]);
  restarted.acked(head());
  expect(restarted.formerly('provisioning', X)).not.toEqual([]);
  restarted.together();
  // They may have been apart before: then the other one may have given it to anybody.
  expect([...restarted.formerly('provisioning', X)].sort()).toEqual(['', ONE]);
  time.now += 122_000;
  expect(restarted.formerly('provisioning', X)).toEqual([]);
  restarted.tidy(inventory.transaction);
  const left = db.prepare("SELECT count(*) FROM meta WHERE key LIKE 'standby_moved%'").pluck();
  expect(left.get()).toBe(0);
});

it('keeps an address that a client has left for what it may have been told of it while they were apart', () => {
  const both = pair();
  const time = { now: 0 };
  let [current, silent] = [true, false];
  const log = openMoveLog(both.active.db, {
    ...{ ...logAt(time), isTogether: () => current, isSilent: () => silent },
  });
  log.left('provisioning', X, { mac: ONE, leftMs: 600_000 });
  expect(log.formerly('provisioning', X)).toEqual([ONE]);
  log.acked(8);
  expect(log.formerly('provisioning', X)).toEqual([]);
  current = false;
  log.left('provisioning', X, { mac: ONE, leftMs: 600_000 });
  log.acked(8);
  expect(log.formerly('provisioning', X)).toEqual([ONE]);
  time.now += 600_000;
  expect(log.formerly('provisioning', X)).toEqual([]);
  // While it may be active itself it may renew it again and again; else it says what its copy says.
  log.left('provisioning', X, { mac: ONE, leftMs: 600_000 });
  time.now += 602_000;
  expect(log.formerly('provisioning', X)).toEqual([ONE]);
  silent = true;
  expect(log.formerly('provisioning', X)).toEqual([]);
});

it('says of a moved address, as a follower, what the active one has noted of it', () => {
  const both = pair();
  const { ask, moves } = serving(both);
  const log = openMoveLog(both.active.db, logAt({ now: 0 }));
  const asked = (of: Mac) =>
    shown(ask(dhcpPacket({ mac: of, type: 3 }, [[OPTION.requestedAddress, u32(X)]]), 9));
  both.free(ONE);
  both.reserve(TWO);
  both.follower.inventory.reread(new Set(['addresses']));
  moves.reread();
  expect(log.formerly('provisioning', X)).toContain(ONE);
  expect(asked(TWO)).toBe('drop the-partners');
  // It is over for both of them when the active one says so.
  both.active.db.prepare("DELETE FROM meta WHERE key LIKE 'standby_moved%'").run();
  moves.reread();
  return expect.poll(() => asked(TWO), { timeout: 5000 }).toBe('ack 10.77.0.20');
});

it('holds to what is noted when it takes over with its copy, and to what it has told itself', () => {
  const both = pair();
  const { db } = both.active;
  const time = { now: 0 };
  openMoveLog(db, logAt(time)).left('provisioning', X, { mac: TWO, leftMs: 300_000 });
  both.free(ONE);
  endLog(db);
  // What is noted by another clock, 50 seconds ahead of ours.
  inheritMoves(db, { now: -50_000, holdMs: 122_000, longestMs: 600_000, aheadMs: -50_000 });
  time.now = -50_000;
  let alone = false;
  const log = openMoveLog(db, { ...logAt(time), isAlone: () => alone });
  expect([...log.formerly('provisioning', X)].sort()).toEqual([ONE, TWO]);
  time.now += 122_000;
  expect(log.formerly('provisioning', X)).toEqual([TWO]);
  time.now += 178_000;
  expect(log.formerly('provisioning', X)).toEqual([]);
  log.left('provisioning', X, { mac: TWO, leftMs: 300_000 });
  log.told('provisioning', X, { mac: ONE, leftMs: 60_000 });
  expect(new Set(readMoves(db).formerly('provisioning', X))).toEqual(new Set([ONE, TWO]));
  // Where there is no other one, what was told here holds all the same.
  alone = true;
  expect(log.formerly('provisioning', X)).toEqual([ONE]);
  time.now += 60_000;
  expect(log.formerly('provisioning', X)).toEqual([]);
});

it("holds to a note of its copy for as long as that is there when it is apart: its own clock may be ahead of the writer's", () => {
  const both = pair();
  const { db } = both.active;
  const time = { now: 0 };
  openMoveLog(db, logAt(time)).told('provisioning', X, { mac: ONE, leftMs: 60_000 });
  endLog(db);
  db.transaction(() => setPlace(db, { run: 'r', seq: 1 }))();
  time.now += 90_000;
  const apart = openMoveLog(db, logAt(time));
  time.now += 90_000;
  expect(apart.formerly('provisioning', X)).toEqual([ONE]);
});

it('goes on with what the version before has noted', () => {
  const { active } = pair();
  const { db, inventory } = active;
  const time = { now: 0 };
  const put = db.prepare('INSERT INTO meta (key, value) VALUES (?, ?)');
  put.run(`standby_moved a provisioning ${X} ${ONE}`, '');
  put.run(`standby_moved b provisioning ${X} ${TWO}`, '600000');
  put.run(`standby_moved b provisioning ${X + 1} `, '');
  const rows = db.prepare("SELECT key, value FROM meta WHERE key LIKE 'standby_moved%'").raw();
  const log = openMoveLog(db, { ...logAt(time), isTogether: () => true });
  expect(rows.all()).toEqual([
    [`standby_moved left provisioning ${X} ${TWO}`, '600000'],
    [`standby_moved reserved provisioning ${X} ${ONE}`, '0'],
    [`standby_moved reserved provisioning ${X + 1} `, '0'],
  ]);
  expect([...log.formerly('provisioning', X)].sort()).toEqual([ONE, TWO]);
  log.acked(8);
  log.together();
  time.now += 700_000;
  log.tidy(inventory.transaction);
  expect(rows.all()).toEqual([]);
});
