/**
 * Every limit of the appliance in one table: its name (which ends in its unit), its value and its reason.
 * Nothing in here is configuration; a limit that a site must change moves to config.ts with this value as default.
 */
import { BMC_LIMITS } from './limits/bmc.ts';
import { FLIGHT_LIMITS } from './limits/flight.ts';
import { FEDERATION_LIMITS } from './limits/federation.ts';
import { IMAGE_LIMITS } from './limits/images.ts';
import { JOB_LIMITS } from './limits/jobs.ts';
import { SIGN_IN_LIMITS } from './limits/sign-in.ts';
import { WORK_LIMITS } from './limits/work.ts';

export interface Limit {
  readonly value: number;
  readonly why: string;
}

export const LIMITS = {
  dhcpPacketsPerMacPerSecond: {
    value: 10,
    why: 'firmware sends at most one packet a second; ten leave room for a shared relay and stop a loop',
  },
  dhcpTrackedMacs: {
    value: 65_536,
    why: 'rate-limit buckets held; the oldest is dropped, so spoofed MACs cost no memory',
  },
  dhcpReplyBytesMax: { value: 1472, why: 'edk2 ignores replies above 1472 bytes of UDP payload' },
  dhcpReplyBytesMin: {
    value: 300,
    why: 'BOOTP minimum; some relays and ROMs drop shorter replies (RFC 1542 2.1)',
  },
  dhcpHopsMax: { value: 16, why: 'a relay loop (RFC 1542 4.1.1)' },
  dhcpBatchPacketsMax: {
    value: 32,
    why: 'answered in one transaction and sent at once: enough to share a commit, and no burst that overruns the buffer of a relay (212 KB by default)',
  },
  dhcpGatherMs: {
    value: 1,
    why: 'a busy server waits this long for more packets to share a commit: unseen by clients, a third less work',
  },
  timelineGatherMs: {
    value: 5,
    why: 'steps of boots that nobody waits for share a commit: a storm makes thousands in a second',
  },
  dhcpWaitingMax: {
    value: 4096,
    why: 'packets of a storm held until they are answered, 2 MB; above it the oldest is dropped',
  },
  dhcpWaitMaxMs: {
    value: 1000,
    why: 'a client has asked again by then (iPXE after 1 s, firmware after 4 s): the newer packet is answered',
  },
  recalledAnswersMax: {
    value: 131_072,
    why: 'records remembered between two changes, about 100 bytes each: more than the NICs of a site',
  },
  offerHoldMs: {
    value: 60_000,
    why: 'edk2 collects offers for up to 4 s and may retry at 4, 12 and 28 s',
  },
  declineQuarantineMs: {
    value: 86_400_000,
    why: 'an address somebody else answers on stays in use for a while',
  },
  declinedPerMacMax: { value: 16, why: 'on one segment: beyond it, a client drains the pool' },
  probeStockMax: {
    value: 64,
    why: 'silent addresses kept ready for each segment: the machines of one rack, before the next round of probes',
  },
  probeBatchMax: {
    value: 32,
    why: 'addresses probed at once: the kernel keeps a neighbour entry for each, of 1024 in all',
  },
  probeWaitMs: {
    value: 1200,
    why: 'the kernel asks again after 1 s: one lost ARP request does not make an address look free',
  },
  probeEveryMs: { value: 5000, why: 'how often a full stock is looked at again' },
  probeFreshMs: {
    value: 300_000,
    why: 'an address that was silent for longer ago than this may have found a user since',
  },
  probeAnswersPerMacMax: {
    value: 8,
    why: 'one NIC that answers for more free addresses is a router doing proxy ARP, and proves nothing',
  },
  probeLookMax: {
    value: 65_536,
    why: 'addresses looked at to find some that were never given out: 2 ms of a /16',
  },
  tftpTransfersMax: {
    value: 512,
    why: 'of each network; more at once would only make each slower than its client is patient',
  },
  tftpTransfersPerAddressMax: { value: 4, why: 'firmware opens one, or two around its size probe' },
  tftpShedSilenceMs: {
    value: 1000,
    why: 'a client that lives answers within milliseconds; one this quiet yields to newer requests',
  },
  tftpQueuedMax: { value: 2048, why: 'a hall that powers on at once; each is a few hundred bytes' },
  tftpQueueMs: {
    value: 4000,
    why: 'edk2 repeats its request after 4 s, iPXE earlier: who still wants it is here again by then',
  },
  tftpLingerMs: {
    value: 10_000,
    why: 'what a finished client still has on its way is late, not a stranger',
  },
  tftpLingerMax: { value: 4096, why: 'finished endpoints remembered; the oldest is forgotten' },
  tftpRefusalsPerSecond: {
    value: 50,
    why: 'each costs an ERROR and an event; a flood of bad requests is only counted',
  },
  tftpBlksizeBytesMax: {
    value: 1468,
    why: 'ROMs drop fragments: never above a 1500-byte MTU minus 32',
  },
  tftpWindowsizeMax: {
    value: 32,
    why: '47 KB: fits the default socket buffer and the receive ring of a gigabit NIC',
  },
  tftpFirstWaitMs: { value: 1000, why: 'RFC 6298 2.1: before anything was measured' },
  tftpShortestWaitMs: {
    value: 50,
    why: 'firmware that polls or draws may pause this long; below it a repetition is mostly wasted',
  },
  tftpLongestWaitMs: {
    value: 4000,
    why: 'without a timeout option: edk2 waits 4 s for a block, so one of ours falls into each of its waits',
  },
  tftpSilenceMs: {
    value: 30_000,
    why: 'edk2 gives up after 24 s, iPXE after about 30: longer than either no client waits',
  },
  tftpRequestBytesMax: { value: 512, why: 'RFC 2347 section 2 limits a request to 512 octets' },
  tftpFileBytesMax: {
    value: 4_294_967_295,
    why: 'loaders keep tsize in 32 bits; whatever is larger goes by HTTP',
  },
  tftpCacheBytes: {
    value: 67_108_864,
    why: 'boot binaries are under 2 MiB each; a storm reads them from memory',
  },
  tftpChunkBytes: {
    value: 262_144,
    why: 'one read of a disk: about 2 ms of a slow one, and 178 blocks for whoever waits',
  },
  tftpReadsMax: { value: 16, why: 'reads under way: 4 MiB, and a queue that a disk can sort' },
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
  httpHeaderBytesMax: { value: 16_384, why: 'firmware and agents send a few hundred bytes' },
  httpHeadersMax: { value: 64, why: 'firmware and agents send a dozen at most' },
  httpConnectionsMax: {
    value: 2048,
    why: 'a storm keeps one connection per machine; beyond it the longest idle one makes room',
  },
  httpConnectionsPerAddressMax: {
    value: 512,
    why: 'a machine holds two or three; a whole rack behind one address still fits',
  },
  httpHeadersMs: {
    value: 10_000,
    why: 'a request head is one packet; a client that takes longer is broken or hostile',
  },
  httpRequestMs: { value: 60_000, why: 'a report of 1 MiB over the slowest management link' },
  httpKeepAliveMs: {
    value: 75_000,
    why: 'above the 60 s for which an idle loader or a proxy keeps its end of a connection',
  },
  httpIdleMs: { value: 120_000, why: 'a download that moves no byte for this long is over' },
  httpChunkMs: {
    value: 120_000,
    why: 'a loader that takes less than 1 MiB in this time is stuck: 9 KB/s is no boot',
  },
  httpChunkBytesMax: {
    value: 1_048_576,
    why: 'one read: measured to be where fewer and larger reads gain no more',
  },
  httpSendThreadsMax: {
    value: 2,
    why: 'each fills a core at 4 GiB/s; more would take cores from DHCP and DNS',
  },
  tlsHandshakeMs: {
    value: 20_000,
    why: 'an old processor without AES instructions takes a second or two in iPXE',
  },
  tlsReloadMs: {
    value: 10_000,
    why: 'how soon a replaced certificate is in use; four calls of stat(2) each time',
  },
  tlsExpiryWarnMs: {
    value: 2_592_000_000,
    why: '30 days: a person has to get a new certificate, and may be on holiday',
  },
  httpSendBufferBytes: {
    value: 67_108_864,
    why: 'read buffers of all downloads in full chunks; beyond it each has 64 KiB',
  },
  bootTokenMs: {
    value: 3_600_000,
    why: 'from the first offer to the recon report with every retry in between',
  },
  waitTokenMs: { value: 86_400_000, why: 'a waiting machine renews it with each heartbeat' },
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
  searchCandidatesMax: {
    value: 300,
    why: 'a question that this many records hold is too vague for a person to read more',
  },
  searchTrigramsMax: { value: 24, why: 'no serial, MAC or hostname that matters is longer' },
  bulkItemsMax: { value: 1000, why: 'one request; a larger change is several' },
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
  tagsMax: { value: 64, why: 'more tags than this are a list that belongs elsewhere' },
  customFieldsMax: { value: 64, why: 'fields of a site’s own, per machine' },
  sessionMs: { value: 43_200_000, why: 'a working day; then a person logs in again' },
  bootstrapTokenMs: {
    value: 604_800_000,
    why: 'the first administrator has a week to make a token of his own',
  },
  sessionsPerUserMax: { value: 20, why: 'the oldest session ends when another begins' },
  accessTrackedMax: {
    value: 10_000,
    why: 'rate-limit buckets held; the oldest is dropped, so guessed tokens cost no memory',
  },
  loginsPerMinuteMax: { value: 10, why: 'for each user and address: a person mistypes twice' },
  refusalEventsPerMinuteMax: {
    value: 120,
    why: 'audited one by one; a flood of refusals is counted, or it would fill the disk',
  },
  idempotencyMs: { value: 86_400_000, why: 'a client that retries has given up after a day' },
  webhookTimeoutMs: { value: 10_000, why: 'a receiver takes the events in and answers at once' },
  webhookAttemptsMax: { value: 8, why: 'with doubling pauses this is about ten minutes' },
  webhookBatchMax: { value: 100, why: 'events in one delivery' },
  webhooksMax: { value: 100, why: 'each is a cursor and a socket' },
  compactionRowsMax: {
    value: 500,
    why: 'events deleted in one transaction: a few milliseconds between two DHCP answers',
  },
  backupsKeptMax: { value: 14, why: 'two weeks of daily copies; the oldest is removed first' },
  waitTickMs: { value: 30_000, why: 'how often missed deadlines of states are looked for' },
  dnsGenerationsMax: {
    value: 2000,
    why: 'generations between snapshots, kept with their differences for as long again: a secondary that was off for long still catches up by IXFR',
  },
  dnsTcpConnectionsMax: {
    value: 512,
    why: 'secondaries keep a few; resolvers come over TCP one question at a time',
  },
  dnsTcpPerAddressMax: { value: 32, why: 'one client must not take all connections' },
  dnsTcpMessageBytesMax: {
    value: 4096,
    why: 'a question with EDNS and TSIG is under 600 bytes; nobody needs the 64 KB that TCP allows',
  },
  dnsTcpIdleMs: {
    value: 20_000,
    why: 'RFC 7766 section 6.2.3: seconds, so that connections are kept',
  },
  dnsTcpMessageMs: {
    value: 5000,
    why: 'a message that has begun is complete by then, or its sender is only holding a connection',
  },
  dnsTcpBacklogBytesMax: {
    value: 1_048_576,
    why: 'answers waiting for a slow reader; nothing more is read from it until they have left',
  },
  dnsNotifyAttemptsMax: {
    value: 5,
    why: 'at 1, 4, 16 and 60 s: RFC 1996 section 3.6; the refresh timer does the rest',
  },
  dnsGatherMs: { value: 10, why: 'changes of one moment become one generation' },
  stallLooksMax: {
    value: 500,
    why: 'boots whose events are read in one look, under 50 ms of it; the others follow a second later',
  },
  stallTickMs: { value: 1000, why: 'how often running boots are checked for a missed deadline' },
  captureRecordBytesMax: {
    value: 262_144,
    why: 'the longest frame that tcpdump and dumpcap write; more is damage, not a frame',
  },
  captureInterfacesMax: { value: 256, why: 'a pcapng section describes each interface it has' },
  captureEntriesMax: {
    value: 200_000,
    why: 'messages kept to be shown together: about 500 MB, and a hall of 12,000 machines booting once',
  },
  captureMachinesMax: {
    value: 65_536,
    why: 'hardware addresses told apart; a capture of a flood has more, and shows it by then',
  },
  captureTransfersMax: {
    value: 16_384,
    why: 'TFTP transfers followed at once, the oldest given up',
  },
  captureProblemsMax: { value: 1000, why: 'nobody reads the thousandth problem of one machine' },
  captureHttpBytesMax: { value: 2048, why: 'request line and headers of a boot request fit well' },
  ipmiDatagramBytesMax: { value: 1500, why: 'no BMC sends more than one Ethernet frame' },
  ipmiReplyMs: {
    value: 1000,
    why: 'first wait for a reply, then 2, 3 and 4 s: as ipmitool, which BMCs are tested with',
  },
  ipmiTriesMax: { value: 4, why: 'ten seconds in all; a BMC that is silent longer is restarting' },
  ipmiHandshakesMax: {
    value: 6,
    why: 'whole handshakes after a lost packet; each leaves a half-open session, and BMCs have five',
  },
  ipmiActionReplyMs: {
    value: 10_000,
    why: 'a command that must not be repeated is sent once; ATEN BMCs answer late after power actions',
  },
  ipmiBusyMs: { value: 500, why: 'first wait after "node busy"; each try adds as much' },
  ipmiKeepAliveMs: { value: 25_000, why: 'BMCs end a session that is idle for 60 s, less 3' },
  ipmiPendingMax: {
    value: 64,
    why: 'requests waiting in one session: a caller asks a few at a time',
  },
  ipmiUserBytesMax: { value: 16, why: 'IPMI 2.0 section 22.28: the user name field' },
  ipmiPasswordBytesMax: { value: 20, why: 'IPMI 2.0 section 22.30: the longest password' },
  sdrRecordsMax: {
    value: 4096,
    why: 'big chassis have a few hundred; a list whose end is missing stops here',
  },
  selEntriesMax: { value: 65_536, why: 'the record ids of a log; a list that loops stops here' },
  fruBytesMax: { value: 65_536, why: 'its size field has 16 bits; real ones are under 4 KB' },
  solResendMs: { value: 1000, why: 'an unacknowledged SOL packet; consoles use 0.5 to 1 s' },
  solTriesMax: { value: 7, why: 'as FreeIPMI: after seven seconds without an answer SOL is over' },
  solDataBytesMax: {
    value: 200,
    why: 'the sizes that BMCs give are wrong on many boards (Asus, Intel, Sun, Inventec)',
  },
  solBufferBytesMax: {
    value: 65_536,
    why: 'typed or pasted and not yet accepted; more is refused, not kept',
  },
  ...BMC_LIMITS,
  ...JOB_LIMITS,
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
