/** The limits of BMCs as a service, and of their discovery: part of the one table in ../limits.ts. */
export const BMC_LIMITS = {
  bmcSessionIdleMs: {
    value: 20_000,
    why: 'a kept session takes one of four or five slots; a BMC ends an idle one after 60 s',
  },
  bmcSessionTrustMs: {
    value: 2000,
    why: 'idle for longer, it is asked for a sign of life first: the BMC may have restarted',
  },
  bmcSessionsKeptMax: {
    value: 512,
    why: 'open and idle; some kilobytes each, and the oldest is closed for the next',
  },
  bmcWaitersMax: { value: 16, why: 'callers in line for one BMC; more would wait for minutes' },
  bmcTurnMs: { value: 90_000, why: 'reading every sensor of a slow BMC takes a minute' },
  bmcRefusalsMax: {
    value: 6,
    why: 'refused logins on one BMC within an hour; then none is tried that did not open it before: BMCs lock accounts',
  },
  bmcReprobeMs: {
    value: 600_000,
    why: 'a BMC that no longer answers its protocol for so long is asked for the other one',
  },
  bmcHttpsMs: { value: 30_000, why: 'one request; Redfish services on slow BMCs need seconds' },
  bmcHttpsBytesMax: { value: 4 * 1024 * 1024, why: 'a page of a log; nothing else is so long' },
  bmcLooksMax: { value: 8, why: 'BMCs looked at at once: discovery is in no hurry' },
  bmcLookFirstMs: {
    value: 60_000,
    why: 'pause after a BMC could not be looked at, doubled each time',
  },
  bmcLookLongestMs: { value: 6 * 3_600_000, why: 'the longest such pause' },
  bmcLookAgainMs: {
    value: 3_600_000,
    why: 'how often a BMC without a machine is looked at: its machine may have got power',
  },
  bmcWakesMax: { value: 3, why: 'times that one machine is switched on to be ingested' },
  bmcWakeWaitMs: {
    value: 1_800_000,
    why: 'until a machine that was switched on has reported, or is looked at again',
  },
  bmcPollMs: {
    value: 5000,
    why: 'how late it is noticed that a person wants a BMC looked at; one indexed query',
  },
  bmcNewsMs: {
    value: 250,
    why: 'events are read together: a storm of DHCP commits hundreds a second',
  },
} as const;
