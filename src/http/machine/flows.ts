/**
 * Downloads that are running, and what the kernel says of their connections. A connection carries several downloads, one after
 * the other, so each counts from where the connection stood when it began. What is asked for once a second is kept, because
 * a connection that has been closed tells nothing any more.
 */
import type { Socket } from 'node:net';
import type { TcpFigures } from '../../events.ts';
import type { ReadTcpInfo } from '../../platform/tcp-info.ts';
import type { BootId } from '../../wire/ids.ts';
import type { Clock } from '../../wire/time.ts';

export interface Flow {
  /** The newest figures; absent where the kernel does not tell. */
  figures(): TcpFigures | undefined;
  end(): void;
}

export interface Flows {
  begin(boot: BootId, socket: Socket): Flow;
  /** Of the newest download of a boot that is running. */
  of(boot: BootId): TcpFigures | undefined;
  /** Once a second: keeps what downloads that take long have come to. */
  sample(): void;
}

/** A download that is over sooner is never asked about but at its end. */
const SHORT_MS = 3000;

interface Running extends Flow {
  readonly startedAt: number;
}

export function createFlows(read: ReadTcpInfo, clock: Clock): Flows {
  const running = new Map<BootId, Running>();
  return {
    begin(boot, socket) {
      const first = read(socket);
      let last: TcpFigures | undefined;
      const figures = (): TcpFigures | undefined => {
        const now = first && read(socket);
        if (!first || !now) return last;
        last = {
          ...now,
          ackedBytes: now.ackedBytes - first.ackedBytes,
          segments: now.segments - first.segments,
          retransmits: now.retransmits - first.retransmits,
        };
        return last;
      };
      const flow: Running = {
        startedAt: clock(),
        figures,
        end() {
          if (running.get(boot) === flow) running.delete(boot);
        },
      };
      running.set(boot, flow);
      return flow;
    },
    of: (boot) => running.get(boot)?.figures(),
    sample() {
      const now = clock();
      for (const { startedAt, figures } of running.values()) {
        if (now - startedAt >= SHORT_MS) figures();
      }
    },
  };
}
