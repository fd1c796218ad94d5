/**
 * The shell around `session.ts`: carries its datagrams, keeps its one timer, and turns events into promises. It decides
 * nothing.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import type { Caller, Command } from './command.ts';
import type { ChannelAuth } from './commands/channel-auth.ts';
import { CompletionError } from './completion.ts';
import type { Fault, Protection } from './opening.ts';
import { parseSettings, type SessionSettings } from './options.ts';
import type { Address, IpmiPorts } from './ports.ts';
import { decodeRmcp, encodePing } from './rmcp.ts';
import { Session, type SessionEvent, type SessionStep } from './session.ts';

export interface BmcSession extends Caller {
  /** What protects the session: the number of its cipher suite, or `md5` for IPMI 1.5. */
  readonly protection: Protection;
  /** What the BMC said of itself before the session. */
  readonly auth: ChannelAuth | undefined;
  sendSol(payload: Uint8Array): void;
  /** One reader at a time; SOL payloads without a reader are dropped. */
  onSol(handler: (payload: Uint8Array) => void): void;
  /** Called once when the session ends without having been closed from here. */
  onEnd(handler: (error: AppError) => void): void;
  /** Waits for the BMC's answer, at most three seconds. Never fails: what is over is over. */
  close(): Promise<void>;
}

interface Waiting {
  readonly name: string;
  readonly resolve: (response: { completion: number; data: Uint8Array }) => void;
  readonly reject: (error: AppError) => void;
}

/**
 * Opens a session.
 * @throws AppError REQUEST_INVALID, BMC_UNREACHABLE, BMC_TIMEOUT, BMC_USER, BMC_PASSWORD, BMC_KG, BMC_PRIVILEGE,
 * BMC_SUITE, BMC_BUSY, BMC_PROTOCOL
 */
export async function openSession(
  ports: IpmiPorts,
  bmc: Address,
  settings: SessionSettings,
): Promise<BmcSession> {
  const connection = new Connection(ports, bmc, settings);
  await connection.opened;
  return connection;
}

/** Opens a session, does something with it, and closes it whatever happens. */
export async function withSession<T>(
  ports: IpmiPorts,
  target: { readonly bmc: Address; readonly settings: SessionSettings },
  act: (session: BmcSession) => Promise<T>,
): Promise<T> {
  const session = await openSession(ports, target.bmc, target.settings);
  try {
    return await act(session);
  } finally {
    await session.close();
  }
}

class Connection implements BmcSession {
  readonly opened: Promise<void>;
  protection: Protection = 'md5';
  auth: ChannelAuth | undefined;
  private readonly ports: IpmiPorts;
  private readonly bmc: Address;
  private readonly session: Session;
  private readonly waiting = new Map<number, Waiting>();
  private readonly stopListening: () => void;
  private cancelTimer: (() => void) | undefined;
  private wakeAtMs: number | undefined;
  private lastId = 0;
  private solHandler: ((payload: Uint8Array) => void) | undefined;
  private endHandler: ((error: AppError) => void) | undefined;
  private settleOpen: { resolve: () => void; reject: (error: AppError) => void } | undefined;
  private settleClose: (() => void) | undefined;
  /** Whoever asks while it closes waits for the same end. */
  private closing: Promise<void> | undefined;
  private ended: AppError | undefined;

  constructor(ports: IpmiPorts, bmc: Address, settings: SessionSettings) {
    this.ports = ports;
    this.bmc = bmc;
    this.session = new Session(parseSettings(settings), ports.random);
    this.opened = new Promise((resolve, reject) => {
      this.settleOpen = { resolve, reject };
    });
    this.stopListening = ports.datagrams.listen(bmc, (bytes) =>
      this.take(this.session.onDatagram(bytes, ports.timers.nowMs())),
    );
    this.take(this.session.start(ports.timers.nowMs()));
  }

