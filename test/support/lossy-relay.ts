/**
 * A bad cable for TFTP clients that nobody here wrote: a relay on the loopback interface that loses, repeats and delays
 * datagrams in both directions. It keeps the ports of both sides apart as the wire would: each port of a client gets a
 * socket towards the server, and each port of the server that answers gets one towards that client.
 */
import dgram from 'node:dgram';

export interface Cable {
  /** Shares of all datagrams. */
  readonly loss: number;
  readonly repeat: number;
  readonly swap: number;
}

export interface LossyRelay {
  /** Where clients send their requests. */
  readonly port: number;
  readonly lost: number;
  close(): void;
}

const SWAP_MS = 3;

/** @param chance numbers from 0 to 1. */
export async function startLossyRelay(
  serverPort: number,
  cable: Cable,
  chance: () => number,
): Promise<LossyRelay> {
  const sockets = new Set<dgram.Socket>();
  let lost = 0;
  let closed = false;
  const open = async (): Promise<dgram.Socket> => {
    const socket = dgram.createSocket('udp4');
    sockets.add(socket);
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return socket;
  };
  const pass = (from: dgram.Socket, bytes: Uint8Array, port: number): void => {
    if (chance() < cable.loss) {
      lost += 1;
      return;
    }
    const send = () => void (closed || from.send(bytes, port, '127.0.0.1'));
    if (chance() < cable.swap) setTimeout(send, SWAP_MS);
    else send();
    if (chance() < cable.repeat) send();
  };

  /** One client's port: its socket towards the server, and the sockets that stand for the server's ports. */
  const carry = async (client: number) => {
    const upstream = await open();
    const faces = new Map<number, Promise<dgram.Socket>>();
    const faceOf = async (port: number) => {
      const face = await open();
      face.on('message', (bytes, source) => {
        if (source.port === client) pass(upstream, bytes, port);
      });
      return face;
    };
    upstream.on('message', async (bytes, { port }) => {
      const known =
        faces.get(port) ?? (port === serverPort ? Promise.resolve(front) : faceOf(port));
      faces.set(port, known);
      pass(await known, bytes, client);
    });
    return upstream;
  };
  const front = await open();
  const clients = new Map<number, Promise<dgram.Socket>>();
  front.on('message', async (bytes, { port }) => {
    const upstream = clients.get(port) ?? carry(port);
    clients.set(port, upstream);
    pass(await upstream, bytes, serverPort);
  });
  return {
    port: front.address().port,
    get lost() {
      return lost;
    },
    close() {
      closed = true;
      for (const socket of sockets) socket.close();
    },
  };
}
