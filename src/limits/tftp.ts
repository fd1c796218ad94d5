/** The limits of TFTP: part of the one table in ../limits.ts. */
export const TFTP_LIMITS = {
  tftpTransfersMax: {
    value: 512,
    why: 'of each network; more at once would only make each slower than its client is patient',
  },
  tftpTransfersPerAddressMax: { value: 4, why: 'firmware opens one, or two around its size probe' },
  tftpBegunPerAddressPerSecond: {
    value: 50,
    why: 'a boot loader fetches its small files one after the other, and is refused some; each may cost two events, so a loop must not fill the record',
  },
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
    value: 10_000,
    why: 'of each network: shim and GRUB do without seven files a boot, so a hall of 1,400 within a second; above it senders are made up',
  },
  tftpRefusalEventsBurstMax: {
    value: 2000,
    why: 'of each network: a hall whose boot file is missing, so that each of its machines can be explained',
  },
  tftpRefusalEventsPerSecond: {
    value: 50,
    why: 'and from then on: a flood of bad requests from made-up addresses must not fill the record',
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
  tftpHoldShortestMs: {
    value: 2,
    why: 'an ACK that may be of a repeated block is given two round trips for a better one; firmware takes a millisecond now and then',
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
  tftpAskAgainMs: {
    value: 0.02,
    why: 'with several transfers the next ACK comes sooner; a processor takes longer to sleep and to wake',
  },
  tftpAskAloneMs: {
    value: 0.05,
    why: 'the client of a lone transfer has to be woken before it can answer: 0.02 to 0.04 on a virtual machine',
  },
  tftpThreadSilenceMs: {
    value: 15_000,
    why: 'its thread turns four times a second with nothing to do; a busy machine may take seconds to start it',
  },
  tftpTextsMax: {
    value: 1024,
    why: 'scripts of GRUB, 2 KB each, read within seconds of being made: twice as many as there are transfers',
  },
  tftpReadsMax: { value: 16, why: 'reads under way: 4 MiB, and a queue that a disk can sort' },
} as const;
