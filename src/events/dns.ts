/** The events of the name server: part of the one list in ../events.ts. */

/** What an event shows of a record that a person wrote. */
export type DnsRecordSeen = {
  name: string;
  type: string;
  ttl: number;
  data: string;
  note: string;
};

export interface DnsEventData {
  /** A generation of zones is served: `zones` are the first twenty that changed. */
  'dns.changed': {
    generation: number;
    cause: string;
    added: number;
    removed: number;
    zones: readonly { readonly zone: string; readonly serial: number }[];
  };
  /** A generation failed its checks; the last good one stays. `why` is the first of its faults. */
  'dns.refused': { generation: number; cause: string; faults: number; why: string };
  /** A person added or removed a record: null is what was not there before, or is not after. */
  'dns.edited': {
    record: string;
    before: DnsRecordSeen | null;
    after: DnsRecordSeen | null;
    who: string;
    why: string;
  };
  /** A thread that answers DNS over UDP ended by itself; another is started `againInMs` later. */
  'dns.thread-ended': { address: string; why: string; againInMs: number };
  'dns.thread-restarted': { address: string; downMs: number };
  /** A signing key took a step of its life: published, active, retired, removed. */
  'dns.rekeyed': { role: 'ksk' | 'zsk'; tag: number; step: string; why: string };
}

export const DNS_EVENT_NAMES = [
  'dns.changed',
  'dns.refused',
  'dns.rekeyed',
  'dns.edited',
  'dns.thread-ended',
  'dns.thread-restarted',
] as const satisfies readonly (keyof DnsEventData)[];
