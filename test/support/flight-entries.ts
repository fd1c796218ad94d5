/** Entries of flight records for tests: what a healthy boot leaves behind, step by step, and the record around it. */
import type {
  DhcpEntry,
  Flight,
  FlightEntry,
  HttpEntry,
  TftpEntry,
} from '../../src/diagnose/flight.ts';

export const START = 1_700_000_000_000;
export const US = '10.77.0.1';
export const ADDRESS = '10.77.0.100';
export const SCRIPT = `http://${US}:8080/boot/…/script.ipxe`;
export const QUIET_MS = 95_000;

export interface Scene {
  readonly about: string;
  readonly expect: string | null;
  readonly final?: boolean;
  readonly flight: unknown;
}

export type Stage = DhcpEntry['stage'];
export const dhcp = (
  at: number,
  type: DhcpEntry['type'],
  stage: Stage,
  more: Partial<DhcpEntry> = {},
): FlightEntry => ({
  ...{ kind: 'dhcp', at: START + at, type, stage, xid: 1, secs: 0, address: '', bootFile: '' },
  from: ['offer', 'ack', 'nak'].includes(type) ? 'server' : 'machine',
  server: ['offer', 'ack', 'nak', 'request'].includes(type) ? US : '',
  ...{ vendorClass: '', vendorOptions: false, port: 67, relay: '', uuid: '', nic: '' },
  ...{ drop: '', why: '', ...more },
});
export const discover = (at: number, stage: Stage, more: Partial<DhcpEntry> = {}) =>
  dhcp(at, 'discover', stage, more);
export const offer = (at: number, stage: Stage, more: Partial<DhcpEntry> = {}) =>
  dhcp(at, 'offer', stage, { address: ADDRESS, bootFile: fileOf(stage), ...more });
export const fileOf = (stage: Stage) =>
  stage === 'ipxe' ? SCRIPT : stage === 'os' ? '' : 'snponly.efi';
export const leased = (at: number, stage: Stage, more: Partial<DhcpEntry> = {}): FlightEntry[] => [
  discover(at, stage),
  offer(at + 5, stage, more),
  dhcp(at + 10, 'request', stage, { address: ADDRESS }),
  dhcp(at + 15, 'ack', stage, { address: ADDRESS, bootFile: fileOf(stage), ...more }),
];
export const tftp = (at: number, more: Partial<TftpEntry> = {}): FlightEntry => ({
  ...{ kind: 'tftp', at: START + at, endAt: START + at + 200, file: 'snponly.efi' },
  asked: { blksize: '1468', tsize: '0' },
  granted: { blksize: '1468', tsize: '173792' },
  ...{
    sizeBytes: 173_792,
    acked: 119,
    retransmits: 0,
    unheard: 0,
    requests: 1,
    end: 'complete',
    why: '',
  },
  ...more,
});
export const http = (at: number, file: string, more: Partial<HttpEntry> = {}): FlightEntry => ({
  ...{ kind: 'http', at: START + at, endAt: START + at + 500, method: 'GET', file },
  ...{ sizeBytes: 8_000_000, offsetBytes: 0, sentBytes: 8_000_000, end: 'complete', ...more },
});
export const script = (at: number, mode = 'recon', why = ''): FlightEntry => ({
  ...{ kind: 'script', at: START + at, mode, why },
});
export const agent = (
  at: number,
  message: string,
  level: 'info' | 'warn' | 'error' = 'info',
  clockAheadSeconds?: number,
): FlightEntry => ({
  ...{ kind: 'agent', at: START + at, phase: 'linux', message, level },
  ...(clockAheadSeconds === undefined ? {} : { clockAheadSeconds }),
});
/** The agent's words of its work, one every ten seconds and all alike. */
export const beats = (at: number, count: number, word: object): FlightEntry[] =>
  Array.from(
    { length: count },
    (_, n) => ({ ...agent(at + 10_000 * n, ''), ...word }) as FlightEntry,
  );
export const report = (at: number, outcome: 'received' | 'refused', detail = ''): FlightEntry => ({
  ...{ kind: 'report', at: START + at, outcome, detail },
});
export const bmc = (at: number, step: string, phase = 'succeeded', detail = ''): FlightEntry => ({
  ...{ kind: 'bmc', at: START + at, job: 'j', action: 'netboot', step, phase, detail },
});
export const console = (at: number, text: string): FlightEntry => ({
  kind: 'console',
  at: START + at,
  text,
});

