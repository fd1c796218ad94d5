/**
 * What a simulated BMC is, apart from its network: options, knobs and memory.
 */
import type { BootFlags } from '../src/ipmi/commands/boot-options.ts';
import type { ChassisControl } from '../src/ipmi/commands/power-control.ts';
import { type FakeFru, FIRST_EVENTS, fruBytes } from './fake-bmc-data.ts';

export interface FakeUser {
  readonly name: string;
  readonly password: string;
  /** 2 user, 3 operator, 4 administrator. */
  readonly privilege: number;
  /** May activate the serial console; true when absent. */
  readonly sol?: boolean;
}

/** The machine that the BMC is in. */
export interface FakeMachine {
  powerOn(): boolean;
  control(action: ChassisControl): void;
  /** Told of every change of the boot flags. */
  setBoot?(flags: BootFlags): void;
  readonly serial?: {
    write(bytes: Uint8Array): void;
    onData(handler: (bytes: Uint8Array) => void): void;
    /** A serial break came. */
    break?(): void;
  };
}

/** Ways to misbehave; all may be changed while the BMC runs. */
export interface FakeKnobs {
  /** Datagrams in a row that are not even looked at. */
  dropRequests: number;
  /** Replies in a row that are made but never sent. */
  dropReplies: number;
  /** The share of datagrams lost in each direction, 0 to 1: the same ones for the same seed. */
  lossRate: number;
  lossSeed: number;
  delayMs: number;
  /** Completion codes instead of an answer, by network function and command: `0/2`. */
  refuse: Map<string, number>;
  /** What it answers to the name of an id that was never used, instead of an empty one. */
  unusedName: number | undefined;
  /** Says that it disables accounts, and does not. */
  keepsAccounts: boolean;
  /** Answers nothing inside sessions. */
  hang: boolean;
  /** Answers nothing at all, neither the network nor its machine: a BMC that has died. */
  dead: boolean;
  /** Slots for sessions, half-open ones included. */
  sessionsMax: number;
  /** What power status says instead of the truth. */
  lieAboutPower: boolean | undefined;
  /** Forgets boot flags while saying that it took them. */
  forgetsBootFlags: boolean;
  /** Keeps boot flags, reads them back, and starts its machine by the machine's own order all the same. */
  ignoresBootFlags: boolean;
  /** Refuses "power cycle", which is optional. */
  cannotCycle: boolean;
  /** Packets of a serial console in a row that are refused: its port has no room. */
  solNacks: number;
  /** Answers Open Session with this status when the suite is not offered (0x11, 0x04, 0x01). */
  suiteStatus: number;
  /** Sends each reply twice. */
  duplicates: boolean;
}

export function knobs(): FakeKnobs {
  return {
    ...{ dropRequests: 0, dropReplies: 0, lossRate: 0, lossSeed: 1, delayMs: 0, refuse: new Map() },
    ...{
      hang: false,
      dead: false,
      sessionsMax: 8,
      lieAboutPower: undefined,
      forgetsBootFlags: false,
      ignoresBootFlags: false,
    },
    unusedName: undefined,
    keepsAccounts: false,
    ...{ suiteStatus: 0x11, duplicates: false, cannotCycle: false, solNacks: 0 },
  };
}

export interface FakeBmcOptions {
  readonly address?: string;
  /** 0 for any. */
  readonly port?: number;
  /** A bound datagram socket to serve instead, as one in another network namespace is handed over. */
  readonly fd?: number;
  readonly users?: readonly FakeUser[];
  /** K_G; absent for none. */
  readonly kg?: Uint8Array;
  readonly suites?: readonly number[];
  readonly machine?: FakeMachine;
  readonly fru?: FakeFru;
  /** 16 bytes. */
  readonly guid?: Uint8Array;
  readonly mac?: string;
  /** What its clock says, in seconds since 1970; the system's by default. */
  readonly clock?: () => number;
}

export interface BmcUser {
  name: string;
  password: Uint8Array;
  privilege: number;
  enabled: boolean;
  /** Standard payload 1; an account that is made has it not until it is given. */
  sol?: boolean;
}

