/**
 * A simulated BMC on a UDP socket: a real RMCP+ server on our wire types, in front of a machine behind a small port, with
 * knobs to misbehave. ipmitool and FreeIPMI take it for a BMC.
 */
import { randomFillSync } from 'node:crypto';
import dgram from 'node:dgram';
import {
  decodeSol,
  encodeSol,
  SOL_BMC,
  SOL_CONSOLE,
  SolLink,
  type SolStep,
  solDataBytes,
} from '../src/ipmi/sol.ts';
import { BmcCore, type Source } from './fake-bmc-session.ts';
import {
  type BmcState,
  createState,
  type FakeBmcOptions,
  type FakeKnobs,
} from './fake-bmc-state.ts';

export interface FakeBmc {
  readonly address: string;
  readonly port: number;
  readonly knobs: FakeKnobs;
  readonly state: BmcState;
  /** Slots in use, half-open ones included. */
  sessions(): number;
  /** Whether a session has the serial console. */
  solActive(): boolean;
  close(): Promise<void>;
}

const SOL_BUFFER_BYTES = 200;

export async function startFakeBmc(options: FakeBmcOptions = {}): Promise<FakeBmc> {
  const address = options.address ?? '127.0.0.1';
  const socket = dgram.createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    const bound = () => {
      socket.off('error', reject);
      resolve();
    };
    if (options.fd === undefined) socket.bind(options.port ?? 0, address, bound);
    else socket.bind({ fd: options.fd }, bound);
  });
  socket.on('error', () => undefined);
  const state = createState({ ...options, address });
  const { knobs } = state;
  const timers = new Set<NodeJS.Timeout>();
  const lost = () => {
    if (knobs.lossRate === 0) return false;
    knobs.lossSeed = (Math.imul(knobs.lossSeed, 1_664_525) + 1_013_904_223) >>> 0;
    return knobs.lossSeed < knobs.lossRate * 2 ** 32;
  };
  let closed = false;

  const transmit = (bytes: Uint8Array, to: Source) => {
    if (!closed) socket.send(bytes, to.port, to.address, () => undefined);
  };
  const send = (bytes: Uint8Array, to: Source) => {
    if (knobs.dropReplies > 0) {
      knobs.dropReplies -= 1;
      return;
    }
    if (lost()) return;
    for (let copies = knobs.duplicates ? 2 : 1; copies > 0; copies--) {
      if (knobs.delayMs === 0) {
        transmit(bytes, to);
        continue;
      }
      const timer = setTimeout(() => {
        timers.delete(timer);
        transmit(bytes, to);
      }, knobs.delayMs);
      timers.add(timer);
    }
  };

  const line = createSolLine(state, (payload) => {
    const sealed = core.sol(payload);
    if (sealed) send(sealed.bytes, sealed.to);
  });
  const core = new BmcCore({
    ...{ state, suites: options.suites ?? [3, 17], kg: options.kg },
    random: (count) => randomFillSync(new Uint8Array(count)),
    onSol: line.onPayload,
    onSolActive: line.onActive,
    onNotice: send,
  });
  socket.on('message', (bytes, source) => {
    if (knobs.dropRequests > 0) {
      knobs.dropRequests -= 1;
      return;
    }
    if (lost()) return;
    for (const reply of core.respond(bytes, source, performance.now())) send(reply, source);
  });
  return {
    address,
    port: socket.address().port,
    knobs,
    state,
    sessions: () => core.sessions,
    solActive: () => core.solActive,
    close: () => {
      closed = true;
      line.stop();
      for (const timer of timers) clearTimeout(timer);
      return new Promise((resolve) => socket.close(() => resolve()));
    },
  };
}

/** The BMC's end of Serial over LAN: the machine's serial port on one side, payloads on the other. */
function createSolLine(state: BmcState, send: (payload: Uint8Array) => void) {
  const { serial } = state.machine;
  let link: SolLink | undefined;
  let timer: NodeJS.Timeout | undefined;
  const take = (step: SolStep) => {
    for (const payload of step.send) send(payload);
    for (const bytes of step.deliver) serial?.write(bytes);
    clearTimeout(timer);
    if (step.wakeAtMs !== undefined) {
      const waitMs = Math.max(0, step.wakeAtMs - performance.now());
      timer = setTimeout(() => link && take(link.onDeadline(performance.now())), waitMs);
    }
  };
  // What a machine prints while nobody watches is lost, as on the wire.
  serial?.onData((bytes) => {
    if (link) take(link.write(bytes, performance.now()).step);
  });
  return {
    onActive(active: boolean) {
      clearTimeout(timer);
      link = active ? new SolLink(solDataBytes(SOL_BUFFER_BYTES)) : undefined;
    },
    onPayload(bytes: Uint8Array) {
      const payload = decodeSol(bytes);
      if (!link || !payload.ok) return;
      const { sequence, flags } = payload.value;
      if (sequence !== 0 && state.knobs.solNacks > 0) {
        state.knobs.solNacks -= 1;
        const none = { sequence: 0, accepted: 0, data: new Uint8Array() };
        send(encodeSol({ ...none, acknowledged: sequence, flags: SOL_BMC.nack }));
        return;
      }
      if (flags & SOL_CONSOLE.break) serial?.break?.();
      take(link.onPayload(payload.value, performance.now()));
    },
    stop: () => clearTimeout(timer),
  };
}
