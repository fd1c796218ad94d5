/**
 * The lines that appliances hold to this instance of central: one for each site, the newest wins.
 *
 * An instance keeps nothing that another does not have: the cursor, the copy and the intents are in the database. A message
 * is worked on when the one before it is done, and a line that sends more meanwhile is not read from (TCP holds it back).
 * What an appliance may not say ends its line with a reason, and is noticed where people look.
 */
import { randomUUID } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { FastifyBaseLogger } from 'fastify';
import type { WebSocket } from 'ws';
import { AppError } from '../errors.ts';
import {
  type FromAppliance,
  type FromCentral,
  fromAppliance,
  PROTOCOL_VERSION,
  parseMessage,
  TAKES,
} from '../federation/protocol.ts';
import { limit } from '../limits.ts';
import type { Clock } from '../wire/time.ts';
import type { Fleet, LineOf } from './fleet.ts';
import { createInbox, joinedBatch } from './inbox.ts';
import type { Joining } from './joining.ts';
import { lackingOf, understandsWelcome } from './told.ts';

export interface LineParts {
  readonly fleet: Fleet;
  readonly joining: Joining;
  readonly clock: Clock;
  readonly log: FastifyBaseLogger;
}

export interface Lines {
  /**
   * A connection whose certificate our authority has signed; what it is worth is looked up here.
   *
   * @param of.welcome what of a welcome it says that it understands
   */
  accept(socket: WebSocket, of: { readonly tls: TLSSocket; readonly welcome: unknown }): void;
  /** Intents of this site may be waiting. */
  nudge(site: string): void;
  /** Of all of them. */
  nudgeAll(): void;
  readonly count: number;
  close(): void;
}

interface Line extends LineOf {
  readonly socket: WebSocket;
  /** Sent, and not answered yet. */
  readonly sent: Set<string>;
  sending: boolean;
}

/** A newer line of the same site has come, here or at another instance. */
class Replaced extends Error {}

class Refusal extends Error {
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}

export function createLines(parts: LineParts): Lines {
  const { fleet, log } = parts;
  const lines = new Map<string, Line>();
  const sendIntents = async (line: Line): Promise<void> => {
    if (line.sending || line.socket.readyState !== line.socket.OPEN) return;
    line.sending = true;
    try {
      const waiting = await fleet.waiting(line.site, limit('federationIntentsMax'));
      const intents = waiting.filter(({ id }) => !line.sent.has(id));
      for (const { id } of intents) line.sent.add(id);
      if (intents.length > 0) send(line.socket, { kind: 'intents', intents });
    } catch (err) {
      // It is said once of the database, and not twice a second of each line.
      if (!isSilent(err)) log.error({ err, site: line.site }, 'intents could not be read');
    } finally {
      line.sending = false;
    }
  };
  const poll = setInterval(() => {
    for (const line of lines.values()) void sendIntents(line);
  }, limit('federationPollMs'));
  return {
    accept(socket, { tls, welcome }) {
      const isUnderstood = understandsWelcome(welcome);
      openLine(parts, { socket, tls, lines, isUnderstood, onReady: sendIntents });
    },
    nudge(site) {
      const line = lines.get(site);
      if (line) void sendIntents(line);
    },
    nudgeAll() {
      for (const line of lines.values()) void sendIntents(line);
    },
    get count() {
      return lines.size;
    },
    close() {
      clearInterval(poll);
      for (const { socket } of lines.values()) socket.terminate();
    },
  };
}

interface Opening {
  readonly socket: WebSocket;
  readonly tls: TLSSocket;
  readonly lines: Map<string, Line>;
  /** A welcome that says what central takes and lacks. */
  readonly isUnderstood: boolean;
  onReady(line: Line): Promise<void>;
}

function openLine(parts: LineParts, opening: Opening): void {
  const { socket, tls, lines, isUnderstood, onReady } = opening;
  const { fleet, joining, log } = parts;
  const { serialNumber = '', subject } = tls.getPeerCertificate();
  const claimed = String(subject?.CN ?? '').slice(0, 63);
  const inbox = createInbox(socket, (texts) => work(texts));
  let line: Line | undefined;
  const refuse = async (code: string, detail: string): Promise<void> => {
    log.warn({ site: claimed, code, detail }, 'an appliance was refused');
    await fleet.noticeAgain(claimed, code, detail);
    send(socket, { kind: 'refused', code, detail });
    socket.close(1008, code);
  };
  const work = async (texts: readonly string[]): Promise<void> => {
    try {
      const [message, ...more] = texts.map(understood);
      if (!message) return;
      if (line) return await hearAll(parts, line, [message, ...more]);
      if (message.kind !== 'hello') throw new Refusal('PROTOCOL', 'The first message is a hello.');
      line = await greet(parts, { socket, message, serial: serialNumber, isUnderstood });
      lines.get(line.site)?.socket.close(1000, REPLACED);
      lines.set(line.site, line);
      await onReady(line);
    } catch (error) {
      const { code, message } = error as Partial<Refusal> & Error;
      inbox.stop();
      if (error instanceof Refusal) return refuse(code ?? 'PROTOCOL', message);
      if (error instanceof Replaced) return socket.close(1000, REPLACED);
      if (isSilent(error)) log.warn({ site: claimed }, 'a line ends: the database does not answer');
      else log.error({ err: error, site: claimed }, 'a message of an appliance could not be used');
      socket.close(1011);
    }
  };
  /** A certificate that was revoked ends its line too, within a ping. */
  const look = async (of: Line): Promise<void> => {
    if ((await joining.siteOf(serialNumber)) === of.site)
      return inbox.silentMs() < 1.5 * limit('federationPingMs') ? fleet.heard(of) : undefined;
    inbox.stop();
    await refuse(
      'CERTIFICATE_UNKNOWN',
      `The certificate with the serial ${serialNumber} has ended.`,
    );
  };
  const ping = setInterval(() => {
    if (inbox.silentMs() > 3 * limit('federationPingMs')) return socket.terminate();
    socket.ping();
    if (line)
      look(line).catch((err) => {
        if (!isSilent(err)) log.error({ err }, 'a line could not be looked after');
      });
  }, limit('federationPingMs'));
  socket.on('pong', inbox.touch);
  socket.on('close', () => {
    clearInterval(ping);
    if (line && lines.get(line.site) === line) lines.delete(line.site);
  });
  socket.on('error', (err) => log.warn({ err, site: claimed }, 'a line of an appliance broke'));
}

