/** The limits of provisioning: part of the one table in ../limits.ts. */
export const PROVISIONING_LIMITS = {
  requestMachinesMax: { value: 5000, why: 'machines of one request or pool: a hall' },
  requestPlacesPerStepMax: {
    value: 20,
    why: 'machines claimed in one transaction: some milliseconds, in which no packet is answered',
  },
  provisioningGatherMs: {
    value: 200,
    why: 'what a hall of machines does in a storm is looked at five times a second, not at each event',
  },
  provisioningPollMs: {
    value: 5000,
    why: 'how late is noticed what another process wrote, or what only time changes',
  },
  outcomesLookedAtMax: {
    value: 5000,
    why: 'newest installs that are searched for what failures have in common: some milliseconds',
  },
  outcomesKeptMax: {
    value: 200_000,
    why: 'how installs ended, however young: years of a site of 12,000 machines, 60 MB',
  },
  outcomesForgetMax: {
    value: 1000,
    why: 'old outcomes deleted in one transaction, by their index: some milliseconds',
  },
  breakersKeptMax: {
    value: 5000,
    why: 'closed breakers, however young: all are looked through after a failed install, in some milliseconds',
  },
  requestForgetMax: { value: 50, why: 'ended requests looked at in one transaction' },
  requestOfCentralKeepMs: {
    value: 400 * 86_400_000,
    why: 'for as long central may be away and still hear how what it has asked for ended: as long as it keeps its own by default',
  },
  requestForgetEntriesMax: {
    value: 2000,
    why: 'entries of logs deleted with them, and those of the last one: a request of a hall has some 15,000',
  },
  warmMovesMax: {
    value: 20,
    why: 'machines of one rule that are switched on or off in one look: a rack; the next look is seconds away',
  },
  warmWakingMs: {
    value: 600_000,
    why: 'from the first packet of a woken machine until it waits: pxeimage over a slow link',
  },
  warmAgainMs: {
    value: 3_600_000,
    why: 'a machine that was woken and did not come is not switched on and off all day',
  },
  healthChecksMax: { value: 50, why: 'check URLs of machines that are fetched at once' },
} as const;
