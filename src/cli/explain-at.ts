/**
 * `reveille explain MACHINE --at TIME`: what a machine was offered and served at a moment of the past, and why.
 *
 * Nothing is computed anew: rules, records and files may have changed since. The event feed has what was decided then and for
 * which reasons, so it is read up to that moment: the machine's state, the boot that it was in, and each answer it was given.
 */
import type { Database } from 'better-sqlite3';
import type { Config } from '../config.ts';
import { openCore } from '../daemon/core.ts';
import { AppError } from '../errors.ts';
import type { StoredEvent } from '../events.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import { parseMac } from '../wire/mac.ts';

interface Answer {
  readonly at: number;
  readonly what: string;
  readonly detail: string;
}

/** Of a boot, what follows shortly after the moment belongs to the answer, too. */
const AFTER_MS = 120_000;

/** @throws AppError REQUEST_INVALID for an unknown machine or a time that is none */
export function explainAt(
  config: Config,
  { subject, time, json }: { subject: string; time: string; json: boolean },
): string {
  const moment = /^\d{12,}$/.test(time) ? Number(time) : Date.parse(time);
  if (!Number.isFinite(moment)) {
    throw new AppError('REQUEST_INVALID', {
      detail: `'${time}' is no time such as 2026-01-31T03:12Z.`,
    });
  }
  const core = openCore(config);
  try {
    const { inventory, db } = core;
    const named = inventory.machines.byHardwarename(subject as Hardwarename);
    const asked = parseMac(subject) ?? named?.bootMac;
    if (!asked) {
      throw new AppError('REQUEST_INVALID', {
        detail: `'${subject}' is neither a MAC address nor a machine on record.`,
      });
    }
    const machine = named ?? inventory.machines.byMac(parseMac(asked) ?? ('' as never));
    // By its name, a machine is all its NICs: it boots from whichever its firmware asks with.
    const macs = named ? [asked, ...named.nics.map((nic) => nic.mac)] : [asked];
    const row = bootAt(db, macs, moment);
    const mac = row?.mac ?? asked;
    const events = row ? inventory.events.ofBoot(row.id as BootId) : [];
    const answers = events
      .filter(({ at }) => at <= moment + AFTER_MS)
      .flatMap((event) => answerOf(event));
    const state = machine ? stateAt(db, machine.hardwarename, moment) : UNKNOWN;
    const boot = row ? { id: row.id, startedAt: row.started_at, arch: row.arch } : null;
    const found = { mac, hardwarename: machine?.hardwarename ?? null, at: moment, state, boot };
    return json ? `${JSON.stringify({ ...found, answers })}\n` : readable(found, answers);
  } finally {
    core.close();
  }
}

interface BootRow {
  id: string;
  mac: string;
  started_at: number;
  arch: string;
}

function bootAt(db: Database, macs: readonly string[], moment: number): BootRow | undefined {
  const last = db.prepare<[string, number], BootRow>(
    'SELECT id, mac, started_at, arch FROM boots WHERE mac = ? AND started_at <= ? ORDER BY started_at DESC LIMIT 1',
  );
  const found = [...new Set(macs)].flatMap((mac) => last.get(mac, moment) ?? []);
  return found.sort((a, b) => b.started_at - a.started_at)[0];
}

const UNKNOWN = 'unknown';

/** Before its first change a machine was not known; of a time before the feed begins, nobody can say. */
function stateAt(db: Database, hardwarename: Hardwarename, moment: number): string {
  const last = db
    .prepare<[string, number], { state: string }>(
      `SELECT json_extract(data, '$.to') AS state FROM events
         WHERE hardwarename = ? AND name = 'machine.state' AND at <= ? ORDER BY id DESC LIMIT 1`,
    )
    .get(hardwarename, moment);
  if (last) return last.state;
  const first = db.prepare<[], { at: number }>('SELECT at FROM events ORDER BY id LIMIT 1').get();
  const isKept = first !== undefined && first.at <= moment;
  return isKept ? UNKNOWN : `${UNKNOWN}: the events of then are no longer kept`;
}

function answerOf(event: StoredEvent): Answer[] {
  const { at } = event;
  switch (event.name) {
    case 'dhcp.offered': {
      const { client, address, bootFile, why } = event.data;
      return [{ at, what: `offer to ${client}`, detail: `${address} ${bootFile} (${why})` }];
    }
    case 'dhcp.acked': {
      const { client, address, bootFile } = event.data;
      return [{ at, what: `ACK to ${client}`, detail: `${address} ${bootFile}`.trim() }];
    }
    case 'dhcp.refused':
      return [{ at, what: `NAK to ${event.data.client}`, detail: event.data.why }];
    case 'tftp.sent':
      return [{ at, what: 'file by TFTP', detail: event.data.file }];
    case 'tftp.failed':
      return event.data.probe
        ? []
        : [{ at, what: 'TFTP failed', detail: `${event.data.file}: ${event.data.why}` }];
    case 'ipxe.script':
      return [{ at, what: 'script', detail: `${event.data.mode} (${event.data.why})` }];
    case 'http.sent':
      return [{ at, what: 'file by HTTP', detail: event.data.file }];
    case 'boot.diagnosed':
      return [{ at, what: 'diagnosis', detail: `${event.data.diagnosis}: ${event.data.title}` }];
    default:
      return [];
  }
}

function readable(
  found: {
    mac: string;
    hardwarename: string | null;
    at: number;
    state: string;
    boot: { id: string; startedAt: number } | null;
  },
  answers: readonly Answer[],
): string {
  const { mac, hardwarename, at, state, boot } = found;
  const time = (ms: number) => new Date(ms).toISOString();
  const head = `${mac}: ${hardwarename ?? 'no machine on record'} at ${time(at)}, ${state}\n`;
  if (!boot) return `${head}it had not booted from here before\n`;
  const lines = answers.map(
    (one) => `  ${time(one.at).slice(11)}  ${one.what.padEnd(18)}  ${one.detail}\n`,
  );
  return `${head}boot ${boot.id}, begun at ${time(boot.startedAt)}\n${lines.join('')}`;
}
