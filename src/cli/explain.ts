/**
 * `reveille explain`: what a machine would be offered and served at each stage, and why, by the code that would answer it
 * (dhcp/rehearsal.ts). Nothing is recorded.
 */
import type { Config } from '../config.ts';
import { openCore, systemClock } from '../daemon/core.ts';
import { type Stage, stagesOf } from '../dhcp/rehearsal.ts';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { type Mac, parseMac } from '../wire/mac.ts';

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
    return json
      ? `${JSON.stringify({ mac, hardwarename: machine?.hardwarename, state, stages })}\n`
      : readable({ mac, state, name: machine?.hardwarename, why: machine?.stateWhy }, stages);
  } finally {
    core.close();
  }
}

function readable(
  {
    mac,
    name,
    state,
    why,
  }: { mac: Mac; name: string | undefined; state: string; why: string | undefined },
  stages: readonly Stage[],
): string {
  const lines = stages.map(
    (stage) =>
      `\n${stage.client} on ${stage.segment}: ${stage.outcome}${stage.address ? ` ${stage.address}` : ''}\n` +
      (stage.terms ? `  terms      ${stage.terms}\n` : '') +
      (stage.bootFile ? `  boot file  ${stage.bootFile}\n` : '') +
      (stage.why ? `  because    ${stage.why}\n` : ''),
  );
  return `${mac}: ${name ?? 'no machine on record'}, ${state}${why ? ` (${why})` : ''}\n${lines.join('')}`;
}
