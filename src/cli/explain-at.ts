/**
 * `reveille explain MACHINE --at TIME`: what a machine was offered and served at a moment of the past, in words.
 * The appliance is asked (`GET /past`); with `-c` the database is read beside it, which also works when it does not run.
 */
import type { Config } from '../config.ts';
import { openCore } from '../daemon/core.ts';
import { AppError } from '../errors.ts';
import { type PastMoment, parseMoment } from '../inventory/past.ts';

/** @throws AppError REQUEST_INVALID for an unknown machine or a time that is none */
export function explainAt(
  config: Config,
  { subject, time, json }: { subject: string; time: string; json: boolean },
): string {
  const moment = parseMoment(time);
  if (moment === undefined) {
    throw new AppError('REQUEST_INVALID', {
      detail: `'${time}' is no time such as 2026-01-31T03:12Z.`,
    });
  }
  const core = openCore(config);
  try {
    const found = core.inventory.past(subject, moment);
    if (!found) {
      throw new AppError('REQUEST_INVALID', {
        detail: `'${subject}' is neither a MAC address nor a machine on record.`,
      });
    }
    return pastText(found, json);
  } finally {
    core.close();
  }
}

export function pastText(found: PastMoment, json: boolean): string {
  if (json) return `${JSON.stringify(found)}\n`;
  const { mac, hardwarename, at, state, boot, answers } = found;
  const time = (ms: number) => new Date(ms).toISOString();
  const head = `${mac}: ${hardwarename ?? 'no machine on record'} at ${time(at)}, ${state}\n`;
  if (!boot) return `${head}it had not booted from here before\n`;
  const lines = answers.map(
    (one) => `  ${time(one.at).slice(11)}  ${one.what.padEnd(18)}  ${one.detail}\n`,
  );
  return `${head}boot ${boot.id}, begun at ${time(boot.startedAt)}\n${lines.join('')}`;
}