  async call<Request, Response>(
    command: Command<Request, Response>,
    request: Request,
  ): Promise<Response> {
    if (this.ended) throw this.ended;
    const { netFn, command: number, repeatable, name } = command;
    const data = command.encode(request);
    this.lastId += 1;
    const id = this.lastId;
    const answer = new Promise<{ completion: number; data: Uint8Array }>((resolve, reject) => {
      this.waiting.set(id, { name, resolve, reject });
    });
    const asked = { id, netFn, command: number, data, repeatable };
    this.take(this.session.request(asked, this.ports.timers.nowMs()));
    const response = await answer;
    if (response.completion !== 0) {
      throw new CompletionError(name, response.completion, command.completions);
    }
    const value = command.decode(response.data);
    if (value.ok) return value.value;
    const detail = `${name}: ${value.code} at byte ${value.at} of the response.`;
    throw new AppError('BMC_PROTOCOL', { detail });
  }

  sendSol(payload: Uint8Array): void {
    this.take(this.session.sendSol(payload));
  }

  onSol(handler: (payload: Uint8Array) => void): void {
    this.solHandler = handler;
  }

  onEnd(handler: (error: AppError) => void): void {
    this.endHandler = handler;
  }

  close(): Promise<void> {
    if (this.ended) return Promise.resolve();
    this.closing ??= new Promise((resolve) => {
      this.settleClose = resolve;
      this.take(this.session.close(this.ports.timers.nowMs()));
    });
    return this.closing;
  }

  private take(step: SessionStep): void {
    for (const bytes of step.send) this.ports.datagrams.send(bytes, this.bmc);
    this.arm(step.wakeAtMs);
    for (const event of step.events) this.onEvent(event);
  }

  private arm(wakeAtMs: number | undefined): void {
    if (wakeAtMs === this.wakeAtMs) return;
    this.cancelTimer?.();
    this.wakeAtMs = wakeAtMs;
    this.cancelTimer =
      wakeAtMs === undefined
        ? undefined
        : this.ports.timers.at(wakeAtMs, () => {
            this.wakeAtMs = undefined;
            this.take(this.session.onDeadline(this.ports.timers.nowMs()));
          });
  }

  private onEvent(event: SessionEvent): void {
    switch (event.kind) {
      case 'opened':
        this.protection = event.opened.protection;
        this.auth = event.opened.auth;
        this.settleOpen?.resolve();
        break;
      case 'response':
        this.settle(event.id)?.resolve(event);
        break;
      case 'lost': {
        const waiting = this.settle(event.id);
        const detail = `${waiting?.name}: no answer; it may have been carried out.`;
        waiting?.reject(new AppError('BMC_TIMEOUT', { detail }));
        break;
      }
      case 'sol':
        this.solHandler?.(event.bytes);
        break;
      case 'failed':
        this.end(this.errorOf(event.fault), true);
        break;
      case 'closed':
        this.end(new AppError('BMC_TIMEOUT', { detail: 'The session is closed.' }), false);
        break;
    }
  }

  private settle(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    return waiting;
  }

  private errorOf({ code, detail }: Fault): AppError {
    return new AppError(code, { detail: `${this.bmc.address}:${this.bmc.port}: ${detail}` });
  }

  private end(error: AppError, failed: boolean): void {
    this.ended = error;
    this.stopListening();
    this.settleOpen?.reject(error);
    for (const id of [...this.waiting.keys()]) this.settle(id)?.reject(error);
    this.settleClose?.();
    if (failed) this.endHandler?.(error);
  }
}

/**
 * Asks whether anything at that address speaks RMCP (section 13.2.3). A BMC that does not answer may still be there: many
 * have the ping disabled.
 */
export function ping(ports: IpmiPorts, bmc: Address): Promise<{ ipmi: boolean } | undefined> {
  const { datagrams, timers } = ports;
  const tag = ports.random(1)[0] ?? 0;
  return new Promise((resolve) => {
    const finish = (answer: { ipmi: boolean } | undefined) => {
      stop();
      cancel();
      resolve(answer);
    };
    const stop = datagrams.listen(bmc, (bytes) => {
      const packet = decodeRmcp(bytes);
      if (packet.ok && packet.value.kind === 'pong' && packet.value.tag === tag) {
        finish({ ipmi: packet.value.ipmi });
      }
    });
    const cancel = timers.at(timers.nowMs() + limit('ipmiReplyMs'), () => finish(undefined));
    datagrams.send(encodePing(tag), bmc);
  });
}
