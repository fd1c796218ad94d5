/**
 * What a machine was offered and served at a moment of the past, and why.
 *
 * Nothing is computed anew: rules, records and files may have changed since. The event feed has what was decided then and for
 * which reasons, so it is read up to that moment: the machine's state, the boot that it was in, and each answer it was given.
 * How far back that reaches is `events.keepBootDays` and `events.keepDays`; of a time before, nobody can say, and this says so.
 */
import type { Database } from 'better-sqlite3';
import type { StoredEvent } from '../events.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import { type Mac, parseMac } from '../wire/mac.ts';

export interface PastAnswer {
  readonly at: number;
  readonly what: string;
  readonly detail: string;
}

export interface PastMoment {
  /** The NIC that it booted from then; that it boots from now, where it had not booted. */
  readonly mac: string;
  /** Whose NIC it is now. */
  readonly hardwarename: string | null;
  readonly at: number;
  /** Of the machine, then. */
  readonly state: string;
  /** The last boot that had begun by then. */
  readonly boot: { readonly id: string; readonly startedAt: number; readonly arch: string } | null;
  readonly answers: readonly PastAnswer[];
}

export interface PastParts {
  readonly events: { ofBoot(boot: BootId): StoredEvent[] };
  readonly machines: {
    byHardwarename(name: Hardwarename): Named | undefined;
    byMac(mac: Mac): Named | undefined;
  };
}

interface Named {
  readonly hardwarename: Hardwarename;
  readonly bootMac: string;
  readonly nics: readonly { readonly mac: string }[];
}

/** @returns undefined for what is neither a MAC nor a machine on record */
export type Past = (subject: string, moment: number) => PastMoment | undefined;

/** Of a boot, what follows shortly after the moment belongs to the answer, too. */
const AFTER_MS = 120_000;
const UNKNOWN = 'unknown';

interface BootRow {
  id: string;
  mac: string;
  started_at: number;
  arch: string;
}

export function openPast(db: Database, { events, machines }: PastParts): Past {
  const lastBoot = db.prepare<[string, number], BootRow>(
    'SELECT id, mac, started_at, arch FROM boots WHERE mac = ? AND started_at <= ? ORDER BY started_at DESC LIMIT 1',
  );
  const lastState = db.prepare<[string, number], { state: string }>(
    `SELECT json_extract(data, '$.to') AS state FROM events
       WHERE hardwarename = ? AND name = 'machine.state' AND at <= ? ORDER BY id DESC LIMIT 1`,
  );
  const first = db.prepare<[], { at: number }>('SELECT at FROM events ORDER BY id LIMIT 1');
  const bootAt = (macs: readonly string[], moment: number): BootRow | undefined =>
    [...new Set(macs)]
      .flatMap((mac) => lastBoot.get(mac, moment) ?? [])
      .sort((a, b) => b.started_at - a.started_at)[0];
  /** Before its first change a machine was not known; of a time before the feed begins, nobody can say. */
  const stateAt = (hardwarename: string, moment: number): string => {
    const last = lastState.get(hardwarename, moment);
    if (last) return last.state;
    const begin = first.get();
    const isKept = begin !== undefined && begin.at <= moment;
    return isKept ? UNKNOWN : `${UNKNOWN}: the events of then are no longer kept`;
  };

  return (subject, moment) => {
    const named = machines.byHardwarename(subject as Hardwarename);
    const asked = parseMac(subject) ?? parseMac(named?.bootMac ?? '') ?? undefined;
    if (!asked) return undefined;
    const machine = named ?? machines.byMac(asked);
    // By its name, a machine is all its NICs: it boots from whichever its firmware asks with.
    const row = bootAt(named ? [asked, ...named.nics.map(({ mac }) => mac)] : [asked], moment);
    return {
      mac: row?.mac ?? asked,
      hardwarename: machine?.hardwarename ?? null,
      at: moment,
      state: machine ? stateAt(machine.hardwarename, moment) : UNKNOWN,
      boot: row ? { id: row.id, startedAt: row.started_at, arch: row.arch } : null,
      answers: (row ? events.ofBoot(row.id as BootId) : [])
        .filter(({ at }) => at <= moment + AFTER_MS)
        .flatMap(answerOf),
    };
  };
}

/** `2026-01-31T03:12Z`, or milliseconds since 1970. @returns undefined for what is no time */
export function parseMoment(text: string): number | undefined {
  const moment = /^\d{12,14}$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(moment) ? moment : undefined;
}

function answerOf(event: StoredEvent): PastAnswer[] {
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
