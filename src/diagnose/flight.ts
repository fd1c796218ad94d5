/**
 * The flight record: everything that the appliance, or a capture, knows of one attempt of one machine to boot.
 *
 * It is one list of entries in the order of time, from every wire that a boot crosses: DHCP as asked and answered, TFTP
 * transfers with where they stopped, downloads with their bytes, DNS questions, what the BMC was told, lines of the serial
 * console, what the agent said, the report, the first sign of the operating system. The daemon makes it from its events and
 * the packets that it kept; `from-capture.ts` makes the same from a capture file. Diagnoses read this and nothing else, so
 * that a record which was exported can be judged again anywhere.
 *
 * It holds no secrets: paths are without tokens. docs/diagnoses.md describes the format for people who add to the corpus.
 */
import { z } from 'zod';
import { limit } from '../limits.ts';

export const FLIGHT_FORMAT = 'reveille-flight';
export const FLIGHT_VERSION = 1;

const at = z.number().describe('Milliseconds since 1970, UTC');
const stage = z.enum(['firmware', 'http-boot', 'ipxe', 'os', 'bmc']);

/** Of a transfer's TCP connection, as the kernel counts (TCP_INFO). */
const tcp = z.strictObject({
  ackedBytes: z.number(),
  segments: z.number(),
  retransmits: z.number(),
  mssBytes: z.number(),
  rttMs: z.number(),
  /** Since the machine's last acknowledgement. */
  quietMs: z.number(),
});
export type TcpFigures = z.output<typeof tcp>;

const dhcpEntry = z.strictObject({
  kind: z.literal('dhcp'),
  at,
  from: z.enum(['machine', 'server']),
  type: z.enum(['discover', 'offer', 'request', 'decline', 'ack', 'nak', 'release', 'inform']),
  stage,
  xid: z.number().int(),
  secs: z.number().int(),
  /** Of a reply who sent it, of a REQUEST whom it names (option 54). */
  server: z.string().default(''),
  /** `yiaddr`, or what a client wants or gives back. */
  address: z.string().default(''),
  bootFile: z.string().default(''),
  vendorClass: z.string().default(''),
  /** Option 43 is there, and has what makes an offer one of PXE. */
  vendorOptions: z.boolean().default(false),
  /** The port of the server's side: 67, or 4011. */
  port: z.number().int().default(67),
  /** `giaddr`, empty without a relay. */
  relay: z.string().default(''),
  vlan: z.number().int().optional(),
  uuid: z.string().default(''),
  /** What iPXE says of its card (option 175.177), e.g. `pci 8086:100e`. */
  nic: z.string().default(''),
  /** Why it was not answered, where that is known. */
  drop: z.string().default(''),
  why: z.string().default(''),
});

const tftpEntry = z.strictObject({
  kind: z.literal('tftp'),
  at,
  endAt: at,
  file: z.string(),
  asked: z.record(z.string(), z.string()),
  granted: z.record(z.string(), z.string()),
  sizeBytes: z.number().default(0),
  /** The last block that the client acknowledged; -1 when it acknowledged nothing, not even the options. */
  acked: z.number().int(),
  retransmits: z.number().int(),
  /** Of these, those after the machine's last sign. */
  unheard: z.number().int().default(0),
  requests: z.number().int().default(1),
  end: z.enum(['running', 'complete', 'probe', 'refused', 'aborted', 'unfinished', 'unanswered']),
  why: z.string().default(''),
});

const httpEntry = z.strictObject({
  kind: z.literal('http'),
  at,
  endAt: at,
  method: z.string().default('GET'),
  file: z.string(),
  sizeBytes: z.number().default(0),
  offsetBytes: z.number().default(0),
  sentBytes: z.number().default(0),
  /** `asked`: a capture shows the request line, and not what came of it. */
  end: z.enum(['running', 'complete', 'aborted', 'asked']),
  tcp: tcp.optional(),
});

