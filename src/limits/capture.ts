/** The limits of reading captures: part of the one table in ../limits.ts. */
export const CAPTURE_LIMITS = {
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
} as const;