export const LOADED = [...leased(0, 'firmware'), tftp(100)];
export const IPXE = [...LOADED, ...leased(2000, 'ipxe')];
export const SCRIPTED = [...IPXE, script(2100)];
export const KERNEL = [...SCRIPTED, http(2200, 'vmlinuz')];
export const INITRD = [
  ...KERNEL,
  http(3000, 'initrd.img', { sizeBytes: 12_000_000, sentBytes: 12_000_000 }),
];
export const LINUX = [...INITRD, ...leased(15_000, 'os')];
export const AGENT = [...LINUX, agent(15_500, 'pxeimage is running')];
export const SCRIPTED_TO_WAIT = [...IPXE, script(2100, 'wait')];
export const WAITING = [...LINUX, script(2100, 'wait'), agent(15_500, 'pxeimage is running')];
export const INSTALLED: FlightEntry[] = [
  ...[...LINUX, script(2100, 'install'), agent(15_500, 'pxeimage is running')],
  ...[agent(60_000, 'writing'), { ...agent(90_000, 'install'), phase: 'finished' } as FlightEntry],
  bmc(90_100, 'started', 'waiting'),
];
/** A distribution's own installer, up to its template. */
export const INSTALLER_LOADED = [
  ...[...IPXE, script(2100, 'install'), http(2200, 'netinst@12 kernel')],
  http(3000, 'netinst@12 initrd', { sizeBytes: 12_000_000, sentBytes: 12_000_000 }),
];
export const INSTALLER: FlightEntry[] = [
  ...INSTALLER_LOADED,
  ...leased(15_000, 'os'),
  { ...agent(40_000, 'install'), phase: 'work' } as FlightEntry,
];
export const TO_DISK = [...IPXE, script(2100, 'local-disk')];
export const POWER = [bmc(-300_000, 'pxe-once'), bmc(-299_000, 'power-on')];

export const lastOf = (entries: readonly FlightEntry[]) =>
  Math.max(START, ...entries.map((one) => ('endAt' in one ? one.endAt : one.at)));

export function flight(entries: readonly FlightEntry[], more: Partial<Flight> = {}): unknown {
  return {
    ...{
      format: 'reveille-flight',
      version: 1,
      source: 'daemon',
      boot: 'b',
      mac: '52:54:00:00:00:01',
    },
    ...{ client: 'firmware', arch: 'uefi-x64', startedAt: START },
    watchedUntil: lastOf(entries) + QUIET_MS,
    ...{ entries, ...more },
  };
}
export const scene = (
  expect: string | null,
  about: string,
  entries: readonly FlightEntry[],
  more: Partial<Flight> = {},
): Scene => ({
  ...{ expect, about, flight: flight(entries, more) },
});
export const back = (
  entries: readonly FlightEntry[],
  afterMs: number,
  as: Stage = 'firmware',
): Partial<Flight> => ({
  restartedAt: lastOf(entries) + afterMs,
  restartedAs: as,
  watchedUntil: lastOf(entries) + afterMs + 1000,
});
export const machine = (more: Partial<Flight['machine']>): Partial<Flight> => ({
  machine: {
    hardwarename: 'M',
    manufacturer: 'V',
    product: 'P',
    firmware: '1',
    state: 'available',
    ...more,
  },
});
export const before = (mode: string, count: number, diagnosis = ''): Partial<Flight> => ({
  previous: Array.from({ length: count }, (_, index) => ({
    ...{ boot: `p${index}`, mode, reported: false, diagnosis },
    startedAt: START - (index + 1) * 120_000,
    lastAt: START - (index + 1) * 120_000 + 60_000,
  })),
});
export const tcp = (
  ackedBytes: number,
  retransmits: number,
  more: Partial<NonNullable<HttpEntry['tcp']>> = {},
) => ({
  tcp: {
    ackedBytes,
    retransmits,
    segments: 400,
    mssBytes: 1448,
    rttMs: 1,
    quietMs: 60_000,
    ...more,
  },
});
export const asking = (count: number, more: Partial<DhcpEntry> = {}, stage: Stage = 'firmware') =>
  [0, 4000, 12_000, 28_000]
    .slice(0, count)
    .map((at) => discover(at, stage, { secs: at / 1000, ...more }));
export const offering = (count: number, more: Partial<DhcpEntry> = {}) =>
  [0, 4000, 12_000, 28_000].slice(0, count).map((at) => offer(at + 5, 'firmware', more));
