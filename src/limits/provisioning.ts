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
  healthChecksMax: { value: 50, why: 'check URLs of machines that are fetched at once' },
} as const;
