/** Why pxeimage, once its kernel runs, does not do what it was booted for. */
import type { Facts } from '../facts.ts';
import { all, isWaiting, type Rule, seconds, silence } from '../rule.ts';

const CLOCK_SECONDS = 300;
const AGENT_SILENT_MS = 75_000;
/** The agent speaks every ten seconds: by now it has said the same several times. */
const STANDS_MS = 55_000;

export const osAck = (f: Facts) => f.messages('ack', 'os').at(-1);
/** The agent's own work is done: the next sign is the disk's. */
export const finished = (f: Facts) => f.of('agent').at(-1)?.phase === 'finished';
/** It waits for orders, and has none: what it was woken for where it waited is work like any other. */
const waits = (f: Facts) =>
  isWaiting(f.mode) && !f.of('agent').some(({ phase }) => phase === 'work');
/** It came back sooner than an agent that hangs is waited for. */
const beganAnew = (f: Facts) =>
  f.restarted && (f.flight.restartedAt ?? 0) - f.lastAt < AGENT_SILENT_MS;

/**
 * For how long its newest words have been the same, of work that tells what it does. A disk that erases itself moves nothing that
 * anybody sees, and one that waits for its turn says so.
 */
function standsStill(
  f: Facts,
): { ms: number; phase: string; bytes: number | undefined } | undefined {
  const said = f.of('agent');
  const last = said.at(-1);
  const work = said.findLast(({ phase }) => phase === 'work')?.message;
  if (!last || last.activity === undefined || work === 'recycle') return undefined;
  if (last.message.startsWith('waiting')) return undefined;
  const since = said.findLastIndex(
    ({ phase, percent, bytes, activity }) =>
      phase !== last.phase ||
      percent !== last.percent ||
      bytes !== last.bytes ||
      activity !== last.activity,
  );
  const first = said[since + 1] ?? last;
  return { ms: last.at - first.at, phase: last.phase, bytes: last.bytes };
}

