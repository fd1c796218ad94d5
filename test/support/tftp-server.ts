/** Our TFTP server on a free port of the loopback interface. */
import pino from 'pino';
import { connectUdp, openUdp } from '../../src/platform/udp.ts';
import { serveTftp, type TftpDrop, type TftpEvent } from '../../src/tftp/server.ts';
import type { Millis } from '../../src/wire/time.ts';

export async function startTftpServer(files: Record<string, Uint8Array>) {
  const socket = await openUdp({ iface: 'lo', port: 0, log: pino({ level: 'silent' }) });
  const events: TftpEvent[] = [];
  const drops: TftpDrop[] = [];
  const errors: unknown[] = [];
  const server = serveTftp({
    socket,
    address: '127.0.0.1',
    clock: () => Date.now() as Millis,
    connect: connectUdp,
    fileFor: (name) => files[name],
    onEvent: (event) => void events.push(event),
    onDrop: (reason) => void drops.push(reason),
    onError: (error) => void errors.push(error),
  });
  return {
    port: socket.port,
    ...{ events, drops, errors },
    async close() {
      server.close();
      await socket.close();
    },
  };
}
export type TestServer = Awaited<ReturnType<typeof startTftpServer>>;
