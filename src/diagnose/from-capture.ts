/**
 * A capture as flight records: one for each boot of each machine in it.
 *
 * A capture knows less than the daemon: of a download only the request line, of the agent nothing but that it asks. It
 * knows more, too: what other servers said. What it does not show is left out of the record, never guessed. How long a
 * machine was watched is until the capture's last frame, so a capture that ends too soon proves no silence.
 */
import type {
  BootTrace,
  Capture,
  DhcpMessage,
  Entry,
  HttpRequest,
  TftpTransfer,
} from '../capture/model.ts';
import { endOf } from '../capture/tftp-trace.ts';
import type { ClientStage } from '../events.ts';
import { limit } from '../limits.ts';
import { unreachable } from '../wire/result.ts';
import {
  FLIGHT_FORMAT,
  FLIGHT_VERSION,
  type Flight,
  type FlightEntry,
  type PreviousBoot,
} from './flight.ts';
import { dhcpEntry } from './from-dhcp.ts';

const BOOT_SERVER_PORT = 4011;

/** Boots in the order of the capture; what never tried to boot is none. */
export function flightsOf(capture: Capture): Flight[] {
  const ends = capture.machines.flatMap(({ boots }) =>
    boots.flatMap(({ entries }) => entries.map(lastOf)),
  );
  const watchedUntil = Math.max(0, ...ends);
  return capture.machines.flatMap(({ key, boots }) => {
    const flights: Flight[] = [];
    for (const [index, boot] of boots.entries()) {
      const flight = flightOf(key, boot, `${key} boot ${index + 1}`);
      if (!flight) continue;
      const next = boots[index + 1]?.entries[0];
      const previous = flights.map(inShort).reverse().slice(0, limit('flightPreviousMax'));
      flights.push({
        ...flight,
        blind: capture.tcpSegments === 0 ? ['http'] : [],
        watchedUntil,
        previous,
        ...(next === undefined ? {} : { restartedAt: next.atUs / 1000 }),
        ...(next?.kind === 'dhcp' ? { restartedAs: next.client.stage } : {}),
      });
    }
    return flights;
  });
}

function flightOf(mac: string, boot: BootTrace, name: string): Flight | undefined {
  const asks = boot.entries.filter((entry) => entry.kind === 'dhcp' && !entry.fromServer);
  const [first] = asks;
  if (first?.kind !== 'dhcp') return undefined;
  const firmware = asks.find((one) => one.kind === 'dhcp' && one.client.stage !== 'os');
  const client = firmware?.kind === 'dhcp' ? firmware.client : first.client;
  const entries = entriesOf(boot.entries).slice(-limit('flightEntriesMax'));
  return {
    format: FLIGHT_FORMAT,
    version: FLIGHT_VERSION,
    source: 'capture',
    blind: [],
    boot: name,
    mac,
    machine: { hardwarename: '', manufacturer: '', product: '', firmware: '', state: 'unknown' },
    place: { site: '', rack: '', switch: '', port: '', segment: '', proxy: false },
    client: client.stage,
    arch: client.archName,
    startedAt: first.atUs / 1000,
    watchedUntil: 0,
    entries,
    previous: [],
  };
}

function entriesOf(all: readonly Entry[]): FlightEntry[] {
  /** Who asked under a transaction id: its replies are for that stage. */
  const askedBy = new Map<number, ClientStage>();
  return all.flatMap((entry): FlightEntry[] => {
    switch (entry.kind) {
      case 'dhcp': {
        if (!entry.fromServer) askedBy.set(entry.packet.xid, entry.client.stage);
        const made = dhcpOf(entry, askedBy.get(entry.packet.xid));
        return made ? [made] : [];
      }
      case 'tftp':
        return entry.write ? [] : [tftpOf(entry)];
      case 'http':
        return httpOf(entry);
      default:
        return unreachable(entry);
    }
  });
}

function dhcpOf(message: DhcpMessage, asked: ClientStage | undefined) {
  const { packet, fromServer, from, to, atUs, vlans } = message;
  const port = [from.port, to.port].includes(BOOT_SERVER_PORT) ? BOOT_SERVER_PORT : 67;
  return dhcpEntry(packet, {
    at: atUs / 1000,
    sender: fromServer ? from.address : undefined,
    port,
    vlan: vlans[0],
    stage: fromServer ? asked : undefined,
  });
}

function tftpOf(transfer: TftpTransfer): FlightEntry {
  const { file, asked, granted, requests, retransmits, error, atUs, endUs } = transfer;
  const said = error ? `${error.message || 'no words'} (error ${error.code})` : '';
  return {
    kind: 'tftp',
    at: atUs / 1000,
    endAt: endUs / 1000,
    file: withoutToken(file),
    asked: Object.fromEntries(asked),
    granted: Object.fromEntries(granted ?? []),
    sizeBytes: Number(granted?.get('tsize') ?? 0),
    acked: transfer.acked,
    retransmits,
    unheard: 0,
    requests,
    end: endOf(transfer),
    why: error?.by === 'client' ? `the client aborted: ${said}` : said,
  };
}

/** Below a token a file is known by its name alone. */
const withoutToken = (file: string): string =>
  /^\/?(?:boot|installer)\/[A-Za-z0-9_-]{32}\/(.*)$/.exec(file)?.[1] ?? file;

/** The path tells what is asked for; the token in it is not kept. */
function httpOf({ atUs, method, path }: HttpRequest): FlightEntry[] {
  const at = atUs / 1000;
  const file = path.split('?')[0]?.split('/').at(-1) ?? '';
  if (path.startsWith('/agent/') || path.startsWith('/recon/')) {
    return [{ kind: 'agent', at, phase: file, message: `asks for ${file}`, level: 'info' }];
  }
  const asked = { at, endAt: at, method, file, sizeBytes: 0, offsetBytes: 0, sentBytes: 0 };
  return [{ kind: 'http', ...asked, end: 'asked' }];
}

function lastOf(entry: Entry): number {
  return (entry.kind === 'tftp' ? entry.endUs : entry.atUs) / 1000;
}

function inShort({ boot, startedAt, entries }: Flight): PreviousBoot {
  const lastAt = Math.max(
    startedAt,
    ...entries.map((one) => ('endAt' in one ? one.endAt : one.at)),
  );
  return { boot, startedAt, lastAt, mode: '', reported: false, diagnosis: '' };
}
