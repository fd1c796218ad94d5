/**
 * Intents as they are kept: written in the transaction of what wants them, so that neither is there without the other. With one for a job comes
 * the row of that job.
 */
import { randomUUID } from 'node:crypto';
import type { IntentBody } from '../federation/protocol.ts';
import { askJob } from './asked-jobs.ts';
import type { Sql } from './sql.ts';

export interface NewIntent {
  /** When something else refers to it; else a new one. */
  readonly id?: string;
  readonly site: string;
  readonly who: string;
  readonly body: IntentBody;
  readonly now: number;
}

/** One that is kept already stays as it is. @returns its id */
export async function putIntent(sql: Sql, intent: NewIntent): Promise<string> {
  const { id = randomUUID(), site, who, body, now } = intent;
  const isNew = await sql.run(
    'INSERT INTO intents (id, site, who, body, asked_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
    [id, site, who, JSON.stringify(body), now],
  );
  if (isNew > 0 && body.kind === 'job') await askJob(sql, { id, site, who, body, now });
  return id;
}
