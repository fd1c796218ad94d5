/** The limits of the image store: part of the one table in ../limits.ts. */
export const IMAGE_LIMITS = {
  imageFileBytesMax: {
    value: 2 ** 40,
    why: 'one file of an image: a terabyte is beyond any snapshot, and a typing error in a size ends here',
  },
  imageContentBytesMax: {
    value: 2 ** 43,
    why: 'what one file may unpack to when it is checked: a bomb stops here',
  },
  imageFreeBytesMin: {
    value: 536_870_912,
    why: 'left free on the disk by uploads: the database is on it too, and must never find it full',
  },
  imageUploadsMax: {
    value: 32,
    why: 'uploads and imports that are not over: more are a program in a loop',
  },
  imageUploadMs: {
    value: 86_400_000,
    why: 'an upload that nobody has gone on with for a day is given up',
  },
  imageUploadIdleMs: {
    value: 60_000,
    why: 'a connection that sends nothing of an upload for so long is gone; the upload waits for the next',
  },
  imageUploadKeptMs: {
    value: 604_800_000,
    why: 'how an upload ended can be asked for a week: scripts come back on Monday',
  },
  imageFlushBytes: {
    value: 67_108_864,
    why: 'received between two syncs: what a crash loses of an upload, a second of work',
  },
  imageMovesShownMax: { value: 100, why: 'of the history of a channel, in one answer' },
  imageImportTriesMax: {
    value: 8,
    why: 'connections for one import without a byte between two of them; then the source is down',
  },
  imageImportPauseMs: { value: 2000, why: 'before an import that broke off goes on' },
  imageImportIdleMs: { value: 30_000, why: 'a source that sends nothing for so long has gone' },
  imagePlaceKeptMs: {
    value: 15_000,
    why: 'a download that broke off keeps its place: an agent goes on by range within seconds',
  },
  imageQueueGoneMs: {
    value: 30_000,
    why: 'a machine that waits for an image asks every few seconds; one that is silent for so long has gone',
  },
  imageQueueSoonMs: { value: 1000, why: 'whoever is next asks often: a free place waits for it' },
  imageQueueLaterMs: { value: 5000, why: 'those far behind ask seldom: hundreds may wait' },
  imageTemplateBytesMax: {
    value: 1_048_576,
    why: 'the template of an installer: it is rendered in memory, for each machine',
  },
} as const;
