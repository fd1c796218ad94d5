/**
 * The commands of a simulated BMC: one table from network function and command to what is answered. Responses are put
 * together byte by byte from the specification, not with the decoders that will read them.
 */
import { decodeBootFlags } from '../src/ipmi/commands/boot-options.ts';
import { CHASSIS_CONTROL, type ChassisControl } from '../src/ipmi/commands/power-control.ts';
import { Writer } from '../src/wire/cursor.ts';
import { expireBootFlags } from './fake-bmc-boot.ts';
import { SENSORS } from './fake-bmc-data.ts';
import {
  type CommandContext,
  type CommandTable,
  ok,
  okBytes,
  type Reply,
  refuse,
} from './fake-bmc-reply.ts';
import { STORAGE_COMMANDS } from './fake-bmc-storage.ts';
import { USER_COMMANDS } from './fake-bmc-users.ts';

const INVALID_COMMAND = 0xc1;
const LENGTH_INVALID = 0xc7;
const NOT_PRESENT = 0xcb;
const INVALID_FIELD = 0xcc;
const PRIVILEGE = 0xd4;
const WRONG_STATE = 0xd5;

const CONTROLS = Object.entries(CHASSIS_CONTROL) as [ChassisControl, number][];

const APP: CommandTable = {
  // Device 0x20, revision 1 with SDRs, firmware 3.07, IPMI 2.0, all support; OpenBMC's number, product 0x0101.
  '6/1': {
    privilege: 2,
    run: () => ok(0x20, 0x81, 3, 0x07, 0x02, 0xbf, 0xcf, 0xc2, 0, 1, 1, 0, 0, 0, 0),
  },
  '6/4': { privilege: 2, run: () => ok(0x55, 0x00) },
  '6/8': { privilege: 2, run: (_, { state }) => okBytes(state.guid) },
  '6/55': { privilege: 2, run: (_, { state }) => okBytes(state.guid) },
  '6/34': { privilege: 3, run: () => refuse(0x80) },
  '6/36': {
    privilege: 3,
    run: (request, { state }) => {
      if (request.length < 6) return refuse(LENGTH_INVALID);
      state.watchdog = request.slice(0, 6);
      return ok();
    },
  },
  '6/37': {
    privilege: 2,
    run: (_, { state }) => okBytes(Uint8Array.of(...state.watchdog, ...state.watchdog.subarray(4))),
  },
  // Channel 1: LAN, IPMB protocol, multi-session, one session active. There is no other.
  '6/66': {
    privilege: 2,
    run: ([channel = 0]) =>
      channel === 1 || channel === 0x0e
        ? ok(1, 4, 1, 0x81, 0xf2, 0x1b, 0, 0, 0)
        : refuse(NOT_PRESENT),
  },
  '6/65': { privilege: 2, run: () => ok(0x22, 0x04) },
  // Session info: one handle, of how many, in use by user 2.
  '6/61': { privilege: 2, run: () => ok(1, 8, 1, 2, 4, 0x11) },
};

const CHASSIS: CommandTable = {
  '0/0': { privilege: 2, run: () => ok(0x00, 0x20, 0x20, 0x20, 0x20) },
  '0/1': {
    privilege: 2,
    run: (_, { state }) => {
      const on = state.knobs.lieAboutPower ?? state.machine.powerOn();
      const lit = state.identify !== 0 && state.nowMs < state.identifyEndsMs;
      const identify = state.identify === 'forever' ? 2 : lit ? 1 : 0;
      const power = (on ? 1 : 0) | (state.restorePolicy << 5);
      return ok(power, state.lastPowerEvent ?? (on ? 0x10 : 0x00), 0x40 | (identify << 4), 0);
    },
  },
  '0/2': {
    privilege: 3,
    run: (request, { state }) => {
      const action = CONTROLS.find(([, number]) => number === (request[0] ?? 0xff) % 16)?.[0];
      if (!action || (action === 'cycle' && state.knobs.cannotCycle)) return refuse(INVALID_FIELD);
      const needsPower = action !== 'on' && action !== 'off';
      if (needsPower && !state.machine.powerOn()) return refuse(WRONG_STATE);
      state.machine.control(action);
      return ok();
    },
  },
  '0/4': {
    privilege: 3,
    run: (request, { state }) => {
      state.identify = (request[1] ?? 0) & 1 ? 'forever' : (request[0] ?? 15);
      state.identifyEndsMs = state.nowMs + 1000 * (request[0] ?? 15);
      return ok();
    },
  },
  '0/6': {
    privilege: 3,
    run: (request, { state }) => {
      const policy = (request[0] ?? 3) & 7;
      if (policy < 3) state.restorePolicy = policy;
      return ok(0x07);
    },
  },
  '0/7': { privilege: 2, run: (_, { state }) => ok(state.restartCause, 0x01) },
  '0/8': { privilege: 3, run: setBootOption },
  '0/9': {
    privilege: 3,
    run: (request, { state }) => {
      const parameter = (request[0] ?? 0) & 0x7f;
      expireBootFlags(state, state.nowMs);
      const data = state.bootOptions.get(parameter);
      return data ? okBytes(Uint8Array.of(1, parameter, ...data)) : refuse(0x80);
    },
  },
  // Power-on hours: 60 minutes a count, 1234 counts.
  '0/15': { privilege: 2, run: () => okBytes(new Writer(5).u8(60).u32Le(1234).finish()) },
};

