/** The limits of the name server: part of the one table in ../limits.ts. */
export const DNS_LIMITS = {
  dnsGenerationsMax: {
    value: 2000,
    why: 'generations between snapshots, kept with their differences for as long again: a secondary that was off for long still catches up by IXFR',
  },
  dnsTcpConnectionsMax: {
    value: 512,
    why: 'secondaries keep a few; resolvers come over TCP one question at a time',
  },
  dnsTcpPerNetworkMax: {
    value: 32,
    why: 'one IPv4 address, or one /64 of IPv6, must not take all connections',
  },
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
  dnsTcpTurnMs: {
    value: 4,
    why: 'of each turn of the event loop, for all TCP questions and transfers together: the same thread answers DHCP',
  },
  dnsForwardsPerSecondMax: {
    value: 1000,
    why: 'questions over UDP that each thread leaves to the main one (signed, IXFR, NOTIFY): under a tenth of its time; a secondary asks again',
  },
  dnsThreadRestartMs: {
    value: 100,
    why: 'until another UDP thread takes the place of one that ended; twice as long each time that it ends again soon',
  },
  dnsThreadRestartMaxMs: {
    value: 30_000,
    why: 'and never longer: what made it end may be over',
  },
  dnsThreadSoundMs: {
    value: 60_000,
    why: 'a UDP thread that ran so long is sound: should it end, its place is taken at once again',
  },
  dnsNotifyAttemptsMax: {
    value: 5,
    why: 'at 1, 4, 16 and 60 s: RFC 1996 section 3.6; the refresh timer does the rest',
  },
  dnsSignaturesMax: {
    value: 65_536,
    why: 'signatures of record sets that each thread keeps, and as many denials of types: 15 and 41 MB when full, measured',
  },
  dnsNameDenialsMax: {
    value: 4096,
    why: 'denials of names that each thread keeps: a flood of names that do not exist wears out these alone',
  },
  dnsNameDenialsPerSecondMax: {
    value: 2000,
    why: 'denials of names that each thread signs for questions over UDP: at 0.1 to 0.2 ms each under half of it; above, the answer is an empty one with TC',
  },
  dnsSignedStepsMax: {
    value: 1000,
    why: 'differences of a signed zone kept in memory; a secondary that is further behind fetches it whole',
  },
  dnsKeyTickMs: {
    value: 60_000,
    why: 'how late a step of a signing key may be; its times are hours',
  },
  dnsShrinkWindowMs: {
    value: 3_600_000,
    why: 'what zones may lose is counted over this time: a mistake that deletes machines one by one is stopped too',
  },
  dnsRefusedLookMs: {
    value: 30_000,
    why: 'how often a large generation that was refused is checked again while the inventory changes: a check of 75,000 names takes 0.6 s',
  },
  dnsSliceGapMs: {
    value: 2,
    why: 'between slices of background work, each of some milliseconds: DHCP and the rest have their turn',
  },
  dnsGatherMs: { value: 10, why: 'changes of one moment become one generation' },
} as const;
