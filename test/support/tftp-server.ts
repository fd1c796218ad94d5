/** Our TFTP service on a free port of the loopback interface, serving a folder of the given files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pino from 'pino';
import {
  openTftpService,
  type TftpClient,
  type TftpServiceOptions,
} from '../../src/daemon/tftp-service.ts';
import type { TftpDrop, TftpEvent } from '../../src/tftp/ports.ts';
import { temporaryFolder } from './temporary-folder.ts';

export async function startTftpServer(
  files: Record<string, Uint8Array>,
  io: 'auto' | 'dgram' = 'auto',
  options: Pick<TftpServiceOptions, 'thread' | 'silenceMs' | 'blksizeMaxOf' | 'made'> & {
    standIns?: ReadonlyMap<string, string>;
  } = {},
) {
  const root = temporaryFolder('tftp');
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(root, name), bytes);
  const events: (TftpEvent & { client: TftpClient })[] = [];
  const drops = new Map<TftpDrop, number>();
  const errors: unknown[] = [];
  let lost = 0;
  let unsent = 0;
  const watchers = new Set<() => void>();
  const changed = () => {
    for (const watch of [...watchers]) watch();
  };
  const log = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) });
  const service = await openTftpService({
    networks: [{ address: '127.0.0.1', port: 0 }],
    ...{ log, io, folder: { root, standIns: options.standIns ?? new Map() } },
    ...options,
    onUnsent(count) {
      unsent += count;
      changed();
    },
    onThreadLost() {
      lost += 1;
      changed();
    },
    onEvent(event, client) {
      events.push({ ...event, client });
      changed();
    },
    onDrop(reason, count) {
      drops.set(reason, (drops.get(reason) ?? 0) + count);
      changed();
    },
  });
  return {
    port: service.ports[0] ?? 0,
    ...{ root, events, drops, errors, io: service.io },
    alive: service.alive,
    setBlksizeCaps: service.setBlksizeCaps,
    /** Threads that ended without being asked to. */
    lost: () => lost,
    /** Answers that the kernel refused. */
    unsent: () => unsent,
    /** Resolves as soon as what was observed satisfies `holds`. */
    until: (holds: () => boolean) =>
      new Promise<void>((resolve) => {
        const watch = () => {
          if (!holds()) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        watch();
      }),
    async close() {
      await service.close();
    },
  };
}
export type TestServer = Awaited<ReturnType<typeof startTftpServer>>;
