/** The limits of IPMI: sessions, records, and the serial console over LAN: part of the one table in ../limits.ts. */
export const IPMI_LIMITS = {
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
} as const;
