/**
 * Delivers webhooks: each is one reader with one request in flight, so that it gets its events in order.
 *
 * The body is `{"webhook", "epoch", "events": [...]}`, with `"resync": {"why", "oldest"}` when the receiver has missed
 * something (inventory/webhooks.ts). The header `reveille-signature: t=SECONDS,v1=HEX` is HMAC-SHA256 over `SECONDS.BODY`
 * under the webhook's secret: a receiver checks it, and refuses what is old. Any 2xx is taken as delivered; redirects are
 * not followed, and not every address may be reached (webhook-reach.ts). Failures wait and repeat; what is delivered twice after a crash has the same ids.
 *
 * One that has caught up is looked at each second; until then batch follows batch, with the loop given back in between.
 * Cursors are committed without waiting for the disk: a power cut makes a batch come twice, which it may anyway.
 */
import { createHmac } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { FastifyBaseLogger } from 'fastify';
import type { DeadLetter } from '../../inventory/dead-letters.ts';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Batch, Webhook } from '../../inventory/webhooks.ts';
import { limit } from '../../limits.ts';
import type { Clock } from '../../wire/time.ts';
import { postWithin, type Reach } from './webhook-reach.ts';

export interface WebhookDelivery {
  /** One look at every webhook whose turn it is; resolves when those requests are over. */
  look(): Promise<void>;
  close(): Promise<void>;
}

export function signatureOf(secret: string, seconds: number, body: string): string {
  const hex = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${hex}`;
}

export function createWebhookDelivery(
  inventory: Inventory,
  { clock, log, reach }: { clock: Clock; log: FastifyBaseLogger; reach: Reach },
): WebhookDelivery {
  const { webhooks } = inventory.serverdb;
  const { letters } = webhooks;
  const running = new Map<string, Promise<void>>();
  const closing = new AbortController();

  const attempt = async (webhook: Webhook, batch: Batch): Promise<string | undefined> => {
    try {
      await post(webhook, batch);
      return undefined;
    } catch (error) {
      const { message, cause } = error as Error;
      return cause instanceof Error ? `${message}: ${cause.message}` : message;
    }
  };
  const { transactionUnsynced, events } = inventory;
  /** @returns whether there may be more */
  const deliver = async (webhook: Webhook): Promise<boolean> => {
    const batch = webhooks.batch(webhook);
    const more = batch.through < events.lastId();
    if (batch.events.length === 0 && !batch.resync) {
      if (batch.through > webhook.cursor)
        transactionUnsynced(() => webhooks.passed(webhook.id, batch.through));
      return more;
    }
    const fault = await attempt(webhook, batch);
    if (closing.signal.aborted || !webhooks.get(webhook.id)) return false;
    if (fault === undefined) transactionUnsynced(() => webhooks.delivered(webhook.id, batch));
    else inventory.transaction(() => webhooks.failed(webhook.id, batch, fault));
    return more && fault === undefined;
  };
  const deliverAll = async (id: string): Promise<void> => {
    for (;;) {
      const webhook = webhooks.get(id);
      if (!webhook?.enabled || closing.signal.aborted || !(await deliver(webhook))) return;
      await setImmediate();
    }
  };
  /** @returns whether it got through */
  const deliverAgain = async (webhook: Webhook, letter: DeadLetter): Promise<boolean> => {
    for (let after = 0; ; await setImmediate()) {
      const batch = letters.batch(webhook, letter, after);
      const isOver = batch.through >= letter.lastEvent || batch.through <= after;
      const isEmpty = batch.events.length === 0 && !batch.resync;
      const fault = isEmpty ? undefined : await attempt(webhook, batch);
      if (closing.signal.aborted) return false;
      if (fault !== undefined) {
        transactionUnsynced(() => letters.failed(letter, fault));
        return false;
      }
      if (isOver) {
        transactionUnsynced(() => letters.delivered(letter));
        return true;
      }
      after = batch.through;
    }
  };
  /** What was asked to be sent again, up to the first that does not get through, and then what is new. */
  const serve = async (id: string, isDue: boolean): Promise<void> => {
    for (const letter of letters.again()) {
      const webhook = letter.webhook === id ? webhooks.get(id) : undefined;
      if (webhook && !(await deliverAgain(webhook, letter))) break;
    }
    if (isDue) await deliverAll(id);
  };
  const post = async ({ id, url }: Webhook, { events, resync }: Batch): Promise<void> => {
    const body = JSON.stringify({ webhook: id, epoch: webhooks.epoch(), resync, events });
    const status = await postWithin(reach, url, {
      body,
      signal: AbortSignal.any([closing.signal, AbortSignal.timeout(limit('webhookTimeoutMs'))]),
      headers: {
        'content-type': 'application/json',
        'reveille-signature': signatureOf(webhooks.secretOf(id), Math.floor(clock() / 1000), body),
      },
    });
    if (status < 200 || status > 299) throw new Error(`it answered ${status}`);
  };
  /** One work at a time for each webhook: what is sent again waits for what is being sent. */
  const start = (id: string, run: () => Promise<void>): void => {
    if (running.has(id) || closing.signal.aborted) return;
    const work = run()
      .catch((err) => log.error({ err, webhook: id }, 'a webhook could not be served'))
      .finally(() => running.delete(id));
    running.set(id, work);
  };

  return {
    async look() {
      const due = new Set(webhooks.due().map(({ id }) => id));
      const asked = letters.again().map(({ webhook }) => webhook);
      for (const id of new Set([...due, ...asked])) start(id, () => serve(id, due.has(id)));
      await Promise.all(running.values());
    },
    async close() {
      closing.abort();
      await Promise.all(running.values());
    },
  };
}
