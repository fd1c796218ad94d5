/**
 * Users of a simulated BMC: access, names, passwords (IPMI 2.0 sections 22.26 to 22.30), and who may use the serial console
 * (24.6 and 24.7).
 */
import { type CommandTable, ok, okBytes, refuse } from './fake-bmc-reply.ts';
import type { BmcState, BmcUser } from './fake-bmc-state.ts';

const INVALID_FIELD = 0xcc;
const LENGTH_INVALID = 0xc7;
const OUT_OF_RANGE = 0xc9;

function nameOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').replace(/\0.*$/s, '');
}

/** The user of an id, made when it is first written. */
function userAt(state: BmcState, id: number): BmcUser | undefined {
  if (id < 1 || id >= state.users.length) return undefined;
  const password = new Uint8Array();
  state.users[id] ??= { name: '', password, privilege: 15, enabled: false };
  return state.users[id];
}

export const USER_COMMANDS: CommandTable = {
  '6/68': {
    privilege: 3,
    run: (request, { state }) => {
      const id = (request[1] ?? 0) & 0x3f;
      if (id < 1 || id >= state.users.length) return refuse(OUT_OF_RANGE);
      const user = state.users[id];
      const enabled = state.users.filter((each) => each?.enabled).length;
      const status = user?.enabled ? 0x40 : 0x80;
      return ok(state.users.length - 1, status | enabled, 1, 0x10 | (user?.privilege ?? 15));
    },
  },
  '6/67': {
    privilege: 4,
    run: (request, { state }) => {
      const user = userAt(state, (request[1] ?? 0) & 0x3f);
      if (!user) return refuse(OUT_OF_RANGE);
      user.privilege = (request[2] ?? 15) & 0x0f;
      return ok();
    },
  },
  '6/70': {
    privilege: 3,
    run: (request, { state }) => {
      const id = (request[0] ?? 0) & 0x3f;
      if (id < 1 || id >= state.users.length) return refuse(OUT_OF_RANGE);
      const { unusedName } = state.knobs;
      if (unusedName !== undefined && !state.users[id]?.name) return refuse(unusedName);
      const name = new Uint8Array(16);
      name.set(Buffer.from(state.users[id]?.name ?? '', 'latin1'));
      return okBytes(name);
    },
  },
  '6/69': {
    privilege: 4,
    run: (request, { state }) => {
      const user = userAt(state, (request[0] ?? 0) & 0x3f);
      if (!user || request[0] === 1) return refuse(INVALID_FIELD);
      user.name = nameOf(request.subarray(1, 17));
      return ok();
    },
  },
  '6/71': {
    privilege: 4,
    run: (request, { state }) => {
      const [id = 0, operation = 0] = request;
      const user = userAt(state, id & 0x3f);
      if (!user) return refuse(OUT_OF_RANGE);
      const password = request.slice(2);
      switch (operation & 3) {
        case 0:
        case 1:
          user.enabled = (operation & 3) === 1 || (user.enabled && state.knobs.keepsAccounts);
          return ok();
        case 2:
          if (password.length !== (id & 0x80 ? 20 : 16)) return refuse(LENGTH_INVALID);
          user.password = withoutPadding(password);
          return ok();
        default: {
          const same = Buffer.compare(withoutPadding(password), user.password) === 0;
          return same ? ok() : refuse(0x80);
        }
      }
    },
  },
  '6/76': {
    privilege: 4,
    run: (request, { state }) => {
      if (request.length < 6) return refuse(LENGTH_INVALID);
      const second = request[1] ?? 0;
      const user = userAt(state, second & 0x3f);
      if (!user) return refuse(OUT_OF_RANGE);
      // Operation 0 enables what has a bit, 1 disables it; bit 1 of the third byte is Serial over LAN.
      if ((request[2] ?? 0) & 0x02) user.sol = second >> 6 === 0;
      return ok();
    },
  },
  '6/77': {
    privilege: 3,
    run: (request, { state }) => {
      const user = userAt(state, (request[1] ?? 0) & 0x3f);
      return user ? ok(user.sol ? 0x02 : 0, 0, 0, 0) : refuse(OUT_OF_RANGE);
    },
  },
};

function withoutPadding(bytes: Uint8Array): Uint8Array {
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  return bytes.slice(0, end);
}
