/** The limits of flight records and diagnoses: part of the one table in ../limits.ts. */
export const FLIGHT_LIMITS = {
  flightEntriesMax: {
    value: 2000,
    why: 'a boot has about 30; one that loops for an hour stays readable, the newest are kept',
  },
  flightPreviousMax: {
    value: 8,
    why: 'boots of the same NIC that a loop is told from: three or four in a row make one',
  },
  flightPacketsPerBootMax: {
    value: 256,
    why: 'DHCP packets kept of one boot, a healthy one has 12: the first half and the newest',
  },
  flightRingPacketsMax: {
    value: 16_384,
    why: 'packets that were not answered, until their boots are looked for: about 8 MB, a second of a flood',
  },
  flightBootsInMemoryMax: {
    value: 4096,
    why: 'boots whose packets are held until they end, about 5 KB each; above it the oldest are written, from twice that on dropped',
  },
  flightsPerMachineMax: {
    value: 8,
    why: 'boots of one NIC whose packets are kept: enough to see what changed',
  },
  flightsMax: {
    value: 50_000,
    why: 'boots whose packets are kept in all, about 2 KB each when packed: 100 MB',
  },
  flightWritesMax: {
    value: 500,
    why: 'records written in one flush: under 10 ms of the main thread',
  },
  flightUnnamedMax: {
    value: 50_000,
    why: 'boots that have stopped and are to be judged, about 200 bytes each: two halls at once',
  },
  flightJudgesMax: {
    value: 100,
    why: 'boots judged before other work of the thread has its turn: some tens of milliseconds',
  },
  flightEventsMax: {
    value: 100,
    why: 'events that the recorder acts on before other work of the thread has its turn',
  },
  flightTicksMs: {
    value: 50,
    why: 'pause of the recorder between two such parts, when a storm leaves it with more',
  },
  flightTakenUpEventsMax: {
    value: 200_000,
    why: 'events read at a start for machines that were switched on before: a hall of boots, a second or so',
  },
  flightPackedBytesMax: {
    value: 4_194_304,
    why: 'a stored record unpacks to 256 packets of 1.5 KB at most; more is a damaged row',
  },
  flightConsoleLinesMax: {
    value: 400,
    why: 'lines of the serial console in a record: the first quarter and the newest, a kernel that starts prints 300',
  },
  flightConsoleCharsMax: { value: 200, why: 'of one such line: what a panic says fits' },
  flightAskersMax: {
    value: 8192,
    why: 'booting machines whose DNS questions are kept, at once: a hall; two tables of 128 KB',
  },
  flightQuestionsMs: {
    value: 600_000,
    why: 'after its last DHCP answer: firmware, kernel and the first minutes of an operating system',
  },
  flightQuestionsMax: {
    value: 32,
    why: 'DNS questions kept of one boot: pxeimage asks one or two, a system that starts a dozen',
  },
  flightQuestionsWaitingMax: {
    value: 4096,
    why: 'DNS questions between two looks of the recorder, about 1 MB',
  },
  rehearsalMs: {
    value: 60_000,
    why: 'what would change is asked machine by machine on another thread: a fleet of 10,000 is done, a person still waits',
  },
  rehearsalLinesMax: {
    value: 2000,
    why: 'lines of each part of such an answer: a change of everything is read by its counts',
  },
  rehearsalBytesMax: {
    value: 2_000_000,
    why: 'of what machines are told, in such an answer: a line may be a whole script, and a browser shows them all',
  },
  rehearsalsWaitingMax: {
    value: 4,
    why: 'one is made at a time, because each copies the database; more callers are asked to wait',
  },
  quirksUnknownMax: {
    value: 1000,
    why: 'learned quirks of NICs that belong to no machine on record: MACs can be made up, the oldest go',
  },
  diagnosesMax: {
    value: 200_000,
    why: 'diagnoses that are kept, about 500 bytes each; events.keepDays ends them sooner',
  },
  diagnosisCountsMs: {
    value: 10_000,
    why: 'how long an answer to how often each was made is kept: 100,000 rows are 170 ms on the thread that answers packets',
  },
  diagnosesTrimMax: { value: 2000, why: 'rows that one sweep deletes: some milliseconds' },
  bootCardsPerKindMax: {
    value: 16,
    why: 'boots that show that a kind of network card gets into Linux: one is proof, more is confidence',
  },
  bootCardsMax: {
    value: 20_000,
    why: 'such boots of all kinds of cards: nobody fills the table with made-up ones',
  },
  metricSeriesMax: {
    value: 2000,
    why: 'time series that one metric may make: causes times racks, the most frequent first',
  },
  repeatedBootMs: {
    value: 120_000,
    why: 'a machine that starts anew within two minutes of a failure most likely fails again',
  },
} as const;
