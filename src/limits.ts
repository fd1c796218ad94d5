/**
 * Every limit of the appliance in one table: its name (which ends in its unit), its value and its reason.
 * Nothing in here is configuration; a limit that a site must change moves to config.ts with this value as default.
 */

import { BMC_LIMITS } from './limits/bmc.ts';
import { CAPTURE_LIMITS } from './limits/capture.ts';
import { CONSOLE_LIMITS } from './limits/consoles.ts';
import { DHCP_LIMITS } from './limits/dhcp.ts';
import { DNS_LIMITS } from './limits/dns.ts';
import { FEDERATION_LIMITS } from './limits/federation.ts';
import { FLIGHT_LIMITS } from './limits/flight.ts';
import { HTTP_LIMITS } from './limits/http.ts';
import { IMAGE_LIMITS } from './limits/images.ts';
import { IPMI_LIMITS } from './limits/ipmi.ts';
import { JOB_LIMITS } from './limits/jobs.ts';
import { PROVISIONING_LIMITS } from './limits/provisioning.ts';
import { SIGN_IN_LIMITS } from './limits/sign-in.ts';
import { STANDBY_LIMITS } from './limits/standby.ts';
import { TFTP_LIMITS } from './limits/tftp.ts';
import { WORK_LIMITS } from './limits/work.ts';

export interface Limit {
  readonly value: number;
  readonly why: string;
}

