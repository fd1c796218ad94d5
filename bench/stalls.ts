/**
 * Stalls: how long after its last sign a boot has the name of its cause, when thousands stop at the same time.
 *
 * Firmware takes its address and is not heard of again: after 20 seconds each of these boots has stalled, is noticed, judged by
 * the real rules over its real packets, and named. The time is told from the last sign of a boot to its diagnosis, both as the
 * daemon wrote them down; the target is 90 seconds for the last of them. There is no peer: nothing else names causes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { lightLoad } from './dhcp-loads.ts';
import { SERVER_ADDRESS } from './dhcp-servers.ts';
import { startDaemon } from './support/daemon.ts';
import { createPair } from './support/network.ts';
import { requirePrograms } from './support/programs.ts';
import { withScope } from './support/scope.ts';
import { median, percentile, round } from './support/stats.ts';
import { atLeast, atMost, type TopicOptions, type TopicResult } from './support/topic.ts';

const BOOTS = 20_000;
const QUICK_BOOTS = 2000;
const RATE = 2000;
/** Of what the generator means to begin, it may miss a few at the end. */
const BEGUN_SHARE_MIN = 0.98;
const NAMED_WITHIN_SECONDS = 90;
const GIVE_UP_MS = 180_000;
const RELAY_ADDRESS = '10.99.0.2';
const POOL = { first: '10.99.16.0', last: '10.99.255.250' };

interface Named {
  readonly afterMs: number;
  readonly name: string;
}

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  requirePrograms('ip');
  const boots = quick ? QUICK_BOOTS : BOOTS;
  return withScope(async (scope) => {
    const pair = createPair(scope, {
      serverAddress: `${SERVER_ADDRESS}/16`,
      clientAddress: `${RELAY_ADDRESS}/16`,
    });
    const segment = {
      ...{ name: 'bench', iface: pair.serverIface, address: SERVER_ADDRESS },
      ...{ cidr: '10.99.0.0/16', pool: POOL, conflictProbe: false },
    };
    const daemon = await startDaemon({
      ...{ scope, namespace: pair.server },
      config: { dhcp: { segments: [segment] } },
    });
    const { completed, wrong } = await lightLoad.run({
      ...{ pair, server: SERVER_ADDRESS, relay: RELAY_ADDRESS, pool: POOL, firmware: true },
      ...{ rate: RATE, seconds: boots / RATE, clients: 50_000 },
    });
    if (wrong > 0) throw new Error(`${wrong} wrong replies`);
    log(`${completed} boots have their address, and stop`);
    const named = await allNamed(daemon.database, completed, log);
    return summarise(named, { completed, boots });
  });
}

async function allNamed(
  database: string,
  wanted: number,
  log: TopicOptions['log'],
): Promise<readonly Named[]> {
  for (const until = Date.now() + GIVE_UP_MS; ; await sleep(2000)) {
    const named = namedIn(database);
    log(`${named.length} of ${wanted} have a name`);
    if (named.length >= wanted || Date.now() > until) return named;
  }
}

function namedIn(database: string): Named[] {
  const db = new Sqlite(database, { readonly: true });
  try {
    return db
      .prepare<[], Named>(
        `SELECT min(events.at) - boots.last_at AS afterMs, data ->> 'diagnosis' AS name
         FROM events JOIN boots ON boots.id = events.boot WHERE events.name = 'boot.diagnosed' GROUP BY boots.id`,
      )
      .all();
  } finally {
    db.close();
  }
}

function summarise(
  named: readonly Named[],
  { completed, boots }: { completed: number; boots: number },
): TopicResult {
  const seconds = named.map(({ afterMs }) => afterMs / 1000);
  const last = named.length < completed ? GIVE_UP_MS / 1000 : Math.max(...seconds);
  const counts = Map.groupBy(named, ({ name }) => name);
  const ours = {
    boots: completed,
    named: named.length,
    medianSeconds: round(median(seconds), 1),
    p99Seconds: round(percentile(seconds, 0.99), 1),
    lastSeconds: round(last, 1),
    names: Object.fromEntries([...counts].map(([name, all]) => [name, all.length])),
  };
  return {
    ...{ topic: 'stalls', ours, peers: {}, ratio: {} },
    verdicts: [
      atLeast('boots that stopped', boots * BEGUN_SHARE_MIN, completed),
      atMost('seconds to the name of the last', NAMED_WITHIN_SECONDS, round(last, 1)),
    ],
    notes: ['from the last sign of a boot; 20 seconds of it are the patience of the rule'],
  };
}
