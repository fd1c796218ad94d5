/** The limits of flight records and diagnoses: part of the one table in ../limits.ts. */
export const FLIGHT_LIMITS = {
  flightEntriesMax: {
    value: 2000,
    why: 'a boot has about 30; one that loops for an hour stays readable, the newest are kept',
  },
  flightPreviousMax: {
    value: 8,
    why: 'boots of the same NIC that a loop is told from: three or four in a row make one',
  },
  flightPacketsPerBootMax: {
    value: 256,
    why: 'DHCP packets kept of one boot, a healthy one has 12: the first half and the newest',
  },
  flightRingPacketsMax: {
    value: 16_384,
    why: 'packets that wait in memory to be sorted to their boots, about 8 MB: four seconds of a storm',
  },
  flightBootsInMemoryMax: {
    value: 4096,
    why: 'boots whose packets are held until they end, about 5 KB each; above it the oldest are written',
  },
  flightsPerMachineMax: {
    value: 8,
    why: 'boots of one NIC whose packets are kept: enough to see what changed',
  },
  flightsMax: {
    value: 50_000,
    why: 'boots whose packets are kept in all, about 2 KB each when packed: 100 MB',
  },
  flightWritesMax: {
    value: 200,
    why: 'records written in one flush: under 20 ms of the main thread',
  },
  flightPackedBytesMax: {
    value: 4_194_304,
    why: 'a stored record unpacks to 256 packets of 1.5 KB at most; more is a damaged row',
  },
  metricSeriesMax: {
    value: 2000,
    why: 'time series that one metric may make: causes times racks, the most frequent first',
  },
  repeatedBootMs: {
    value: 120_000,
    why: 'a machine that starts anew within two minutes of a failure most likely fails again',
  },
} as const;