export const AGENT_RULES: readonly Rule[] = [
  {
    name: 'install-disk-not-found',
    title: 'The installer finds no disk',
    confidence: 'certain',
    waitMs: 0,
    places: ['agent', 'linux'],
    evidence: (f) => {
      const said = f
        .of('agent')
        .findLast(
          ({ level, message, phase }) =>
            level === 'error' &&
            /no (usable |suitable )?disk|disk.*(not found|missing)|no such (disk|device)/i.test(
              `${phase} ${message}`,
            ),
        );
      return said && [`the agent says: ${said.message}`];
    },
    says: 'The agent runs, and the disk that is to be written is not there.',
    next: 'Check disks, cables and the mode of the controller; a drive in a RAID set that is not configured is invisible.',
    not: { 'disk-not-found': 'there the machine was to start from its disk' },
  },
  {
    name: 'clock-skew',
    title: 'Its clock is wrong',
    confidence: 'certain',
    waitMs: 0,
    places: ['agent', 'linux', 'script', 'kernel', 'initrd'],
    evidence: (f) => {
      const ahead = f
        .of('agent')
        .findLast(({ clockAheadSeconds }) => clockAheadSeconds !== undefined)?.clockAheadSeconds;
      const said = f
        .of('agent')
        .findLast(({ message }) =>
          /certificate is not yet valid|certificate has expired|clock/i.test(message),
        );
      const wrong = ahead !== undefined && Math.abs(ahead) > CLOCK_SECONDS;
      const failed = f.of('agent').some(({ level }) => level === 'error') || said !== undefined;
      if (!failed || (!wrong && !said)) return undefined;
      return [
        ...(wrong
          ? [
              `its clock is ${Math.abs(Math.round(ahead / 60))} minutes ${ahead > 0 ? 'ahead' : 'behind'}`,
            ]
          : []),
        ...(said ? [`the agent says: ${said.message}`] : []),
      ];
    },
    says: 'The clock of the machine is so far off that certificates are not valid for it.',
    next: 'Set the clock in the setup of the firmware; a machine that loses it needs a new battery.',
    not: { 'agent-cannot-reach': 'there the agent says nothing at all' },
  },
  {
    name: 'report-refused',
    title: 'Its report was refused',
    confidence: 'certain',
    waitMs: 3000,
    places: ['agent'],
    evidence: (f) => {
      const refused = f.of('report').findLast(({ outcome }) => outcome === 'refused');
      return refused && [refused.detail];
    },
    says: 'The machine looked itself over, and its report does not say what a report has to.',
    next: 'The path in the evidence says which part of the hardware confused it. Look at the console, then reboot it.',
    not: { 'agent-stuck': 'there no report comes' },
  },
  {
    name: 'agent-failed',
    title: 'The agent gave up',
    confidence: 'certain',
    waitMs: 5000,
    places: ['agent'],
    evidence: (f) => {
      const last = f.of('agent').at(-1);
      return last?.level === 'error'
        ? [`the agent says: ${last.message || last.phase}`, silence(f)]
        : undefined;
    },
    says: 'The agent runs and reports that it cannot go on.',
    next: 'Its own words in the evidence say where it stopped; the console has more.',
    not: { 'agent-stuck': 'there it says nothing more' },
  },
  {
    name: 'work-stands-still',
    title: 'Its work does not move',
    confidence: 'likely',
    waitMs: 0,
    places: ['agent'],
    evidence: (f) => {
      const still = finished(f) || f.restarted ? undefined : standsStill(f);
      if (!still || still.ms < STANDS_MS) return undefined;
      const copied = still.bytes === undefined ? '' : `; the copy stands at ${still.bytes} bytes`;
      return [
        `step "${still.phase}" has moved nothing for ${seconds(still.ms)}: no disk, no processor${copied}`,
        'the agent itself runs, and says so',
      ];
    },
    says: 'pxeimage runs and speaks, and what it was told to do hangs: a disk that does not answer a command, or a program that waits for ever.',
    next: 'Look at the console for errors of a disk or its controller; a disk that hangs is to be replaced. Then switch the machine off and on.',
    not: {
      'agent-stuck': 'there the agent says nothing more',
      'agent-failed': 'there it has noticed and says why',
    },
  },
  {
    name: 'installer-not-done',
    title: 'The installer did not come to its end',
    confidence: 'likely',
    waitMs: 0,
    places: ['agent'],
    evidence: (f) => {
      if (!f.installer || finished(f)) return undefined;
      const gaveUp = f.of('bmc').findLast(({ phase }) => phase === 'failed');
      if (!f.restarted && !gaveUp) return undefined;
      return [
        'it was handed its template, and has not said that it is done',
        gaveUp ? `the job: ${gaveUp.detail}` : silence(f),
      ];
    },
    says: 'The installer of the distribution has its answers and did not finish: it waits for a key, does not reach its mirror, or was started anew in the middle.',
    next: 'Look at its console, and at its log there (Debian: Alt-F4): a question that the template does not answer, or a mirror that is not reached, are the usual ones.',
    not: {
      'agent-cannot-reach': 'there it did not even fetch its template',
      'os-never-phoned-home': 'there the installation was finished',
    },
  },
  {
    name: 'agent-stuck',
    title: 'The agent stopped reporting',
    confidence: 'likely',
    waitMs: AGENT_SILENT_MS,
    places: ['agent'],
    evidence: (f) =>
      finished(f) || waits(f) || beganAnew(f) || f.installer
        ? undefined
        : [`last words of the agent: ${f.of('agent').at(-1)?.message || 'none'}`, silence(f)],
    says: 'pxeimage runs and has said nothing more: a disk or a BMC that does not answer holds the look-over up.',
    next: 'Look at the console. A disk that hangs is usually the one that is to be replaced.',
    not: {
      'work-stands-still': 'there the agent speaks on, and its work does not move',
      'agent-cannot-reach': 'there it never said anything',
      'restarted-in-pxeimage': 'there it is back at once',
    },
  },
  {
    name: 'restarted-in-pxeimage',
    title: 'It started anew in the middle of pxeimage',
    confidence: 'likely',
    waitMs: 0,
    places: ['agent'],
    evidence: (f) =>
      !finished(f) && !waits(f) && beganAnew(f) && !f.installer
        ? [`last words of the agent: ${f.of('agent').at(-1)?.message || 'none'}`, silence(f)]
        : undefined,
    says: 'pxeimage was at work, and from one moment to the next the machine began another boot: nobody here had switched it.',
    next: 'Ask whether somebody pressed the button. Else look at the event log of its BMC: power supplies, temperature, a watchdog, a machine check.',
    not: {
      'agent-stuck': 'there it falls silent first',
      'install-loop': 'there it has happened several times in the installer',
    },
  },
  {
    name: 'agent-cannot-reach',
    title: 'Linux runs, but cannot reach the appliance',
    confidence: 'likely',
    waitMs: 40_000,
    places: ['linux'],
    evidence: (f) =>
      all(
        osAck(f) && `Linux was given ${osAck(f)?.address || 'an address'}`,
        `not a word from the agent by HTTP; ${silence(f)}`,
      ),
    says: 'The kernel of pxeimage has its address, and the agent does not get through to the appliance by HTTP.',
    next: 'Check router and mask of the segment, and that TCP to the machine listener is allowed for the whole pool.',
    not: { 'kernel-without-nic-driver': 'there Linux does not even ask for an address' },
  },
];