export const LIMITS = {
  ...DHCP_LIMITS,
  ...TFTP_LIMITS,
  ...HTTP_LIMITS,
  ...IPMI_LIMITS,
  ...DNS_LIMITS,
  ...CAPTURE_LIMITS,
  ...STANDBY_LIMITS,
  reportBytesMax: {
    value: 1_048_576,
    why: 'a report of a machine with 64 disks and 32 NICs is under 200 KB',
  },
  reportItemsMax: {
    value: 512,
    why: 'no machine has more NICs, disks, memory modules or processors than this',
  },
  reportTextCharsMax: {
    value: 256,
    why: 'SMBIOS strings are short; longer ones are garbage or an attack',
  },
  progressBytesMax: { value: 8192, why: 'one line of progress with the tail of a log' },
  bootTokenMs: {
    value: 3_600_000,
    why: 'from the first offer to the recon report with every retry in between',
  },
  waitTokenMs: { value: 86_400_000, why: 'a waiting machine renews it with each heartbeat' },
  reportsKeptMax: {
    value: 5,
    why: 'of a machine, as received: enough to see what has changed, and a looping machine fills no disk',
  },
  bootIdleMs: {
    value: 3_600_000,
    why: 'an operating system asking later than this is no part of the boot',
  },
  firmwareRepeatMs: {
    value: 65_000,
    why: 'UEFI gives up after 60 s of unanswered DISCOVERs: until then it is one boot',
  },
  binariesPerBoot: {
    value: 3,
    why: 'a client that is handed a boot loader over and over is looping',
  },
  heartbeatMs: {
    value: 20_000,
    why: 'long poll of a waiting machine; below every idle timeout of a middlebox',
  },
  boardBootsMax: { value: 500, why: 'rows a phone can hold; older boots are read page by page' },
  eventsPageMax: { value: 1000, why: 'one page of the event feed stays below a megabyte' },
  sseClientsMax: { value: 256, why: 'each holds a socket and a cursor' },
  sseBufferBytesMax: {
    value: 1_048_576,
    why: 'a reader this far behind is cut off and resumes from its last event id',
  },
  listPageMax: { value: 1000, why: 'one page of machines stays around a megabyte of JSON' },
  listScanRowsMax: {
    value: 1000,
    why: 'rows looked at before the loop is given back: about 2 ms, so that no DHCP answer waits for a list',
  },
  listScanLettersMax: {
    value: 256_000,
    why: 'letters that patterns may be compared with in one such step, once for each 32 of the pattern: about 2 ms too',
  },
  likeValuesMax: {
    value: 20,
    why: 'patterns of one filter, and tags that a machine is to have: each is looked for in every row of a list',
  },
  likeCharsMax: {
    value: 253,
    why: 'one such pattern; a hostname is no longer. What a row costs is bounded by it and by the longest text',
  },
  listScanReportsMax: {
    value: 50,
    why: 'the same where a list asks for disks, modules and the like: reports of some 10 kB are read for it',
  },
  searchCandidatesMax: {
    value: 300,
    why: 'a question that this many records hold is too vague for a person to read more',
  },
  searchTrigramsMax: { value: 24, why: 'no serial, MAC or hostname that matters is longer' },
  bulkItemsMax: { value: 1000, why: 'one request; a larger change is several' },
  deliveryLinesMax: {
    value: 10_000,
    why: 'a packing list of a whole hall; it is compared line by line each time it is looked at',
  },
  bulkBodyBytesMax: {
    value: 8_388_608,
    why: 'a thousand machines with their NICs, or a long sheet',
  },
  bulkUnconfirmedMax: {
    value: 10,
    why: 'a change of more machines asks for a confirmation that names the count',
  },
  bulkChunkMax: {
    value: 10,
    why: 'machines changed in one transaction of a bulk call; then the loop is given back',
  },
  requestBodyBytesMax: { value: 262_144, why: 'any one record with its notes is far smaller' },
  fieldTextCharsMax: { value: 256, why: 'a name or a place; longer text belongs into notes' },
  notesCharsMax: { value: 4096, why: 'a page of notes on one machine' },
  machineIpv6Max: {
    value: 16,
    why: 'a NIC or two in some networks; more are what a prefix is for',
  },
  tagsMax: { value: 64, why: 'more tags than this are a list that belongs elsewhere' },
  customFieldsMax: { value: 64, why: 'fields of a site’s own, per machine' },
  sessionMs: { value: 43_200_000, why: 'a working day; then a person logs in again' },
  bootstrapTokenMs: {
    value: 604_800_000,
    why: 'the first administrator has a week to make a token of his own',
  },
  sessionsPerUserMax: { value: 20, why: 'the oldest session ends when another begins' },
  tokensPerUserMax: { value: 50, why: 'living ones: a person has a few programs, not a farm' },
  tokenGenerationsMax: {
    value: 4,
    why: 'a token ends with the one that made it, which is looked up with each call, and so on upwards',
  },
  endedTokenKeptMs: {
    value: 2_592_000_000,
    why: '30 days: whoever asks what became of a token still sees that it ended',
  },
  accessTrackedMax: {
    value: 10_000,
    why: 'rate-limit buckets held; the oldest is dropped, so guessed tokens cost no memory',
  },
  loginsPerMinuteMax: { value: 10, why: 'for each user and address: a person mistypes twice' },
  invalidTokensPerMinuteMax: {
    value: 60,
    why: 'from one address: a program with an old token asks once a second; a guess of 256 bits needs no more',
  },
  accessLookMs: {
    value: 1000,
    why: 'how soon a stream or a console is closed to whoever may no longer be there: one lookup each',
  },
  refusalEventsPerMinuteMax: {
    value: 120,
    why: 'audited one by one; a flood of refusals is counted, or it would fill the disk',
  },
  idempotencyMs: { value: 86_400_000, why: 'a client that retries has given up after a day' },
  webhookTimeoutMs: { value: 10_000, why: 'a receiver takes the events in and answers at once' },
  webhookPatienceMs: {
    value: 21_600_000,
    why: 'a receiver that is being rebuilt is back within six hours; then the next batch has its turn',
  },
  webhookPauseMs: { value: 900_000, why: 'the longest pause: a receiver that is back hears soon' },
  webhookBatchMax: {
    value: 500,
    why: 'events in one delivery: 5,000 a second to a receiver that takes 100 ms for each',
  },
  deadLettersMax: { value: 1000, why: 'of one webhook; the oldest goes when another comes' },
  deadLetterMs: { value: 2_592_000_000, why: '30 days: then nobody will send it again' },
  webhooksMax: { value: 100, why: 'each is a cursor and a socket' },
  compactionRowsMax: {
    value: 500,
    why: 'events deleted in one transaction: a few milliseconds between two DHCP answers',
  },
  backupsKeptMax: { value: 14, why: 'two weeks of daily copies; the oldest is removed first' },
  waitTickMs: { value: 30_000, why: 'how often missed deadlines of states are looked for' },
  stallLooksMax: {
    value: 500,
    why: 'boots whose events are read in one look, under 50 ms of it; the others follow soon',
  },
  stallEventsMax: {
    value: 400,
    why: 'events read of one boot: a healthy one has 30, one whose disks are erased for a day has ten thousand alike',
  },
  stallTickMs: { value: 1000, why: 'how often running boots are checked for a missed deadline' },
  ...BMC_LIMITS,
  ...CONSOLE_LIMITS,
  ...JOB_LIMITS,
  ...PROVISIONING_LIMITS,
  ...SIGN_IN_LIMITS,
  ...WORK_LIMITS,
  ...IMAGE_LIMITS,
  ...FLIGHT_LIMITS,
  ...FEDERATION_LIMITS,
  shutdownMs: {
    value: 5000,
    why: 'time for running transfers to end after SIGTERM before sockets are closed',
  },
} as const satisfies Record<string, Limit>;

export type LimitName = keyof typeof LIMITS;

/** The value of a limit, for code; the reason stays in the table. */
export function limit(name: LimitName): number {
  return LIMITS[name].value;
}
