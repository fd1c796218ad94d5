/** Provisioning put together: the desks for whoever asks, and the engines that carry requests out and keep pools. */
import { openDnsSource } from '../inventory/dns-source.ts';
import { fetchHealth } from '../platform/health-probe.ts';
import { type DeskParts, openRequestDesk, type RequestDesk } from '../provisioning/desk.ts';
import { createRequestEngine } from '../provisioning/engine.ts';
import { openPoolDesk, type PoolDesk } from '../provisioning/pool-desk.ts';
import { createPoolEngine } from '../provisioning/pool-engine.ts';
import { forgetProvisioning } from '../provisioning/retention.ts';
import { createWarmKeeper } from '../provisioning/warm-keeper.ts';
import { keepForgetting } from './forgetting.ts';
import type { JobParts } from './jobs.ts';

export function openProvisioning(
  parts: JobParts,
  jobs: DeskParts['jobs'],
): { readonly provisioning: RequestDesk; readonly pools: PoolDesk } {
  const { db, inventory, config, clock, log, closers } = parts;
  const { site, provisioning: settings } = config;
  const keep = { days: settings.keepDays, most: settings.keepMax };
  const { events, transaction } = inventory;
  const requests = openRequestDesk({ db, clock, inventory, jobs, settings, site });
  const pools = openPoolDesk({ db, clock, inventory, requests, site });
  keepForgetting(parts, 'old requests', () => forgetProvisioning(requests, keep, clock()));
  if (!settings.enabled) return { provisioning: requests, pools };
  const timers = {
    now: clock,
    after(ms: number, callback: () => void) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  };
  const engine = createRequestEngine({
    ...{ desk: requests, jobs, inventory, events, timers, transaction },
    installsMax: settings.installsMax,
    join: pools.store.join,
    onError: (err, request) => log.error({ err, request }, 'a request could not be carried on'),
  });
  const names = openDnsSource(db);
  const keeper = createPoolEngine({
    ...{ pools, requests, jobs, inventory, events, timers, transaction },
    probe: {
      fetch: fetchHealth,
      addressOf(hardwarename) {
        const own = names.machine(hardwarename)?.names.find(({ kind }) => kind === 'hardwarename');
        return own?.addresses[0] ?? '';
      },
    },
    onError: (err, pool) => log.error({ err, pool }, 'a pool could not be kept'),
  });
  const warm = createWarmKeeper({
    ...{ db, candidates: requests.candidates, jobs, inventory, events, timers, transaction },
    ...{ rules: settings.warm.keep, idleMs: settings.warm.idleMinutes * 60_000 },
    onError: (err) => log.error({ err }, 'warm capacity could not be kept'),
  });
  engine.start();
  warm.start();
  keeper.start();
  closers.push(
    () => engine.stop(),
    () => warm.stop(),
    () => keeper.stop(),
  );
  return { provisioning: requests, pools };
}