function setBootOption(request: Uint8Array, { state }: CommandContext): Reply {
  const parameter = (request[0] ?? 0) & 0x7f;
  const data = request.slice(1);
  const known = state.bootOptions.get(parameter);
  if (!known) return refuse(0x80);
  if (data.length < known.length) return refuse(LENGTH_INVALID);
  if (parameter === 5) {
    if (state.knobs.forgetsBootFlags) return ok();
    const flags = decodeBootFlags(data);
    if (!flags) return refuse(INVALID_FIELD);
    state.bootFlagsSetMs = state.nowMs;
    state.machine.setBoot?.(flags);
  }
  state.bootOptions.set(parameter, data);
  return ok();
}

const SENSOR: CommandTable = {
  '4/45': {
    privilege: 2,
    run: (request) => {
      const sensor = SENSORS.find(({ number }) => number === request[0]);
      if (!sensor) return refuse(NOT_PRESENT);
      if (sensor.absent) return ok(0, 0x60, 0xc0);
      const states = sensor.states ?? 0;
      return ok(sensor.raw, 0xc0, states & 0xff, 0x80 | (states >> 8));
    },
  },
  '4/39': {
    privilege: 2,
    run: (request) => {
      const sensor = SENSORS.find(({ number }) => number === request[0]);
      if (!sensor) return refuse(NOT_PRESENT);
      const [low = 0, high = 0] = sensor.thresholds ?? [];
      // Readable: lower critical (bit 1) and upper critical (bit 4).
      return ok(sensor.thresholds ? 0x12 : 0, 0, low, 0, 0, high, 0);
    },
  },
};

const TRANSPORT: CommandTable = {
  '12/1': {
    privilege: 4,
    run: (request, { state }) => {
      const known = state.lan.get(request[1] ?? 0);
      if (!known) return refuse(0x80);
      if (request.length - 2 !== known.length) return refuse(LENGTH_INVALID);
      state.lan.set(request[1] ?? 0, request.slice(2));
      return ok();
    },
  },
  '12/2': {
    privilege: 3,
    run: (request, { state }) => {
      const data = state.lan.get(request[1] ?? 0);
      return data ? okBytes(Uint8Array.of(0x11, ...data)) : refuse(0x80);
    },
  },
  // SOL configuration: enabled, administrator, 115200 baud.
  '12/34': {
    privilege: 2,
    run: (request) => {
      const parameters = [[0], [1], [0xc4], [5, 0x30], [7, 0x32], [10], [10], [1], [0x6f, 2]];
      const data = parameters[request[1] ?? 0xff];
      return data ? ok(0x11, ...data) : refuse(0x80);
    },
  },
};

const TABLE: CommandTable = {
  ...APP,
  ...USER_COMMANDS,
  ...CHASSIS,
  ...SENSOR,
  ...STORAGE_COMMANDS,
  ...TRANSPORT,
};

/** Carries out one request of a session. */
export function runCommand(
  message: { readonly netFn: number; readonly command: number; readonly data: Uint8Array },
  context: CommandContext,
): Reply {
  const name = `${message.netFn}/${message.command}`;
  const { state } = context;
  const refused = state.knobs.refuse.get(name);
  if (refused !== undefined) return refuse(refused);
  const command = TABLE[name];
  if (!command) return refuse(INVALID_COMMAND);
  if (context.privilege < command.privilege) return refuse(PRIVILEGE);
  state.carriedOut.push(name);
  return command.run(message.data, context);
}
