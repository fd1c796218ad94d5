/** Provisioning put together: the desk for whoever asks, and the engine that carries requests out. */
import { type DeskParts, openRequestDesk, type RequestDesk } from '../provisioning/desk.ts';
import { createRequestEngine } from '../provisioning/engine.ts';
import type { JobParts } from './jobs.ts';

export function openProvisioning(
  { db, inventory, config, clock, log, closers }: JobParts,
  jobs: DeskParts['jobs'],
): RequestDesk {
  const { site, provisioning: settings } = config;
  const desk = openRequestDesk({ db, clock, inventory, jobs, settings, site });
  if (!settings.enabled) return desk;
  const engine = createRequestEngine({
    ...{ desk, jobs, inventory, events: inventory.events, installsMax: settings.installsMax },
    timers: {
      after(ms, callback) {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    },
    transaction: inventory.transaction,
    onError: (err, request) => log.error({ err, request }, 'a request could not be carried on'),
  });
  engine.start();
  closers.push(() => engine.stop());
  return desk;
}
