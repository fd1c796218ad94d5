/**
 * The two find each other: `a` listens, `b` dials, whoever is active. A line counts from the first hello on, which says that the
 * other end is the other member of the same site with a database of the same form; another one is told why and let go.
 */

import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { limit } from '../limits.ts';
import type { Log } from '../platform/log.ts';
import { dialPair, listenForPair, readPairKey } from '../platform/pair-link.ts';
import { seldom } from '../platform/seldom.ts';
import { type HelloMessage, STANDBY_PROTOCOL, type StandbyMessage } from '../standby/protocol.ts';
import type { StandbySettings } from '../standby/settings.ts';
import { formatIpv4 } from '../wire/ipv4.ts';
import { type Line, openLine } from './standby-line.ts';

export interface MeetingUser {
  hello(message: HelloMessage): void;
  heard(message: StandbyMessage): void;
  bytes(bytes: Uint8Array): void;
  closed(why: string): void;
}

export interface Meeting {
  readonly line: Line;
  /** What the other one has said last. */
  active: boolean;
  /** As the follower: of which epoch we have everything, as it said on this line and as long as it is active; 0: of none. */
  wholeOf: number;
  version: string;
  images: HelloMessage['images'];
  hello(): void;
  use(user: MeetingUser): void;
}

export interface MeetingPorts {
  readonly settings: StandbySettings;
  readonly log: Log;
  readonly silenceMs: number;
  hello(): HelloMessage;
  onMeeting(meeting: Meeting): void;
}

export async function openMeetings(
  ports: MeetingPorts,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const { settings, log } = ports;
  const key = readPairKey(settings.keyFile);
  const lines = new Set<TLSSocket>();
  let closed = false;
  const unmet = seldom((why: string) =>
    log.warn({ why }, 'a line ended before the two appliances knew each other'),
  );
  const onUnmet = (why: string) => void (closed || unmet(why));
  const accept = (socket: TLSSocket): void => {
    lines.add(socket);
    socket.once('close', () => lines.delete(socket));
    meet({ ...ports, onUnmet }, socket);
  };
  const endAll = (): void => {
    closed = true;
    for (const socket of lines) socket.destroy();
  };
  if (settings.member === 'a') {
    const { address, port } = settings;
    const onStranger = seldom((err: Error) =>
      log.warn({ err }, 'somebody came who has not the key of the pair'),
    );
    const at = { host: formatIpv4(address), port, key, onStranger };
    const server = await listenForPair(at, accept);
    return {
      port: (server.address() as AddressInfo).port,
      close() {
        endAll();
        return new Promise((resolve) => server.close(() => resolve()));
      },
    };
  }
  let timer: NodeJS.Timeout | undefined;
  const unreached = seldom((err: Error) =>
    log.warn({ err }, 'the other appliance cannot be reached'),
  );
  const dial = (): void => {
    if (closed) return;
    const at = { host: formatIpv4(settings.partner), port: settings.port, key };
    const socket = dialPair(at, accept);
    lines.add(socket);
    socket.on('error', unreached);
    socket.once('close', () => {
      lines.delete(socket);
      timer = setTimeout(dial, limit('standbyAgainMs'));
    });
  };
  dial();
  return {
    port: settings.port,
    async close() {
      clearTimeout(timer);
      endAll();
    },
  };
}

/** Why this is not the other one of our pair. */
function wrong(theirs: HelloMessage, ours: HelloMessage): string | undefined {
  if (theirs.protocol !== STANDBY_PROTOCOL) return `protocol ${theirs.protocol}`;
  if (theirs.site !== ours.site) return `site ${theirs.site}, and not ${ours.site}`;
  if (theirs.member === ours.member) return `both are configured as ${ours.member}`;
  if (theirs.schema !== ours.schema)
    return `its database has the form ${theirs.schema}, and not ${ours.schema}`;
  return undefined;
}

/** @param ports.onUnmet the line has ended before the other one has said who it is in a way that is understood */
function meet(ports: MeetingPorts & { onUnmet(why: string): void }, socket: TLSSocket): void {
  let user: MeetingUser | undefined;
  let isTold = false;
  const line = openLine(socket, {
    silenceMs: ports.silenceMs,
    bytes: (bytes) => user?.bytes(bytes),
    closed(why) {
      if (user) user.closed(why);
      else if (!isTold) ports.onUnmet(why);
    },
    heard(message) {
      if (message.kind === 'refused') ports.log.warn({ why: message.why }, 'the pair does not fit');
      if (message.kind !== 'hello') return user?.heard(message);
      const why = wrong(message, ports.hello());
      if (why !== undefined) {
        isTold = true;
        ports.log.warn({ why }, 'what calls itself the other appliance is not');
        line.send({ kind: 'refused', why });
        return line.close();
      }
      if (!user) ports.onMeeting(meeting);
      user?.hello(message);
    },
  });
  const meeting: Meeting = {
    line,
    ...{ active: false, wholeOf: 0, version: '', images: { files: 0, bytes: 0 } },
    hello: () => line.send(ports.hello()),
    use(given) {
      user = given;
    },
  };
  meeting.hello();
}
