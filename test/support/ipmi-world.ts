/**
 * Our IPMI client and the simulated BMC's core in one process with a clock of their own: no socket, no waiting. Datagrams
 * are carried in order; when nothing moves, the clock jumps to the next deadline.
 */

import { BmcCore } from '../../qemu-lab/fake-bmc-session.ts';
import { type BmcState, createState, type FakeBmcOptions } from '../../qemu-lab/fake-bmc-state.ts';
import type { AppError } from '../../src/errors.ts';
import type { SessionSettings } from '../../src/ipmi/options.ts';
import type { Address, IpmiPorts } from '../../src/ipmi/ports.ts';
import { decodeRmcp } from '../../src/ipmi/rmcp.ts';
import { must } from './ipmi-golden.ts';

export const BMC: Address = { address: '127.0.0.1', port: 623 };
const CONSOLE: Address = { address: '127.0.0.2', port: 40_000 };

export interface IpmiWorld {
  readonly ports: IpmiPorts;
  readonly state: BmcState;
  readonly core: BmcCore;
  readonly nowMs: () => number;
  /** Every datagram, as it was sent, lost ones too. */
  readonly traffic: { readonly from: 'console' | 'bmc'; readonly bytes: Uint8Array }[];
  /** Decides which datagrams arrive; all by default. */
  deliver: (from: 'console' | 'bmc', index: number) => boolean;
  /** Lets time pass until the promise is settled. */
  run<T>(promise: Promise<T>): Promise<T>;
  /** Lets this much time pass. */
  pass(ms: number): Promise<void>;
}

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

export function createIpmiWorld(options: FakeBmcOptions & { seed?: number } = {}): IpmiWorld {
  const state = createState(options);
  const timers = new Set<Timer>();
  const moving: { from: 'console' | 'bmc'; bytes: Uint8Array }[] = [];
  const listeners = new Set<(bytes: Uint8Array) => void>();
  let nowMs = 1000;
  let seed = options.seed ?? 1;
  const random = (count: number) =>
    Uint8Array.from({ length: count }, () => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return seed >>> 24;
    });
  const core = new BmcCore({
    ...{ state, suites: options.suites ?? [3, 17], kg: options.kg, random },
    onSol: () => undefined,
    onSolActive: () => undefined,
  });
  const traffic: IpmiWorld['traffic'] = [];
  const carry = (from: 'console' | 'bmc', bytes: Uint8Array) => {
    const index = traffic.push({ from, bytes }) - 1;
    if (world.deliver(from, index)) moving.push({ from, bytes });
  };
  const ports: IpmiPorts = {
    datagrams: {
      send: (bytes) => carry('console', bytes),
      listen: (_, handler) => {
        listeners.add(handler);
        return () => listeners.delete(handler);
      },
    },
    timers: {
      nowMs: () => nowMs,
      at(atMs, callback) {
        const timer = { atMs, callback };
        timers.add(timer);
        return () => timers.delete(timer);
      },
    },
    random,
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const move = () => {
    for (const { from, bytes } of moving.splice(0)) {
      if (from === 'console') {
        if (state.knobs.dropRequests > 0) state.knobs.dropRequests -= 1;
        else for (const reply of core.respond(bytes, CONSOLE, nowMs)) reply && answer(reply);
      } else for (const listener of listeners) listener(bytes);
    }
  };
  const answer = (bytes: Uint8Array) => {
    if (state.knobs.dropReplies > 0) state.knobs.dropReplies -= 1;
    else for (let copy = state.knobs.duplicates ? 2 : 1; copy > 0; copy--) carry('bmc', bytes);
  };
  const jump = (untilMs: number): boolean => {
    const next = [...timers].sort((a, b) => a.atMs - b.atMs)[0];
    if (!next || next.atMs > untilMs) return false;
    timers.delete(next);
    nowMs = Math.max(nowMs, next.atMs);
    next.callback();
    return true;
  };

  const world: IpmiWorld = {
    ...{ ports, state, core, traffic, nowMs: () => nowMs, deliver: () => true },
    async run(promise) {
      let settled = false;
      promise.then(
        () => (settled = true),
        () => (settled = true),
      );
      for (let rounds = 0; ; rounds++) {
        await settle();
        if (settled) return promise;
        if (rounds > 100_000) throw new Error('the world does not come to rest');
        if (moving.length > 0) move();
        else if (!jump(Number.POSITIVE_INFINITY)) throw new Error('nothing moves any more');
      }
    },
    async pass(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        await settle();
        if (moving.length > 0) move();
        else if (!jump(untilMs)) break;
      }
      nowMs = untilMs;
    },
  };
  return world;
}

export const ADMIN: SessionSettings = {
  user: 'admin',
  password: 'secret',
  privilege: 'administrator',
};

export const refusal = async (promise: Promise<unknown>): Promise<AppError> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason as AppError,
  );
  if (!error) throw new Error('it should have failed');
  return error;
};

/** Kinds of the packets that the console sent. */
export const sentKinds = (world: IpmiWorld) =>
  world.traffic
    .filter(({ from }) => from === 'console')
    .map(({ bytes }) => {
      const packet = must(decodeRmcp(bytes));
      return packet.kind === 'rmcp+' ? `0x${packet.payloadType.toString(16)}` : packet.kind;
    });
