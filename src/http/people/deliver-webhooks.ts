/**
 * Delivers webhooks: each is one reader with one request in flight, so that it gets its events in order.
 *
 * The body is `{"webhook", "events": [...]}`. The header `reveille-signature: t=SECONDS,v1=HEX` is HMAC-SHA256 over
 * `SECONDS.BODY` under the webhook's secret: a receiver checks it, and refuses what is old. Any 2xx is taken as
 * delivered; redirects are not followed. Failures wait and repeat (inventory/webhooks.ts); what is delivered twice after a
 * crash has the same event ids.
 */
import { createHmac } from 'node:crypto';
import type { FastifyBaseLogger } from 'fastify';
import type { Inventory } from '../../inventory/inventory.ts';
import type { Batch, Webhook } from '../../inventory/webhooks.ts';
import { limit } from '../../limits.ts';
import type { Clock } from '../../wire/time.ts';

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
  { clock, log }: { clock: Clock; log: FastifyBaseLogger },
): WebhookDelivery {
  const { webhooks } = inventory.serverdb;
  const running = new Map<string, Promise<void>>();
  const closing = new AbortController();

  const deliver = async (webhook: Webhook): Promise<void> => {
    const batch = webhooks.batch(webhook);
    if (batch.events.length === 0) {
      if (batch.through > webhook.cursor)
        inventory.transaction(() => webhooks.delivered(webhook.id, batch.through));
      return;
    }
    try {
      await post(webhook, batch);
      inventory.transaction(() => webhooks.delivered(webhook.id, batch.through));
    } catch (error) {
      if (closing.signal.aborted) return;
      const { message, cause } = error as Error;
      const text = cause instanceof Error ? `${message}: ${cause.message}` : message;
      inventory.transaction(() => webhooks.failed(webhook.id, batch, text));
    }
  };
  const post = async ({ id, url }: Webhook, { events }: Batch): Promise<void> => {
    const body = JSON.stringify({ webhook: id, events });
    const answer = await fetch(url, {
      method: 'POST',
      body,
      redirect: 'error',
      signal: AbortSignal.any([closing.signal, AbortSignal.timeout(limit('webhookTimeoutMs'))]),
      headers: {
        'content-type': 'application/json',
        'reveille-signature': signatureOf(webhooks.secretOf(id), Math.floor(clock() / 1000), body),
      },
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
  };

  return {
    async look() {
      for (const webhook of webhooks.due()) {
        if (running.has(webhook.id) || closing.signal.aborted) continue;
        const work = deliver(webhook)
          .catch((err) => log.error({ err, webhook: webhook.id }, 'a webhook could not be served'))
          .finally(() => running.delete(webhook.id));
        running.set(webhook.id, work);
      }
      await Promise.all(running.values());
    },
    async close() {
      closing.abort();
      await Promise.all(running.values());
    },
  };
}
