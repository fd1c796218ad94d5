/**
 * What ServerDb does by itself, in steps that are small enough for the loop that DHCP answers on: deadlines of states,
 * webhooks, the end of sessions and kept answers, the compaction of old events, and of boots with theirs.
 */
import type { FastifyBaseLogger } from 'fastify';
import type { Inventory } from '../../inventory/inventory.ts';
import { limit } from '../../limits.ts';
import type { Clock, Millis } from '../../wire/time.ts';
import { createWebhookDelivery } from './deliver-webhooks.ts';
import type { Reach } from './webhook-reach.ts';

export interface HousekeepingOptions {
  readonly inventory: Inventory;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
  /** Where webhooks may go. */
  readonly reach: Reach;
  /** Days that events are kept: those of boots, and all others. */
  readonly keepDays: { readonly boot: number; readonly other: number };
}

const DAY_MS = 86_400_000;
const WEBHOOK_TICK_MS = 1000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const COMPACTION_STEP_MS = 20;

/** @returns the way to stop it all */
export function startHousekeeping(options: HousekeepingOptions): () => Promise<void> {
  const { inventory, clock, log, reach } = options;
  const { waits, access, idempotency, webhooks } = inventory.serverdb;
  const delivery = createWebhookDelivery(inventory, { clock, log, reach });
  const guarded = (run: () => unknown) => () => {
    try {
      run();
    } catch (err) {
      log.error({ err }, 'a periodic task failed');
    }
  };
  let compaction: NodeJS.Timeout | undefined;
  const compactOn = guarded(() => {
    if (compact(options).more) compaction = setTimeout(compactOn, COMPACTION_STEP_MS).unref();
  });
  const noteUsed = () => inventory.transactionUnsynced(() => access.noteUsed());
  const sweep = () => {
    inventory.transaction(() => {
      access.sweep();
      idempotency.sweep();
      webhooks.letters.sweep();
    });
    compactOn();
  };
  const timers = [
    setInterval(
      guarded(() => inventory.transaction(() => waits.look())),
      limit('waitTickMs'),
    ),
    setInterval(
      guarded(() => void delivery.look()),
      WEBHOOK_TICK_MS,
    ),
    setInterval(guarded(noteUsed), MINUTE_MS),
    setInterval(guarded(sweep), HOUR_MS),
  ];
  return async () => {
    for (const timer of timers) clearInterval(timer);
    clearTimeout(compaction);
    guarded(noteUsed)();
    await delivery.close();
  };
}

/** One bounded step of compaction. Nobody is told of it, so nobody waits for the disk: after a power cut it is done again. */
export function compact({
  inventory,
  clock,
  keepDays,
}: Omit<HousekeepingOptions, 'log' | 'reach'>) {
  const now = clock();
  const before = {
    now,
    boot: (now - keepDays.boot * DAY_MS) as Millis,
    other: (now - keepDays.other * DAY_MS) as Millis,
  };
  return inventory.transactionUnsynced(() => {
    const events = inventory.serverdb.history.compact(before);
    const boots = inventory.bootKeeping.sweep(before.boot);
    return { deleted: events.deleted, boots: boots.deleted, more: events.more || boots.more };
  });
}
