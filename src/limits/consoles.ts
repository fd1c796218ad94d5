/** The limits of serial consoles and whoever watches them: part of the one table in ../limits.ts. */
export const CONSOLE_LIMITS = {
  consoleLinesMax: {
    value: 256,
    why: 'consoles open at once, watched or recorded: each holds a session of a BMC; the recording that was quiet longest makes room',
  },
  consoleWatchersMax: { value: 16, why: 'people and boards at one console' },
  consoleReplayBytesMax: {
    value: 16_384,
    why: 'what somebody who comes is shown first: a few screens of a terminal',
  },
  consoleReaderBytesMax: {
    value: 1_048_576,
    why: 'unread bytes of one watcher; beyond, it is told how many it was not sent',
  },
  consoleInputBytesMax: {
    value: 65_536,
    why: 'typed or pasted, and not accepted yet by the BMC; beyond, nothing more is read from the socket',
  },
  consoleMessageBytesMax: {
    value: 16_384,
    why: 'one message of a watcher: a paste comes in several',
  },
  consolePingMs: {
    value: 15_000,
    why: 'a watcher that answers no ping is gone',
  },
  consoleRetryMs: {
    value: 2000,
    why: 'before a line that broke is opened again; doubled each time',
  },
  consoleRetryMsMax: { value: 60_000, why: 'a BMC that is being flashed is away for minutes' },
  consoleLingerMs: {
    value: 5000,
    why: 'a page that is loaded again finds the line still open: a new session costs a BMC a second',
  },
  consoleHeadBytesMax: { value: 65_536, why: 'the beginning of a recording: firmware and kernel' },
  consoleTailBytesMax: { value: 196_608, why: 'the end of a recording: where a boot failed' },
  consoleFlushMs: { value: 2000, why: 'what a crash of the appliance may lose of a recording' },
  consoleFlushBytesMax: {
    value: 16_384,
    why: 'a part of a recording is written when it is so long',
  },
  consoleQuietMs: {
    value: 600_000,
    why: 'a machine that has printed nothing for so long has booted, or is stuck; its BMC gets its session back',
  },
  consoleLooksMax: {
    value: 500,
    why: 'at rows of a screen before they are painted over, for tokens that are painted in pieces: up to 0.2 ms each where a row is full of paths; what is painted after them is hidden',
  },
  consoleLinesKeptMax: {
    value: 64,
    why: 'recordings of which the lines for flight records are kept until they grow: boots that are looked at together; 5 MB',
  },
  consoleLinesLateMs: {
    value: 5000,
    why: 'between two readings of a console that grows, for a boot without a diagnosis that is judged each second: 0.1 s of the appliance where one is made to cost much',
  },
  consoleRecordMs: { value: 7_200_000, why: 'longer than any boot and most installs' },
  consoleRecordingsMax: { value: 10, why: 'newest recordings of one machine' },
  consoleStoreBytesMax: {
    value: 2_147_483_648,
    why: 'all recordings: a hall of 12,000 machines keeps the last boot of each; the oldest go first',
  },
} as const;
