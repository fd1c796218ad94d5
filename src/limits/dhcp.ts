/** The limits of DHCP: packets, leases, and the addresses that are probed: part of the one table in ../limits.ts. */
export const DHCP_LIMITS = {
  dhcpPacketsPerMacPerSecond: {
    value: 10,
    why: 'firmware sends at most one packet a second; ten leave room for a shared relay and stop a loop',
  },
  dhcpTrackedMacs: {
    value: 65_536,
    why: 'rate-limit buckets held; the oldest is dropped, so spoofed MACs cost no memory',
  },
  unknownBootsBurstMax: {
    value: 30_000,
    why: 'boots that machines without a record begin on one segment at once: a hall of 20,000, and half of it again',
  },
  unknownBootsPerSecond: {
    value: 10,
    why: 'and from then on: made-up MACs add a gigabyte of boots in a day and no more, and a rack of 48 is through in five seconds',
  },
  newcomersBurstMax: {
    value: 100_000,
    why: 'clients that boot nothing and have no lease, on one segment at once: more than a /16 has addresses; where the pools of a segment have more, as many as those',
  },
  newcomersOfPoolsMax: {
    value: 1_000_000,
    why: 'and never more than this, however large the pools: a quarter of a gigabyte of events',
  },
  newcomersPerSecond: {
    value: 20,
    why: 'and from then on: an offer is an event, taken or not, and made-up MACs would write them without end',
  },
  dhcpReplyBytesMax: { value: 1472, why: 'edk2 ignores replies above 1472 bytes of UDP payload' },
  dhcpReplyBytesMin: {
    value: 300,
    why: 'BOOTP minimum; some relays and ROMs drop shorter replies (RFC 1542 2.1)',
  },
  dhcpHopsMax: { value: 16, why: 'a relay loop (RFC 1542 4.1.1)' },
  dhcpBatchPacketsMax: {
    value: 128,
    why: 'answered in one transaction: a commit costs as much as ten packets, and beyond that hardly less is left to share',
  },
  dhcpReplyBurstMax: {
    value: 16,
    why: 'answers that leave together when there are more: the usual receive buffer of a relay, 212 KB, holds 166 packets, or 250 of the shortest',
  },
  dhcpToldAlikeMax: {
    value: 16,
    why: 'kinds of clients of a network whose replies are kept put together: a site has an offer and an acknowledgement for each of a few systems, and looks through them with each packet',
  },
  dhcpReplySpreadMs: {
    value: 8,
    why: 'when more wait than some bursts, the groups are larger, so that all leave within about so long; none is larger than a batch',
  },
  interfaceLookMs: {
    value: 1000,
    why: 'an interface that comes or goes is noticed within a second, before firmware has asked twice; a look costs some 50 microseconds',
  },
  timelineGatherMs: {
    value: 5,
    why: 'steps of boots that nobody waits for share a commit: a storm makes thousands in a second',
  },
  dhcpWaitingMax: {
    value: 8192,
    why: 'packets of a storm held until they are answered, 4 MB: what is answered in a quarter of a second, less than a client waits; above it the oldest is dropped',
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
  offerReclaimMs: {
    value: 10_000,
    why: 'in a full pool, an offer that nobody took for so long is given to who asks: edk2 takes its one within 4 s',
  },
  dhcpDropEventsPerSecond: {
    value: 50,
    why: 'requests that were refused leave an event each for a person to see; a flood of them is only counted',
  },
  declineQuarantineMs: {
    value: 86_400_000,
    why: 'an address somebody else answers on stays in use for a while',
  },
  declinedPerMacMax: { value: 16, why: 'on one segment: beyond it, a client drains the pool' },
  declinedPerPortMax: {
    value: 16,
    why: 'behind one relay port: beyond it, made-up MACs drain the pool a refusal at a time',
  },
  declinedPoolShareMax: {
    value: 0.5,
    why: 'of a pool: refusals alone, from however many MACs, leave half of it in use',
  },
  probeStockMax: {
    value: 64,
    why: 'silent addresses kept ready for each segment: the machines of one rack, before the next round of probes',
  },
  probeBatchMax: {
    value: 32,
    why: 'addresses probed at once: the kernel keeps a neighbour entry for each, of 1024 in all',
  },
  probeRoutedBatchMax: {
    value: 128,
    why: 'addresses behind relays probed at once: their answers have to fit the buffer of a socket, and their last router resolves each',
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
} as const;
