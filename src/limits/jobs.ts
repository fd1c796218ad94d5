/** The limits of jobs and of what they do to the power: part of the one table in ../limits.ts. */
export const JOB_LIMITS = {
  powerPollMs: { value: 1000, why: 'the state of the power lags 1 to 15 s behind a command' },
  powerSettleMs: { value: 60_000, why: 'longer than any BMC takes to switch and to say so' },
  powerOffPauseMs: { value: 5000, why: 'supplies discharge; less leaves some boards half on' },
  redfishTriesMax: { value: 3, why: 'reads that a BMC answers with a 5xx while it starts' },
  redfishPauseMs: {
    value: 1000,
    why: 'between two reads of a task, and before a read is repeated',
  },
  redfishTaskMs: { value: 60_000, why: 'no change of power or boot takes longer' },
  redfishMembersMax: {
    value: 512,
    why: 'sensors of a big chassis; a collection that loops stops here',
  },
  jobInterruptionsMax: {
    value: 20,
    why: 'a step that the daemon does not survive; twenty restarts in one step are no coincidence',
  },
  jobUndoTriesMax: {
    value: 4,
    why: 'undoing is an offer: a BMC that is silent keeps a job from ending for a minute, not for an hour',
  },
  jobNotesPerStepMax: { value: 100, why: 'a step that talks in a loop must not fill the log' },
  jobPollMs: {
    value: 5000,
    why: 'how late a job is noticed that another process queued; within this one it is at once',
  },
  jobPowerPollMs: {
    value: 5000,
    why: 'how often a BMC is asked whether the operating system has gone down',
  },
  jobBulkMax: { value: 5000, why: 'machines of one bulk request: a hall' },
  jobIdsMax: { value: 100, why: 'jobs asked for by id in one request: 3,700 characters of a URL' },
  jobHistoryMax: {
    value: 1000,
    why: 'newest entries of one kind, type and step that percentiles are made from: the 99th still stands on ten of them',
  },
  jobStatsMs: {
    value: 7_776_000_000,
    why: '90 days: what took long before the last firmware says nothing today',
  },
  jobTroubleMax: {
    value: 5000,
    why: 'newest jobs that failed or tried again, for the worst BMCs: a few milliseconds',
  },
  jobForgetMax: {
    value: 200,
    why: 'old jobs deleted in one transaction, with logs of some tens of entries: a few milliseconds',
  },
  jobBmcsMax: { value: 32, why: 'credentials that are tried on a new BMC: more lock its accounts' },
} as const;
