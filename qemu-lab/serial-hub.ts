/**
 * The serial port of a machine that is started again and again. QEMU dials in at each start, before the firmware has printed
 * a byte; whoever wants to see the console or type on it is here all the time: the BMC's Serial over LAN, and terminals at
 * the console socket. What is printed while nobody listens is lost, as on the wire.
 */
import { createServer, type Server, type Socket } from 'node:net';

export interface SerialHub {
  write(bytes: Uint8Array): void;
  onData(handler: (bytes: Uint8Array) => void): void;
  close(): void;
}

export async function openSerialHub(paths: {
  /** Where QEMU dials in. */
  readonly machine: string;
  /** Where terminals do. */
  readonly console: string;
}): Promise<SerialHub> {
  const handlers: ((bytes: Uint8Array) => void)[] = [];
  const terminals = new Set<Socket>();
  let port: Socket | undefined;
  const machine = createServer((socket) => {
    port?.destroy();
    port = socket;
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes) => {
      for (const handler of handlers) handler(bytes);
      for (const terminal of terminals) terminal.write(bytes);
    });
    socket.once('close', () => {
      if (port === socket) port = undefined;
    });
  });
  const console = createServer((socket) => {
    terminals.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (keys) => port?.write(keys));
    socket.once('close', () => terminals.delete(socket));
  });
  await Promise.all([listening(machine, paths.machine), listening(console, paths.console)]);
  return {
    write: (bytes) => void port?.write(bytes),
    onData: (handler) => void handlers.push(handler),
    close() {
      port?.destroy();
      for (const terminal of terminals) terminal.destroy();
      machine.close();
      console.close();
    },
  };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(path, done);
  });
}
