import dgram from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openLog } from '../../../src/platform/log.ts';
import { openUdp } from '../../../src/platform/udp.ts';

const log = openLog({ level: 'error' });

async function peer() {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** Resolves when `count` datagrams have come. */
function collect(count: number) {
  const seen: string[] = [];
  let done = () => {};
  const all = new Promise<string[]>((resolve) => {
    done = () => resolve(seen);
  });
  return {
    all,
    add(bytes: Uint8Array) {
      seen.push(Buffer.from(bytes).toString());
      if (seen.length === count) done();
    },
  };
}

describe('a UDP socket on one interface', () => {
  it('hands over every datagram of a burst with its source, in order, more than one arena full', async () => {
    const socket = await openUdp({ iface: 'lo', port: 0, log, runs: true });
    const client = await peer();
    const { all, add } = collect(300);
    const sources = new Set<string>();
    socket.onMessage((bytes, { address, port }) => {
      sources.add(`${address}:${port}`);
      add(bytes);
    });
    for (let index = 0; index < 300; index++) {
      client.send(`datagram ${index}`, socket.port, '127.0.0.1');
    }
    expect(await all).toEqual(Array.from({ length: 300 }, (_, index) => `datagram ${index}`));
    expect([...sources]).toEqual([`127.0.0.1:${client.address().port}`]);
    client.close();
    await socket.close();
  });

  it('sends many, each to its own destination, and counts one that the kernel refuses', async () => {
    let unsent = 0;
    const onUnsent = () => {
      unsent += 1;
    };
    const socket = await openUdp({ iface: 'lo', port: 0, log, runs: true, onUnsent });
    const [one, two] = [await peer(), await peer()];
    const [first, second] = [collect(150), collect(150)];
    one.on('message', first.add);
    two.on('message', second.add);
    const datagrams = Array.from({ length: 300 }, (_, index) => ({
      bytes: Buffer.from(`${index}`),
      port: (index % 2 === 0 ? one : two).address().port,
      address: '127.0.0.1',
    }));
    // Port 0 is nobody's: the kernel answers EINVAL.
    datagrams.splice(140, 0, { bytes: Buffer.from('lost'), port: 0, address: '127.0.0.1' });
    socket.sendMany(datagrams);
    const even = Array.from({ length: 150 }, (_, index) => 2 * index);
    expect(await first.all).toEqual(even.map(String));
    expect(await second.all).toEqual(even.map((number) => String(number + 1)));
    expect(unsent).toBe(1);
    one.close();
    two.close();
    await socket.close();
  });

  it('counts as not sent what is for port 0, one by one or many', async () => {
    let unsent = 0;
    const onUnsent = () => {
      unsent += 1;
    };
    const socket = await openUdp({ iface: 'lo', port: 0, log, runs: true, onUnsent });
    const datagram = { bytes: Buffer.from('to nobody'), port: 0, address: '127.0.0.1' };
    socket.send(datagram.bytes, datagram.port, datagram.address);
    socket.sendMany([datagram]);
    expect(unsent).toBe(2);
    await socket.close();
  });

  it('sends runs to one place as they are: every datagram whole, in order, whatever its length', async () => {
    let unsent = 0;
    const onUnsent = () => {
      unsent += 1;
    };
    const socket = await openUdp({ iface: 'lo', port: 0, log, runs: true, onUnsent });
    const [one, two] = [await peer(), await peer()];
    // Runs of 300 bytes as DHCP has them, cut by longer ones, by another place, and by what no run can hold.
    const lengths = Array.from({ length: 150 }, (_, index) =>
      index % 70 === 69 ? 1472 : index % 31 === 30 ? 0 : 300,
    );
    const text = (index: number) =>
      `${index}`.padEnd(lengths[index] ?? 0, '.').slice(0, lengths[index]);
    const placeOf = (index: number) => (index % 30 > 19 ? two : one);
    const wanted = (peer: typeof one) =>
      lengths.flatMap((_, index) => (placeOf(index) === peer ? [text(index)] : []));
    const [first, second] = [collect(wanted(one).length), collect(wanted(two).length)];
    one.on('message', first.add);
    two.on('message', second.add);
    const datagrams = lengths.map((_, index) => ({
      bytes: Buffer.from(text(index)),
      port: placeOf(index).address().port,
      address: '127.0.0.1',
    }));
    // A run that goes nowhere takes no other with it, and is counted by datagrams.
    const lost = { bytes: Buffer.alloc(300), port: 0, address: '127.0.0.1' };
    datagrams.splice(100, 0, lost, lost, lost);
    socket.sendMany(datagrams);
    expect(await first.all).toEqual(wanted(one));
    expect(await second.all).toEqual(wanted(two));
    expect(unsent).toBe(3);
    one.close();
    two.close();
    await socket.close();
  });

  it('takes a stream in turns: every datagram once, in order, and a lone one after it as ever', async () => {
    const socket = await openUdp({ iface: 'lo', port: 0, log, runs: true });
    const client = await peer();
    const { all, add } = collect(2000);
    let last = () => {};
    const lone = new Promise<void>((resolve) => {
      last = resolve;
    });
    socket.onMessage((bytes) => (Buffer.from(bytes).toString() === 'lone' ? last() : add(bytes)));
    // One at a time, each in a turn of the loop of its own: what wakes a reader that is woken by each.
    for (let index = 0; index < 2000; index++) {
      await new Promise((resolve) => client.send(`${index}`, socket.port, '127.0.0.1', resolve));
    }
    expect(await all).toEqual(Array.from({ length: 2000 }, (_, index) => `${index}`));
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.send('lone', socket.port, '127.0.0.1');
    await lone;
    client.close();
    await socket.close();
  });

  it('hands over what is empty, too: whoever reads it counts it', async () => {
    const socket = await openUdp({ iface: 'lo', port: 0, log, runs: true });
    const client = await peer();
    const heard = new Promise<number>((resolve) =>
      socket.onMessage(({ length }) => resolve(length)),
    );
    client.send('', socket.port, '127.0.0.1');
    expect(await heard).toBe(0);
    client.close();
    await socket.close();
  });

  it('does nothing after it was closed', async () => {
    const socket = await openUdp({ iface: 'lo', port: 0, log, runs: true });
    await socket.close();
    expect(() =>
      socket.sendMany([{ bytes: Buffer.from('late'), port: 9, address: '127.0.0.1' }]),
    ).not.toThrow();
  });

  it('leaves no socket behind where the kernel refuses the port', async () => {
    const squat = dgram.createSocket('udp4');
    squat.bind(0, '0.0.0.0');
    await once(squat, 'listening');
    // A handle is gone in the turn of the event loop after the one that closed it.
    const held = async () => {
      for (let turn = 0; turn < 2; turn++) await new Promise((next) => setImmediate(next));
      const sockets = process.getActiveResourcesInfo().filter((one) => one === 'UDPWrap');
      return [sockets.length, readdirSync('/proc/self/fd').length];
    };
    const before = await held();
    for (let turn = 0; turn < 5; turn++) {
      const { port } = squat.address();
      await expect(openUdp({ iface: 'lo', port, log, runs: true })).rejects.toMatchObject({
        code: 'LISTEN_FAILED',
      });
    }
    expect(await held()).toEqual(before);
    squat.close();
  });

  it('names the interfaces that there are when one is missing', async () => {
    await expect(openUdp({ iface: 'nowhere0', port: 0, log, runs: true })).rejects.toThrow(
      /there are: .*lo/,
    );
  });
});
