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
  bmcRefusedMs: {
    value: 600_000,
    why: 'a refused login is not tried again for so long: BMCs lock accounts; a changed password is',
  },
  bmcRefusedMax: { value: 8192, why: 'refused logins remembered; the oldest are forgotten' },
  bmcReprobeMs: {
    value: 600_000,
    why: 'a BMC that no longer answers its protocol for so long is asked for the other one',
  },
  bmcHttpsMs: { value: 30_000, why: 'one request; Redfish services on slow BMCs need seconds' },
  bmcHttpsBytesMax: { value: 4 * 1024 * 1024, why: 'a page of a log; nothing else is so long' },
} as const;
