/** Boots that are healthy, or not yet known to be anything else: no rule may name them. */
import type { FlightEntry } from '../../src/diagnose/flight.ts';
import {
  AGENT,
  agent,
  asking,
  back,
  beats,
  bmc,
  http,
  INITRD,
  INSTALLED,
  INSTALLER,
  IPXE,
  KERNEL,
  lastOf,
  leased,
  offering,
  report,
  SCRIPTED_TO_WAIT,
  type Scene,
  START,
  scene,
  script,
  TO_DISK,
  tcp,
  tftp,
  WAITING,
} from './flight-entries.ts';

const CYCLED_DOWNLOADING: readonly FlightEntry[] = [
  ...SCRIPTED_TO_WAIT,
  http(2200, 'vmlinuz', {
    ...{ end: 'aborted', endAt: START + 66_000, sizeBytes: 60_000_000, sentBytes: 4_000_000 },
    ...tcp(2_000_000, 7, { quietMs: 60_200 }),
  }),
  bmc(6000, 'power-cycle'),
];

export const HEALTHY_SCENES: readonly Scene[] = [
  scene(null, 'registered', [...AGENT, report(20_000, 'received')]),
  scene(null, 'a starved machine, silent for half a minute before it fetches its script', IPXE, {
    watchedUntil: lastOf(IPXE) + 35_000,
  }),
  scene(null, 'left for its disk and stays away', TO_DISK),
  scene(
    null,
    'UEFI goes on to its next network entry on its way to the disk',
    TO_DISK,
    back(TO_DISK, 3000, 'http-boot'),
  ),
  scene(
    null,
    'an operator power-cycled it in the middle',
    [...KERNEL, bmc(6000, 'power-off')],
    back([...KERNEL, bmc(6000, 'power-off')], 10_000),
  ),
  scene(
    null,
    'an operator power-cycled it in the middle of a download, which we gave up a minute later',
    CYCLED_DOWNLOADING,
    { restartedAt: START + 16_000, restartedAs: 'firmware', watchedUntil: START + 200_000 },
  ),
  scene(
    null,
    'an operator switched it off in the middle, and on again after lunch',
    [...KERNEL, bmc(6000, 'power-off')],
    back([...KERNEL, bmc(6000, 'power-off')], 3_600_000),
  ),
  scene(null, 'a machine that waits for work, for hours', WAITING, {
    watchedUntil: lastOf(WAITING) + 7_200_000,
  }),
  scene(null, 'one that waits, and is started again', WAITING, back(WAITING, 900_000)),
  scene(null, 'one that waits, and is started for the fifth time', SCRIPTED_TO_WAIT, {
    previous: Array.from({ length: 4 }, (_, n) => ({
      ...{ boot: `p${n}`, mode: 'wait', reported: true, diagnosis: '' },
      ...{ startedAt: START - (n + 1) * 120_000, lastAt: START - (n + 1) * 120_000 + 60_000 },
    })),
    watchedUntil: START + 10_000,
  }),
  scene(
    null,
    'an install that was finished, and another network boot later',
    INSTALLED,
    back(INSTALLED, 900_000),
  ),
  scene(null, 'an installed system that takes its time', INSTALLED, {
    watchedUntil: lastOf(INSTALLED) + 600_000,
  }),
  scene(null, 'an installer of a distribution that is silent for half an hour', INSTALLER, {
    watchedUntil: lastOf(INSTALLER) + 1_800_000,
  }),
  scene(
    null,
    'an installer of a distribution that is done, and boots its system',
    [...INSTALLER, { ...agent(900_000, 'install'), phase: 'finished' } as FlightEntry],
    back(
      [...INSTALLER, { ...agent(900_000, 'install'), phase: 'finished' } as FlightEntry],
      60_000,
    ),
  ),
  scene(
    null,
    'an install that waits for its turn',
    [
      ...AGENT,
      { ...agent(20_000, 'install'), phase: 'work' } as FlightEntry,
      ...beats(30_000, 30, {
        phase: 'copy',
        message: 'waiting for bandwidth, number 3',
        activity: 9,
      }),
    ],
    { watchedUntil: START + 325_000 },
  ),
  scene(
    null,
    'a disk that erases itself for ten minutes',
    [
      ...AGENT,
      { ...agent(20_000, 'recycle'), phase: 'work' } as FlightEntry,
      ...beats(30_000, 60, { phase: 'erase', percent: 3, activity: 9 }),
    ],
    { watchedUntil: START + 625_000 },
  ),
  scene(
    null,
    'a step of minutes in which something moves',
    [
      ...AGENT,
      { ...agent(20_000, 'install'), phase: 'work' } as FlightEntry,
      ...(beats(30_000, 30, { phase: 'verify', percent: 95 }).map((word, n) => ({
        ...(word as object),
        activity: 100 + Math.floor(n / 5),
      })) as FlightEntry[]),
    ],
    { watchedUntil: START + 325_000 },
  ),
  scene(null, 'Linux is on its way', INITRD, { watchedUntil: lastOf(INITRD) + 30_000 }),
  scene(null, 'firmware waits for more offers', [...asking(1), ...offering(1)], {
    watchedUntil: START + 5000,
  }),
  scene(
    null,
    'a size probe and then the file',
    [
      ...leased(0, 'firmware'),
      tftp(50, { end: 'probe', acked: 0 }),
      tftp(100),
      ...leased(2000, 'ipxe'),
      script(2100),
      http(2200, 'vmlinuz'),
    ],
    { watchedUntil: START + 10_000 },
  ),
];
