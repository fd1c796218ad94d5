/** The limits of jobs: part of the one table in ../limits.ts. */
export const JOB_LIMITS = {
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
