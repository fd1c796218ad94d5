/**
 * `reveille explain`: what a machine would be offered and served at each stage, and why, by the code that would answer it
 * (dhcp/rehearsal.ts). Nothing is recorded.
 */
import type { Config } from '../config.ts';
import { openCore, systemClock } from '../daemon/core.ts';
import { type Stage, stagesOf } from '../dhcp/rehearsal.ts';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { parseMac } from '../wire/mac.ts';

/** @throws AppError REQUEST_INVALID for something that is neither a MAC nor a known hardwarename */
export function explain(config: Config, subject: string, json: boolean): string {
  const core = openCore(config);
  try {
    const { inventory } = core;
    const named = inventory.machines.byHardwarename(subject as Hardwarename);
    const mac = parseMac(subject) ?? named?.bootMac;
    if (!mac) {
      throw new AppError('REQUEST_INVALID', {
        detail: `'${subject}' is neither a MAC address nor a machine on record.`,
      });
    }
    const machine = inventory.machines.byMac(mac);
    const stages = stagesOf({ ...core, rehearse: inventory.rehearse }, mac, systemClock());
    const state = machine?.state ?? 'unknown';
    const { hardwarename = '', stateWhy = '' } = machine ?? {};
    return explainedText({ mac, hardwarename, state, stateWhy, stages }, json);
  } finally {
    core.close();
  }
}

export interface Explained {
  /** Empty: of no machine on record. */
  readonly hardwarename: string;
  readonly mac: string;
  readonly state: string;
  readonly stateWhy: string;
  readonly stages: readonly Stage[];
}

export function explainedText(explained: Explained, json: boolean): string {
  if (json) return `${JSON.stringify(explained)}\n`;
  const { hardwarename, mac, state, stateWhy, stages } = explained;
  const lines = stages.map(
    (stage) =>
      `\n${stage.client} on ${stage.segment}: ${stage.outcome}${stage.address ? ` ${stage.address}` : ''}\n` +
      (stage.terms ? `  terms      ${stage.terms}\n` : '') +
      (stage.bootFile ? `  boot file  ${stage.bootFile}\n` : '') +
      (stage.why ? `  because    ${stage.why}\n` : ''),
  );
  const why = stateWhy ? ` (${stateWhy})` : '';
  return `${mac}: ${hardwarename || 'no machine on record'}, ${state}${why}\n${lines.join('')}`;
}
