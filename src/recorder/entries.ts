/**
 * Events of the feed as entries of a flight record. Pure.
 *
 * An event says what the appliance decided and did; what was on the wire comes from the packets, where they were kept. So
 * DHCP events are used only for boots whose packets are gone, and otherwise for the reasons that no packet shows.
 */

import { decodePacket } from '../dhcp/packet.ts';
import type {
  DhcpEntry,
  FlightEntry,
  HttpEntry,
  TcpFigures,
  TftpEntry,
} from '../diagnose/flight.ts';
import { dhcpEntry } from '../diagnose/from-dhcp.ts';
import type { ClientStage, StoredEvent } from '../events.ts';
import type { KeptPacket } from './packets.ts';
import { DNS_PORT, questionEntries } from './questions.ts';

/** @param live what the kernel says of a download that runs */
export function entriesOf(
  events: readonly StoredEvent[],
  packets: readonly KeptPacket[],
  live: TcpFigures | undefined,
): FlightEntry[] {
  const wire = dhcpFromPackets(packets.filter(({ port }) => port !== DNS_PORT));
  const dhcp = wire.length > 0 ? withReasons(wire, events) : events.flatMap(dhcpFromEvent);
  const others = events.flatMap(otherEntries);
  const asked = questionEntries(packets);
  const all = [...dhcp, ...others, ...transfers(events), ...downloads(events, live), ...asked];
  return all.sort((a, b) => a.at - b.at);
}

function dhcpFromPackets(packets: readonly KeptPacket[]): DhcpEntry[] {
  const askedBy = new Map<number, ClientStage>();
  return packets.flatMap(({ bytes, at, port, drop, direction }) => {
    const packet = decodePacket(bytes);
    if (!packet.ok) return [];
    const { xid } = packet.value;
    const entry = dhcpEntry(packet.value, {
      ...{ at, port, sender: undefined },
      stage: direction === 'out' ? askedBy.get(xid) : undefined,
    });
    if (!entry) return [];
    if (direction === 'in') askedBy.set(xid, entry.stage);
    return [{ ...entry, drop }];
  });
}

/** The reason for an offer is in its event only. */
function withReasons(entries: DhcpEntry[], events: readonly StoredEvent[]): DhcpEntry[] {
  const offered = events.filter((event) => event.name === 'dhcp.offered');
  const refused = events.filter((event) => event.name === 'dhcp.refused');
  return entries.map((entry) => {
    const near = (event: StoredEvent) => Math.abs(event.at - entry.at) < 2000;
    if (entry.type === 'offer') {
      const why = offered.find((one) => near(one) && one.data.client === entry.stage)?.data.why;
      return why === undefined ? entry : { ...entry, why };
    }
    if (entry.type !== 'nak') return entry;
    return { ...entry, why: refused.find(near)?.data.why ?? entry.why };
  });
}

function dhcpFromEvent(event: StoredEvent): DhcpEntry[] {
  const empty: Omit<DhcpEntry, 'from' | 'type' | 'stage'> = {
    ...{
      kind: 'dhcp' as const,
      at: event.at,
      xid: 0,
      secs: 0,
      server: '',
      address: '',
      bootFile: '',
    },
    ...{ vendorClass: '', vendorOptions: false, port: 67, relay: '', uuid: '', nic: '' },
    ...{ drop: '', why: '' },
  };
  const asked = { ...empty, from: 'machine' } as const;
  const told = { ...empty, from: 'server' } as const;
  switch (event.name) {
    case 'dhcp.offered': {
      const { client: stage, address, bootFile, why } = event.data;
      return [
        { ...asked, type: 'discover', stage },
        { ...told, type: 'offer', stage, address, bootFile, why },
      ];
    }
    case 'dhcp.acked': {
      const { client: stage, address, bootFile, relay } = event.data;
      return [
        { ...asked, type: 'request', stage, address, relay: relay?.agent ?? '' },
        { ...told, type: 'ack', stage, address, bootFile },
      ];
    }
    case 'dhcp.refused': {
      const { client: stage, requested, why } = event.data;
      return [{ ...told, type: 'nak', stage, address: requested, why }];
    }
    case 'dhcp.ignored': {
      const { client: stage, why, from } = event.data;
      const relay = /^\d/.test(from) ? from : '';
      return [{ ...asked, type: 'discover', stage, drop: why, relay }];
    }
    default:
      return [];
  }
}

/** The agent's own work is done: what comes next is the disk. */
const FINISHED = 'finished';

