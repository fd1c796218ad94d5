/** A network between central and its database that goes dead: connections stay, new ones are taken, and nothing passes any more. */
import { connect, createServer, type Socket } from 'node:net';

export interface PostgresRelay {
  readonly url: string;
  /** From now on nothing passes, in either direction. */
  stop(): void;
  /** It is there again, and what was on the way is lost with its connections, as behind a router that has forgotten them. */
  goOn(): void;
  close(): Promise<void>;
}

/** @param folder of the database's socket */
export async function postgresRelay(folder: string): Promise<PostgresRelay> {
  const sockets = new Set<Socket>();
  let isStopped = false;
  const follow = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    if (isStopped) socket.pause();
  };
  const server = createServer((near) => {
    follow(near);
    if (isStopped) return;
    const far = connect(`${folder}/.s.PGSQL.5432`);
    follow(far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (bytes) => isStopped || to.write(bytes));
      // An end does not pass either: the server is not told that a client has gone.
      from.on('close', () => isStopped || to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    stop() {
      isStopped = true;
    },
    goOn() {
      for (const socket of sockets) socket.destroy();
      isStopped = false;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
