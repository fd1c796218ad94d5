/** The limits of work in pxeimage: part of the one table in ../limits.ts. */
export const WORK_LIMITS = {
  workBootsMax: {
    value: 4,
    why: 'boots that may begin the same work: an attempt, one more, and a power cut in each; beyond it the machine loops',
  },
  workOrderMs: {
    value: 7_200_000,
    why: 'a work order is good for this long after it was armed: a large image over a slow uplink, and no forgotten licence to destroy',
  },
  recycleMs: {
    value: 172_800_000,
    why: 'erasing: eighteen hours are known for one large disk, and a block erase that goes on by itself for longer',
  },
  workProgressMs: {
    value: 2000,
    why: 'between two events of progress of one machine: smooth on a board, and 1000 machines are 500 events a second',
  },
  workLogCharsMax: { value: 16_384, why: 'the tail of a log that explains a failure: 200 lines' },
  workResultBytesMax: { value: 65_536, why: 'a log of 16,384 characters escaped as JSON' },
  heartbeatGraceMs: {
    value: 10_000,
    why: 'a waiting machine that has not asked for this long after its last question is over is gone',
  },
  metadataTokenMs: {
    value: 86_400_000,
    why: 'the first boots of an installed system read their metadata with it',
  },
} as const;