/** @throws Refusal for what another version may say */
function understood(text: string): FromAppliance {
  try {
    return parseMessage(fromAppliance, text);
  } catch (error) {
    const detail = `This central does not know what it says: ${(error as Error).message}`;
    throw new Refusal('PROTOCOL', detail.slice(0, 500));
  }
}

/** @throws Refusal */
async function greet(
  { fleet, joining, clock }: LineParts,
  of: {
    readonly socket: WebSocket;
    readonly message: Extract<FromAppliance, { kind: 'hello' }>;
    readonly serial: string;
    readonly isUnderstood: boolean;
  },
): Promise<Line> {
  const { socket, message, serial, isUnderstood } = of;
  const { site, protocol } = message;
  if (protocol !== PROTOCOL_VERSION)
    throw new Refusal('PROTOCOL', `Protocol ${protocol}; this central speaks ${PROTOCOL_VERSION}.`);
  const own = await joining.siteOf(serial);
  const removed = own === undefined ? await joining.removedSiteOf(serial) : undefined;
  if (removed !== undefined)
    throw new Refusal('SITE_REMOVED', `${removed} was removed from the fleet.`);
  if (own === undefined)
    throw new Refusal('CERTIFICATE_UNKNOWN', `No living certificate has the serial ${serial}.`);
  if (own !== site)
    throw new Refusal('SITE_MISMATCH', `A certificate of ${own} says that it is ${site}.`);
  const id = randomUUID();
  const row = await fleet.greet(message, id, isUnderstood);
  if (!row)
    throw new Refusal('APPLIANCE_MISMATCH', `Another appliance has joined as ${site}; join again.`);
  await joining.arrived(site, serial);
  if (Math.abs(row.skew_ms) > limit('clockSkewMs'))
    await fleet.notice(site, 'CLOCK_SKEW', `Its clock differs by ${row.skew_ms} ms.`);
  const { feed_cursor: cursor, mark } = row;
  const known = mark === '' ? {} : { mark };
  // One of the version before ends a line that says what it does not know.
  const more = isUnderstood && { takes: [...TAKES], lacks: lackingOf(row) };
  send(socket, { kind: 'welcome', cursor, ...known, clock: clock(), ...more });
  return { site, line: id, socket, sent: new Set(), sending: false };
}

/**
 * What has come by now: batches that follow on each other are one.
 *
 * @throws Refusal
 */
async function hearAll(
  parts: LineParts,
  line: Line,
  messages: readonly FromAppliance[],
): Promise<void> {
  const joined = joinedBatch(messages);
  const verdict = joined && (await parts.fleet.applyBatch(line, joined));
  if (verdict?.kind === 'applied')
    return send(line.socket, { kind: 'ack', cursor: verdict.cursor });
  // Some of them may be known.
  for (const message of messages) await hear(parts, line, message);
}

/** @throws Refusal */
async function hear(
  { fleet, joining }: LineParts,
  line: Line,
  message: FromAppliance,
): Promise<void> {
  const { site, socket } = line;
  switch (message.kind) {
    case 'batch': {
      const verdict = await fleet.applyBatch(line, message);
      if (verdict.kind === 'over') throw new Replaced();
      if (verdict.kind === 'gap')
        throw new Refusal('CURSOR_GAP', `A batch from ${message.from} meets ${verdict.cursor}.`);
      return send(socket, { kind: 'ack', cursor: verdict.cursor });
    }
    case 'snapshot': {
      const verdict = await fleet.applySnapshot(line, message);
      if (verdict.kind === 'over') throw new Replaced();
      return verdict.kind === 'page'
        ? undefined
        : send(socket, { kind: 'ack', cursor: verdict.cursor });
    }
    case 'whole':
      if (!(await fleet.applyWhole(line, message))) throw new Replaced();
      return;
    case 'result':
      if (!(await fleet.answer(site, message))) {
        const detail = `${site} answers the intent ${message.intent}, which is not its own.`;
        throw new Refusal('INTENT_MISMATCH', detail);
      }
      line.sent.delete(message.intent);
      return;
    case 'renew': {
      const issued = await joining.renew(site, message.request);
      if (!issued) throw new Refusal('CERTIFICATE_UNKNOWN', `${site} is shut out.`);
      return send(socket, { kind: 'certificate', certificate: issued.certificate });
    }
    case 'hello':
      throw new Refusal('PROTOCOL', 'A second hello.');
  }
}

const isSilent = (err: unknown): boolean =>
  err instanceof AppError && err.code === 'DATABASE_SILENT';

const REPLACED = 'another line of this site has come';

function send(socket: WebSocket, message: FromCentral): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
}
