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
  jobHistoryMax: {
    value: 20_000,
    why: 'newest steps of a kind that estimates and percentiles are made from: tens of milliseconds',
  },
  jobBmcsMax: { value: 32, why: 'credentials that are tried on a new BMC: more lock its accounts' },
} as const;