function otherEntries(event: StoredEvent): FlightEntry[] {
  const { at } = event;
  switch (event.name) {
    case 'dhcp.declined':
      return [{ kind: 'address', at, what: 'declined', address: event.data.address, by: '' }];
    case 'dhcp.conflict': {
      const { address, by } = event.data;
      return [{ kind: 'address', at, what: 'conflict', address, by }];
    }
    case 'dhcp.exhausted':
      return [{ kind: 'address', at, what: 'exhausted', address: event.data.subnet, by: '' }];
    case 'ipxe.script':
      return [{ kind: 'script', at, mode: event.data.mode, why: event.data.why }];
    case 'agent.progress': {
      const { phase, message, level, clockAheadSeconds, percent, bytes, activity } = event.data;
      const told = { clockAheadSeconds, percent, bytes, activity };
      const some = Object.entries(told).filter(([, value]) => value !== undefined);
      return [{ kind: 'agent', at, phase, message, level, ...Object.fromEntries(some) }];
    }
    case 'work.taken':
      return [{ kind: 'agent', at, phase: 'work', message: event.data.purpose, level: 'info' }];
    case 'agent.finished':
      return [{ kind: 'agent', at, phase: FINISHED, message: event.data.purpose, level: 'info' }];
    case 'agent.failed': {
      const { step, detail } = event.data;
      return [{ kind: 'agent', at, phase: step, message: detail, level: 'error' }];
    }
    case 'os.phoned-home': {
      const { image, hostname, address } = event.data;
      return [{ kind: 'os', at, what: `${image} called home from ${address} as ${hostname}` }];
    }
    case 'job.failed': {
      const { job, action, detail } = event.data;
      return [{ kind: 'bmc', at, job, action, step: '', phase: 'failed', detail }];
    }
    case 'recon.received':
      return [{ kind: 'report', at, outcome: 'received', detail: event.data.digest }];
    case 'recon.refused': {
      const { code, path, why } = event.data;
      return [{ kind: 'report', at, outcome: 'refused', detail: `${code} ${path} ${why}`.trim() }];
    }
    case 'job.step': {
      const { job, action, step, phase, text = '' } = event.data;
      return [{ kind: 'bmc', at, job, action, step, phase, detail: text }];
    }
    case 'job.retry': {
      const { job, action, step, detail } = event.data;
      return [{ kind: 'bmc', at, job, action, step, phase: 'retry', detail }];
    }
    default:
      return [];
  }
}

/** `blksize 1468 tsize 0` */
function optionsOf(text = ''): Record<string, string> {
  const words = text.split(' ').filter(Boolean);
  const options: Record<string, string> = {};
  for (let at = 0; at + 1 < words.length; at += 2) options[words[at] ?? ''] = words[at + 1] ?? '';
  return options;
}

function transfers(events: readonly StoredEvent[]): TftpEntry[] {
  const all: TftpEntry[] = [];
  const close = (file: string, at: number, end: Partial<TftpEntry>) => {
    const index = all.findLastIndex((one) => one.file === file && one.end === 'running');
    const begun = all[index] ?? { ...EMPTY_TRANSFER, at, endAt: at, file };
    all[index < 0 ? all.length : index] = { ...begun, endAt: at, ...end };
  };
  for (const event of events) {
    const { at } = event;
    if (event.name === 'tftp.started') {
      const { file, sizeBytes, blksizeBytes, windowsize, asked, granted } = event.data;
      const terms = { blksize: `${blksizeBytes}`, windowsize: `${windowsize}` };
      all.push({
        ...EMPTY_TRANSFER,
        ...{ at, endAt: at, file, sizeBytes, asked: optionsOf(asked) },
        granted: granted === undefined ? terms : optionsOf(granted),
      });
    } else if (event.name === 'tftp.sent') {
      const { file, retransmits, sizeBytes } = event.data;
      close(file, at, { end: 'complete', retransmits, sizeBytes });
    } else if (event.name === 'tftp.failed') {
      const { file, why, block, probe, acked = block } = event.data;
      const { retransmits = 0, unheard = 0 } = event.data;
      const end = probe ? 'probe' : endOf(why);
      close(file, at, { end, why, acked, retransmits, unheard });
    }
  }
  return all.map((one) => (one.end === 'complete' ? { ...one, acked: blocks(one) } : one));
}

const EMPTY_TRANSFER = {
  kind: 'tftp',
  asked: {},
  granted: {},
  sizeBytes: 0,
  acked: -1,
  retransmits: 0,
  unheard: 0,
  requests: 1,
  end: 'running',
  why: '',
} as const;

const blocks = ({ sizeBytes, granted }: TftpEntry) =>
  Math.floor(sizeBytes / Number(granted.blksize ?? 512)) + 1;

function endOf(why: string): TftpEntry['end'] {
  if (/^the client aborted/.test(why)) return 'aborted';
  const ours = /never acknowledged|stopped answering|asked anew|closed its port|stopping|in time/;
  return ours.test(why) ? 'unfinished' : 'refused';
}

function downloads(events: readonly StoredEvent[], live: TcpFigures | undefined): HttpEntry[] {
  const all: HttpEntry[] = [];
  const close = (file: string, end: Partial<HttpEntry>) => {
    const index = all.findLastIndex((one) => one.file === file && one.end === 'running');
    const begun = all[index];
    if (begun) all[index] = { ...begun, ...end };
  };
  for (const event of events) {
    const endAt = event.at;
    if (event.name === 'http.started') {
      const { file, sizeBytes, offsetBytes } = event.data;
      const begun = { at: endAt, endAt, method: 'GET', file, sizeBytes, offsetBytes };
      all.push({ kind: 'http', ...begun, sentBytes: 0, end: 'running' });
    } else if (event.name === 'http.sent') {
      const { file, sizeBytes, tcp } = event.data;
      close(file, { endAt, sentBytes: sizeBytes, end: 'complete', ...(tcp ? { tcp } : {}) });
    } else if (event.name === 'http.aborted') {
      const { file, sentBytes, tcp } = event.data;
      close(file, { endAt, sentBytes, end: 'aborted', ...(tcp ? { tcp } : {}) });
    }
  }
  const last = all.at(-1);
  if (live && last?.end === 'running') all[all.length - 1] = { ...last, tcp: live };
  return all;
}
