/** An event in words: the few that people read most say it as a sentence, the others list their data. */
import type { StoredEvent } from '../../events.ts';
import { bytes, plural, seconds } from '../format.ts';

const CHATTER = ['dhcp.', 'tftp.', 'http.', 'ipxe.', 'agent.'];

/** It only matters while a boot is looked at. */
export const isChatter = ({ name }: StoredEvent): boolean =>
  CHATTER.some((prefix) => name.startsWith(prefix));

export function eventWords(event: StoredEvent): string {
  switch (event.name) {
    case 'machine.state': {
      const { from, to, why, who, by } = event.data;
      return `${from} → ${to}: ${why} (${who ?? by})`;
    }
    case 'machine.edited':
      return `${event.data.why} (${event.data.who})`;
    case 'machine.registered':
      return `${event.data.manufacturer} ${event.data.product}, serial ${event.data.serial}`;
    case 'machine.changed':
      return `a report differs from the one before in ${plural(event.data.changes.length, 'part')}`;
    case 'machine.typed': {
      const { from, to, mismatch } = event.data;
      return `${from || 'no type'} → ${to || 'no type'}${mismatch === '' ? '' : `, but ${mismatch}`}`;
    }
    case 'machine.conflict':
      return `with ${event.data.with}: ${event.data.why}`;
    case 'recon.received': {
      const { sizeBytes, repeated } = event.data;
      return `a report of ${bytes(sizeBytes)}${repeated ? ', once more' : ''}`;
    }
    case 'boot.started': {
      const { client, arch, iface } = event.data;
      return `${client}, ${arch}, on ${iface}`;
    }
    case 'boot.stalled':
      return `${event.data.cause} ${event.data.next}`;
    case 'job.step':
      return `${event.data.action}: ${event.data.step} ${event.data.phase} ${event.data.text ?? ''}`;
    case 'job.queued':
      return `${event.data.action}, for ${event.data.requester}`;
    case 'job.finished':
    case 'job.cancelled':
      return event.data.action;
    case 'job.failed':
      return `${event.data.action}: ${event.data.code} ${event.data.detail}`;
    case 'dns.changed':
      return `generation ${event.data.generation}: +${event.data.added} −${event.data.removed}, ${event.data.cause}`;
    case 'dns.refused':
      return `generation ${event.data.generation} refused: ${event.data.why}`;
    case 'dns.edited': {
      const { before, after, who, why } = event.data;
      const { name = '', type = '', data = '' } = after ?? before ?? {};
      const reason = why === '' ? '' : `: ${why}`;
      return `${name} ${type} ${data} ${after ? 'added' : 'removed'} by ${who}${reason}`;
    }
    case 'access.refused':
      return `${event.data.who} from ${event.data.from}: ${event.data.method} ${event.data.path} ${event.data.code}`;
    case 'federation.refused':
      return `${event.data.code}: ${event.data.detail}`;
    case 'tftp.sent':
    case 'http.sent':
      return `${event.data.file}, ${bytes(event.data.sizeBytes)} in ${seconds(event.data.durationMs)}`;
    default:
      return listed(event.data);
  }
}

function listed(data: object): string {
  return Object.entries(data)
    .filter(([, value]) => value !== '' && typeof value !== 'object')
    .map(([key, value]) => `${key} ${value}`)
    .join(', ')
    .slice(0, 300);
}
