/**
 * What the main thread and a UDP thread share: control words, counters, and the few messages between them.
 */
import type { MessagePort } from 'node:worker_threads';
import type { ResponderSettings } from '../dns/reply.ts';
import type { SigningKeys } from '../dns/signer.ts';
import type { BatchTarget } from '../platform/mmsg.ts';

/** Words of the control block: a request to stop, and a number that grows with each message to the threads. */
export const CONTROL = { stop: 0, epoch: 1, words: 2 } as const;

/** Places in a thread's counters. Rcodes 0 to 5 follow each other; higher ones are counted together. */
export const COUNTER = {
  questions: 0,
  dropped: 1,
  limited: 2,
  forwarded: 3,
  truncated: 4,
  rcodes: 5,
  signatures: 12,
  places: 13,
} as const;

export interface UdpWorkerData {
  readonly image: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly port: MessagePort;
  readonly target: BatchTarget;
  readonly responder: ResponderSettings;
  /** What zones are signed with; none are without it. */
  readonly keys: SigningKeys | undefined;
  /** Equal answers to one network; 0 for no limit. */
  readonly responsesPerSecond: number;
  /** Whose questions the main thread is to be told of (asker-watch.ts). */
  readonly askers: SharedArrayBuffer | undefined;
}

/** Another image, or other keys. */
export type ToUdpWorker =
  | { readonly image: SharedArrayBuffer }
  | { readonly keys: SigningKeys | undefined };

export type FromUdpWorker =
  /** It answers from now on, by this socket. */
  | { readonly kind: 'ready'; readonly fd: number }
  /** It has closed its socket; the last that is heard of it. */
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly why: string }
  | {
      readonly kind: 'forward';
      readonly fd: number;
      readonly bytes: Uint8Array;
      /** The sender's sockaddr, for the answer. */
      readonly name: Uint8Array;
    }
  | ({ readonly kind: 'asked' } & Asked);

/** A question of somebody who is watched, and what was answered: empty for nothing. */
export interface Asked {
  readonly at: number;
  /** IPv4, as a number. */
  readonly address: number;
  readonly port: number;
  readonly question: Uint8Array;
  readonly reply: Uint8Array;
}

export function countAnswer(counters: Float64Array, rcode: number, truncated: boolean): void {
  const place = COUNTER.rcodes + Math.min(rcode, 6);
  counters[place] = (counters[place] ?? 0) + 1;
  if (truncated) counters[COUNTER.truncated] = (counters[COUNTER.truncated] ?? 0) + 1;
}