/** The memory that commands read and write. */
export interface BmcState {
  readonly machine: FakeMachine;
  readonly knobs: FakeKnobs;
  /** By user id; 0 is never used, 1 is the anonymous user. */
  readonly users: (BmcUser | undefined)[];
  readonly guid: Uint8Array;
  readonly fru: Uint8Array;
  readonly lan: Map<number, Uint8Array>;
  sel: { id: number; record: Uint8Array }[];
  selReservation: number;
  /** By how much Set SEL Time has moved its clock. */
  clockAheadSeconds: number;
  /** Boot option parameters; 5 holds the flags. */
  readonly bootOptions: Map<number, Uint8Array>;
  /** When the flags were written, on the clock of `nowMs`. */
  bootFlagsSetMs: number;
  /** The moment of the request that is being answered; any clock that only goes forward. */
  nowMs: number;
  readonly clock: () => number;
  /** Table 28-11: why the machine was last started. */
  restartCause: number;
  /** Byte 2 of Get Chassis Status: what last happened to the power; undefined follows the power. */
  lastPowerEvent: number | undefined;
  identify: number | 'forever';
  identifyEndsMs: number;
  restorePolicy: number;
  /** The least privilege that may activate Serial over LAN. */
  solPrivilege: number;
  watchdog: Uint8Array;
  /** Each request inside a session that was carried out, in order: `0/2`. */
  readonly carriedOut: string[];
}

/** A machine of two booleans, for tests that need no more; `actions` says what was done to it. */
export function simpleMachine(on = false): FakeMachine & { readonly actions: ChassisControl[] } {
  const actions: ChassisControl[] = [];
  let power = on;
  return {
    actions,
    powerOn: () => power,
    control(action) {
      actions.push(action);
      if (action === 'on' || action === 'cycle' || action === 'reset') power = true;
      if (action === 'off' || action === 'soft') power = false;
    },
  };
}

export const DEFAULT_USERS: readonly FakeUser[] = [
  { name: 'admin', password: 'secret', privilege: 4 },
  { name: 'operator', password: 'operpw', privilege: 3 },
  { name: 'viewer', password: 'viewpw', privilege: 2 },
];

const USERS_MAX = 10;

export function createState(options: FakeBmcOptions): BmcState {
  const users: (BmcUser | undefined)[] = Array.from({ length: USERS_MAX + 1 }, () => undefined);
  for (const [index, user] of (options.users ?? DEFAULT_USERS).entries()) {
    const password = new TextEncoder().encode(user.password);
    const { name, privilege, sol = true } = user;
    users[index + 2] = { name, password, privilege, enabled: true, sol };
  }
  const [a = 0, b = 0, c = 0, d = 0] = (options.address ?? '127.0.0.1').split('.').map(Number);
  const mac = (options.mac ?? '02:00:00:00:99:01')
    .split(':')
    .map((pair) => Number.parseInt(pair, 16));
  return {
    machine: options.machine ?? simpleMachine(),
    knobs: knobs(),
    users,
    guid: options.guid ?? Uint8Array.from({ length: 16 }, (_, index) => 0x10 + index),
    fru: fruBytes(options.fru ?? { serial: 'LAB0001' }),
    lan: new Map([
      [0, Uint8Array.of(0)],
      [1, Uint8Array.of(0x00)],
      [2, new Uint8Array(5)],
      [3, Uint8Array.of(a, b, c, d)],
      [4, Uint8Array.of(1)],
      [5, Uint8Array.from(mac)],
      [6, Uint8Array.of(255, 0, 0, 0)],
      [12, Uint8Array.of(a, b, c, 254)],
      [13, Uint8Array.of(2, 0, 0, 0, 0x77, 1)],
      [14, new Uint8Array(4)],
      [15, new Uint8Array(6)],
      [16, Uint8Array.from(Buffer.from('public'.padEnd(18, '\0')))],
      [20, new Uint8Array(2)],
      [21, Uint8Array.of(0)],
      [22, Uint8Array.of((options.suites ?? [3, 17]).length)],
      [23, Uint8Array.from([0, ...(options.suites ?? [3, 17])])],
      [24, Uint8Array.of(0, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44)],
    ]),
    sel: FIRST_EVENTS.map((record, index) => ({ id: index + 1, record })),
    selReservation: 0,
    clockAheadSeconds: 0,
    bootOptions: new Map([
      [0, Uint8Array.of(0)],
      [3, Uint8Array.of(0)],
      [4, Uint8Array.of(0, 0)],
      [5, new Uint8Array(5)],
    ]),
    bootFlagsSetMs: 0,
    nowMs: 0,
    clock: options.clock ?? (() => Math.floor(Date.now() / 1000)),
    restartCause: 1,
    lastPowerEvent: undefined,
    identify: 0,
    identifyEndsMs: 0,
    restorePolicy: 1,
    solPrivilege: 2,
    watchdog: Uint8Array.of(0, 0, 0, 0, 0, 0),
    carriedOut: [],
  };
}