const entry = z.discriminatedUnion('kind', [
  dhcpEntry,
  tftpEntry,
  httpEntry,
  z.strictObject({ kind: z.literal('script'), at, mode: z.string(), why: z.string().default('') }),
  z.strictObject({
    kind: z.literal('agent'),
    at,
    phase: z.string(),
    message: z.string(),
    level: z.enum(['info', 'warn', 'error']),
    /** How far the machine's clock is ahead of ours, where it told. */
    clockAheadSeconds: z.number().optional(),
    /** Of work: how far a copy has got, and a number that changes while anything is done. */
    percent: z.number().optional(),
    bytes: z.number().optional(),
    activity: z.number().optional(),
  }),
  z.strictObject({
    kind: z.literal('report'),
    at,
    outcome: z.enum(['received', 'refused']),
    detail: z.string(),
  }),
  z.strictObject({
    kind: z.literal('bmc'),
    at,
    job: z.string(),
    action: z.string(),
    step: z.string(),
    phase: z.string(),
    detail: z.string(),
  }),
  z.strictObject({ kind: z.literal('console'), at, text: z.string() }),
  z.strictObject({
    kind: z.literal('dns'),
    at,
    name: z.string(),
    type: z.string(),
    answer: z.string(),
  }),
  z.strictObject({
    kind: z.literal('address'),
    at,
    what: z.enum(['declined', 'conflict', 'exhausted']),
    address: z.string(),
    by: z.string(),
  }),
  /** The operating system on the disk gave a sign. */
  z.strictObject({ kind: z.literal('os'), at, what: z.string() }),
]);
export type FlightEntry = z.output<typeof entry>;
export type DhcpEntry = z.output<typeof dhcpEntry>;
export type TftpEntry = z.output<typeof tftpEntry>;
export type HttpEntry = z.output<typeof httpEntry>;

/** A boot of the same NIC before this one, in short. */
const previousBoot = z.strictObject({
  boot: z.string(),
  startedAt: at,
  lastAt: at,
  /** What its script said: a mode of pxeimage, `local-disk`, `nothing`, or empty. */
  mode: z.string(),
  /** It came to its end: it reported, or waits for orders as it should. */
  reported: z.boolean(),
  diagnosis: z.string(),
});
export type PreviousBoot = z.output<typeof previousBoot>;

export const flightSchema = z.strictObject({
  format: z.literal(FLIGHT_FORMAT),
  version: z.literal(FLIGHT_VERSION),
  source: z.enum(['daemon', 'capture']),
  /** Wires that this record could not see: silence on them says nothing. */
  blind: z.array(z.enum(['http'])).default([]),
  boot: z.string(),
  mac: z.string(),
  machine: z
    .strictObject({
      hardwarename: z.string().default(''),
      manufacturer: z.string().default(''),
      product: z.string().default(''),
      firmware: z.string().default(''),
      state: z.string().default('unknown'),
      /** Of the last report; absent before there is one. */
      memoryBytes: z.number().optional(),
      disks: z.number().int().optional(),
    })
    .prefault({}),
  place: z
    .strictObject({
      /** A rack's name is its own within its site only. */
      site: z.string().default(''),
      rack: z.string().default(''),
      switch: z.string().default(''),
      port: z.string().default(''),
      segment: z.string().default(''),
      /** The segment is a ProxyDHCP one: another server leases the addresses. */
      proxy: z.boolean().default(false),
    })
    .prefault({}),
  client: stage,
  arch: z.string(),
  startedAt: at,
  /** Until when it is known what the machine did: now, or the end of the capture. */
  watchedUntil: at,
  /** The machine began another boot at that moment. */
  restartedAt: at.optional(),
  /** As what it began again: firmware that tries its next boot entry comes back as another stage. */
  restartedAs: stage.optional(),
  /** How long its deadline for asking is, where it was switched on to boot: until then silence says nothing. */
  firmwareMs: z.number().optional(),
  /** How many boots from a card of this kind got into Linux, where iPXE told what card it is. */
  sameCardReachedLinux: z.number().int().optional(),
  entries: z.array(entry).max(limit('flightEntriesMax')),
  /** Newest first. */
  previous: z.array(previousBoot).default([]),
});
export type Flight = z.output<typeof flightSchema>;

/** Parses a record that was exported. @throws ZodError naming the path that is wrong */
export function parseFlight(document: unknown): Flight {
  return flightSchema.parse(document);
}
