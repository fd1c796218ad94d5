/** What runs on a timer: stalls are looked for, tokens that have ended are forgotten, ServerDb tidies itself. */
import { startHousekeeping as startServerDbHousekeeping } from '../http/people/housekeeping.ts';
import { createReach, type Reach } from '../http/people/webhook-reach.ts';
import { createStallWatch } from '../inventory/stall-watch.ts';
import { limit } from '../limits.ts';
import { parseCidr } from '../wire/ipv4.ts';
import type { Millis } from '../wire/time.ts';
import { type Parts, systemClock } from './core.ts';

const mono = () => performance.now();
const HOUSEKEEPING_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** BMCs are where the configuration says so, and where a subnet on record does. */
function reachOf({ config, inventory }: Parts): Reach {
  const segments = config.dhcp.segments.filter(({ kind }) => kind === 'out-of-band');
  const configured = [...segments.map(({ cidr }) => cidr), ...config.bmc.networks];
  return createReach({
    allowed: config.peopleHttp.webhookNetworks,
    outOfBand() {
      const subnets = inventory.serverdb.records.list('subnet');
      const texts = subnets.flatMap(({ doc }) => (doc.use === 'out-of-band' ? [doc.cidr] : []));
      return [...configured, ...texts.flatMap((text) => parseCidr(text) ?? [])];
    },
  });
}

export function startHousekeeping(parts: Parts): void {
  const { inventory, log, config, recorder, flows } = parts;
  const watchStalls = createStallWatch({ ...inventory, clock: systemClock, mono });
  const { keepBootDays, keepDays } = config.events;
  const keep = { boot: keepBootDays, other: keepDays };
  parts.closers.push(
    startServerDbHousekeeping({
      ...{ inventory, clock: systemClock, log, keepDays: keep },
      reach: reachOf(parts),
    }),
  );
  const guarded = (run: () => void) => () => {
    try {
      run();
    } catch (err) {
      log.error({ err }, 'a periodic task failed');
    }
  };
  let again: NodeJS.Timeout | undefined;
  /**
   * In a storm there is more than one turn of it a second: where many have stopped, the next ones are looked for soon; where none
   * has, the recorder alone goes on with what it has left.
   */
  const watch = (looks: boolean): void => {
    clearTimeout(again);
    const stalled = looks ? watchStalls() : [];
    const more = config.recorder.enabled && recorder.tick(stalled);
    if (more || stalled.length > 0)
      again = setTimeout(
        guarded(() => watch(stalled.length > 0)),
        limit('flightTicksMs'),
      );
  };
  const stalls = setInterval(
    guarded(() => {
      flows.sample();
      watch(true);
    }),
    limit('stallTickMs'),
  );
  const tokens = setInterval(
    guarded(() => {
      const before = (systemClock() - limit('waitTokenMs')) as Millis;
      inventory.transaction(() => {
        inventory.tokens.forget(before);
        inventory.work.forget(before);
      });
      recorder.tidy(systemClock() - keepDays * DAY_MS);
    }),
    HOUSEKEEPING_MS,
  );
  parts.closers.push(() => {
    clearInterval(stalls);
    clearTimeout(again);
    clearInterval(tokens);
    guarded(recorder.close)();
  });
}
