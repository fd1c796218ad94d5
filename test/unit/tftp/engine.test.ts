import { describe, expect, it } from 'vitest';
import { limit } from '../../../src/limits.ts';
import { createWaitingRoom } from '../../../src/tftp/admission.ts';
import { encodeAck, encodeData, encodeError, OPCODE } from '../../../src/tftp/packet.ts';
import { TFTP_DROP_REASONS, type TftpDrop } from '../../../src/tftp/ports.ts';
import { createTftpWorld, endpoint, fetchFile, type TftpWorld } from '../../support/tftp-world.ts';

const file = Buffer.alloc(20_000, 'abcdefg');
const client = endpoint();
const last = (world: TftpWorld) => world.sent.at(-1)?.packet;
/** A world with every transfer taken by a client of its own that is alive. */
function full() {
  const world = createTftpWorld({ f: file });
  for (let n = 0; n < limit('tftpTransfersMax'); n++) {
    world.ask(endpoint(`10.78.${n >> 8}.${n & 255}`), 'f');
  }
  expect(world.engine.active).toBe(limit('tftpTransfersMax'));
  return world;
}
const keepAlive = (world: TftpWorld) => {
  for (let n = 0; n < limit('tftpTransfersMax'); n++) {
    world.say(endpoint(`10.78.${n >> 8}.${n & 255}`), 1, encodeAck(0));
  }
};

describe('requests', () => {
  it.each([
    ['a missing file', 'nothing', 'octet', 1, 'there is no file nothing'],
    ['a path outside', '../../etc/passwd', 'octet', 2, 'this path is not served'],
    ['netascii', 'f', 'netascii', 0, 'mode netascii is not served, use octet'],
    ['mail', 'f', 'mail', 0, 'mode mail is not served, use octet'],
  ])('for %s are refused, and told why', (_what, name, mode, code, message) => {
    const world = createTftpWorld({ f: file });
    world.ask(client, name, {}, mode);
    expect(last(world)).toEqual({ opcode: OPCODE.error, code, message });
    expect(world.events).toMatchObject([{ name: 'tftp.failed', data: { why: message } }]);
  });

  it('from port 0, to which nothing can be sent, begin nothing', () => {
    const world = createTftpWorld({ f: file });
    const nowhere = { ...client, port: 0 };
    world.ask(nowhere, 'f');
    world.say(nowhere, 1, encodeAck(1));
    expect([world.engine.active, world.sent, world.events]).toEqual([0, [], []]);
    expect(world.drops).toEqual(['no-port', 'no-port']);
  });

  it('for a file beyond 32 bits of size are sent to HTTP', () => {
    const world = createTftpWorld({});
    const huge = { length: limit('tftpFileBytesMax') + 1 } as Uint8Array;
    const other = createTftpWorld({ huge });
    other.ask(client, 'huge');
    expect(last(other)).toMatchObject({ code: 0, message: expect.stringContaining('HTTP') });
    expect(world.errors).toEqual([]);
  });

  it('repeated from the same port join the running transfer, which answers again', () => {
    const world = createTftpWorld({ f: file });
    world.ask(client, 'f', { blksize: '1000' });
    world.ask(client, 'f', { blksize: '1000' });
    expect(world.sent).toHaveLength(1);
    world.run(300);
    world.ask(client, 'f', { blksize: '1000' });
    expect(world.sent.map(({ packet }) => packet.opcode)).toEqual([OPCODE.oack, OPCODE.oack]);
    expect(world.engine.active).toBe(1);
    world.say(client, 1, encodeAck(0));
    world.ask(client, 'f', { blksize: '1000' });
    world.say(client, 1, encodeAck(1));
    world.ask(client, 'f', { blksize: '1000' });
    expect(world.engine.active).toBe(1);
    expect(world.events.map(({ name }) => name)).toEqual(['tftp.started']);
  });

  it('with other options from the same port begin anew, on the other socket', () => {
    const world = createTftpWorld({ f: file });
    world.ask(client, 'f', { tsize: '0' });
    world.ask(client, 'f', { blksize: '1000' });
    expect(world.engine.active).toBe(1);
    expect(world.sent.map(({ via }) => via)).toEqual([1, 2]);
    world.say(client, 1, encodeAck(0));
    expect(world.drops).toContain('late');
  });

  it('from a port whose transfer fell silent begin anew: the machine was reset', () => {
    const world = createTftpWorld({ f: file });
    world.ask(client, 'f');
    world.say(client, 1, encodeAck(1));
    world.ask(client, 'f');
    expect(world.events.filter(({ name }) => name === 'tftp.started')).toHaveLength(1);
    world.run(limit('tftpShedSilenceMs') + 10);
    world.ask(client, 'f');
    expect(world.events.filter(({ name }) => name === 'tftp.started')).toHaveLength(2);
  });

  it('for another file from a port that owes the last ACK alone begin at once: that ACK was lost', () => {
    const world = createTftpWorld({ f: file, g: file });
    const blocks = Math.floor(file.length / 512) + 1;
    world.ask(client, 'f');
    for (let block = 1; block < blocks - 1; block++) world.say(client, 1, encodeAck(block));
    world.ask(client, 'g');
    expect(world.drops).toEqual(['duplicate-request']);
    world.say(client, 1, encodeAck(blocks - 1));
    world.ask(client, 'f');
    expect(world.drops).toEqual(['duplicate-request', 'duplicate-request']);
    world.ask(client, 'g');
    expect(world.events.map(({ name, data }) => [name, data.file])).toEqual([
      ['tftp.started', 'f'],
      ['tftp.sent', 'f'],
      ['tftp.started', 'g'],
    ]);
    expect(last(world)).toMatchObject({ opcode: OPCODE.data, block: 1 });
    expect(world.sent.at(-1)?.via).toBe(2);
  });
});

describe('many clients', () => {
  it('all get their file, read once', () => {
    const world = createTftpWorld({ f: file });
    const clients = Array.from({ length: 200 }, (_, n) => endpoint(`10.78.0.${n + 1}`, 3000 + n));
    const fetches = clients.map((one) => fetchFile(world, one, 'f', { windowsize: '4' }));
    world.run(60_000, () => fetches.every((fetch) => fetch.outcome() !== 'running'));
    for (const fetch of fetches) expect(fetch.got().equals(file)).toBe(true);
    expect(world.reads).toEqual(['f@0']);
  });

  it('run on one of our sockets until a port comes back', () => {
    const world = createTftpWorld({ f: file });
    const { engine } = world;
    expect(engine.runsOn(1)).toBe(false);
    world.ask(client, 'f', { tsize: '0' });
    world.ask(endpoint('10.78.0.2', 4000), 'f');
    expect([engine.runsOn(1), engine.runsOn(2)]).toEqual([true, false]);
    world.say(client, 1, encodeError(8, 'the size is enough'));
    world.ask(client, 'f', { blksize: '512' });
    expect([engine.runsOn(1), engine.runsOn(2)]).toEqual([false, false]);
  });

  it('of one address: the fifth transfer ends the one that was silent longest', () => {
    const world = createTftpWorld({ f: file });
    for (let n = 0; n < limit('tftpTransfersPerAddressMax'); n++) {
      world.ask(endpoint('10.78.0.1', 3000 + n), 'f');
      world.run(10);
    }
    world.say(endpoint('10.78.0.1', 3000), 1, encodeAck(1));
    world.ask(endpoint('10.78.0.1', 3100), 'f');
    expect(world.engine.active).toBe(limit('tftpTransfersPerAddressMax'));
    const told = world.sent.find(({ packet }) => packet.opcode === OPCODE.error);
    expect(told?.to.port).toBe(3001);
    expect(world.events.at(-2)).toMatchObject({ name: 'tftp.failed' });
  });

  it('of one address that asks in a burst: no more than its share, however long the files are looked up', () => {
    const world = createTftpWorld({ f: file }, { findMs: 5 });
    for (let n = 0; n < 50; n++) world.ask(endpoint('10.78.0.1', 3000 + n), 'f');
    world.ask(client, 'f');
    world.run(20);
    expect(world.engine.active).toBe(limit('tftpTransfersPerAddressMax') + 1);
    const told = world.sent.filter(({ packet }) => packet.opcode === OPCODE.error);
    expect(told.map(({ to }) => to.port)).toEqual(Array.from({ length: 46 }, (_, n) => 3000 + n));
  });

  it('of one address that fills the queue: the others keep their transfers', () => {
    const world = full();
    for (let n = 0; n < limit('tftpQueuedMax'); n++)
      world.ask(endpoint('10.79.0.1', 3000 + n), 'f');
    for (let n = 0; n < 8; n++) world.say(endpoint(`10.78.0.${n}`), 1, encodeError(0, 'enough'));
    expect(world.errors).toEqual([]);
    expect(world.drops).not.toContain('failed');
    const others = limit('tftpTransfersMax') - 8;
    expect(world.engine.active).toBe(others + limit('tftpTransfersPerAddressMax'));
  });

  it('when all transfers are taken, a silent client yields to a new one', () => {
    const world = full();
    world.run(limit('tftpShedSilenceMs') + 10);
    world.ask(client, 'f');
    expect(world.engine.active).toBe(limit('tftpTransfersMax'));
    expect(last(world)).toMatchObject({ opcode: OPCODE.data, block: 1 });
    expect(world.events.at(-2)).toMatchObject({
      data: { why: 'its client was silent and others ask' },
    });
  });

  it('when all clients are alive, a request waits, unanswered, and is served when one has ended', () => {
    const world = full();
    const before = world.sent.length;
    world.ask(client, 'f');
    expect(world.sent).toHaveLength(before);
    expect(world.drops).toEqual(['queued']);
    world.say(endpoint('10.78.0.7'), 1, encodeError(0, 'enough'));
    expect(world.sent.at(-1)).toMatchObject({ to: client, packet: { block: 1 } });
  });

  it('a request whose turn does not come is forgotten and counted', () => {
    const world = full();
    world.ask(client, 'f');
    for (let at = 0; at < limit('tftpQueueMs') + 500; at += 500) {
      keepAlive(world);
      world.run(500);
    }
    expect(world.drops).toContain('queue-expired');
    world.say(endpoint('10.78.0.7'), 1, encodeError(0, 'enough'));
    expect(world.engine.active).toBe(limit('tftpTransfersMax') - 1);
  });

  it('wait newest first, with every fourth turn for the one that waits longest', () => {
    const room = createWaitingRoom<string>();
    for (const [key, name] of ['a', 'b', 'c', 'd', 'e', 'f'].entries()) room.enter(key, name, key);
    room.enter(1, 'b', 10);
    const order = Array.from({ length: 6 }, () => room.next());
    expect(order).toEqual(['b', 'f', 'e', 'a', 'd', 'c']);
    expect(room.next()).toBeUndefined();
  });

  it('nobody starves: with twice as many as there is room for, all get their file', () => {
    const world = createTftpWorld({ f: file.subarray(0, 3000) });
    const count = 2 * limit('tftpTransfersMax');
    const fetches = Array.from({ length: count }, (_, n) =>
      fetchFile(world, endpoint(`10.79.${n >> 8}.${n & 255}`, 1024 + n), 'f'),
    );
    // Each transfer is two events: it begins and it is over.
    world.run(60_000, () => world.events.length === 2 * count && world.engine.active === 0);
    expect(fetches.map((fetch) => fetch.outcome()).filter((word) => word !== 'whole')).toEqual([]);
  });
});

describe('every datagram that is not served is counted by its reason', () => {
  const many = (count: number, act: (n: number) => void) => {
    for (let n = 0; n < count; n++) act(n);
  };
  const cases: Record<TftpDrop, (world: TftpWorld) => void> = {
    'too-short': (world) => world.say(client, 0, Buffer.from([0])),
    'unknown-opcode': (world) => world.say(client, 0, Buffer.from([0, 9, 0, 0])),
    'too-long': (world) =>
      world.say(client, 0, Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(600, 65)])),
    unterminated: (world) => world.say(client, 0, Buffer.from('\0\x01f\0octet')),
    'no-file': (world) => world.say(client, 0, Buffer.from('\0\x01\0octet\0')),
    'odd-options': (world) => world.say(client, 1, Buffer.from('\0\x06blksize\0')),
    'no-port': (world) => world.ask({ ...client, port: 0 }, 'f'),
    'not-a-request': (world) => world.say(client, 0, encodeAck(1)),
    'not-an-answer': (world) => world.say(client, 1, encodeData(1, Buffer.from('x'))),
    'unknown-transfer': (world) => world.say(client, 1, encodeAck(1)),
    late: (world) => {
      world.ask(client, 'f');
      world.say(client, 1, encodeError(0, 'enough'));
      world.say(client, 1, encodeAck(1));
    },
    'duplicate-request': (world) => {
      world.ask(client, 'f');
      world.ask(client, 'f');
    },
    'duplicate-ack': (world) => {
      world.ask(client, 'f');
      world.say(client, 1, encodeAck(1));
      world.say(client, 1, encodeAck(1));
    },
    'stray-ack': (world) => {
      world.ask(client, 'f');
      world.say(client, 1, encodeAck(9));
    },
    queued: (world) => many(limit('tftpTransfersMax') + 1, (n) => world.ask(machine(n), 'f')),
    'queue-expired': (world) =>
      many(limit('tftpTransfersMax') + limit('tftpQueuedMax') + 1, (n) =>
        world.ask(machine(n), 'f'),
      ),
    'optional-file': (world) => world.ask(client, 'grub/x86_64-efi/fs.lst'),
    'refusals-untold': (world) =>
      many(limit('tftpRefusalEventsBurstMax') + 1, (n) => world.ask(machine(n), 'nothing')),
    'refusals-limited': (world) =>
      many(limit('tftpRefusalsPerSecond') + 1, (n) => world.ask(machine(n), 'nothing')),
    'begun-too-often': (world) =>
      many(limit('tftpBegunPerAddressPerSecond') + 1, (n) =>
        world.ask(endpoint('10.77.0.100', 2000 + n), 'f'),
      ),
    failed: (world) => {
      world.ask(client, 'broken');
    },
  };
  const machine = (n: number) => endpoint(`10.80.${n >> 8}.${n & 255}`);

  it.each(TFTP_DROP_REASONS)('%s', (reason) => {
    const files = { f: file } as Record<string, Uint8Array>;
    Object.defineProperty(files, 'broken', {
      get() {
        throw new Error('the store fails');
      },
    });
    const world = createTftpWorld(files);
    cases[reason](world);
    expect(world.drops).toContain(reason);
    expect(world.errors).toHaveLength(reason === 'failed' ? 1 : 0);
  });

  it('beginning over and over is one address’s own trouble, for a second', () => {
    const world = createTftpWorld({ f: file });
    const loop = () => {
      for (let n = 0; n < 1000; n++) world.ask(endpoint('10.77.0.100', 2000 + n), 'f');
    };
    loop();
    const started = () => world.events.filter(({ name }) => name === 'tftp.started').length;
    expect(started()).toBe(limit('tftpBegunPerAddressPerSecond'));
    world.ask(endpoint('10.77.0.101'), 'f');
    expect(started()).toBe(limit('tftpBegunPerAddressPerSecond') + 1);
    world.run(1000);
    loop();
    expect(started()).toBe(2 * limit('tftpBegunPerAddressPerSecond') + 1);
  });

  it('a hall whose boot file is missing is told of, each machine; made-up senders fill no record', () => {
    const world = createTftpWorld({});
    const burst = limit('tftpRefusalEventsBurstMax');
    const ask = (count: number) => many(count, (n) => world.ask(machine(n), 'undionly.kpxe'));
    ask(3 * burst);
    expect(world.sent).toHaveLength(3 * burst);
    expect(world.events).toHaveLength(burst);
    world.run(10_000);
    ask(3 * burst);
    const more = 10 * limit('tftpRefusalEventsPerSecond');
    expect(world.events).toHaveLength(burst + more);
    expect(world.drops.filter((one) => one === 'refusals-untold')).toHaveLength(5 * burst - more);
  });

  it('a stranger’s ACK is answered with ERROR 5, and hurts nobody', () => {
    const world = createTftpWorld({ f: file });
    world.ask(client, 'f');
    world.say(endpoint('10.66.6.6'), 1, encodeAck(1));
    expect(last(world)).toMatchObject({ opcode: OPCODE.error, code: 5 });
    world.say(endpoint('10.66.6.6'), 1, encodeError(5, 'no, you'));
    expect(world.sent).toHaveLength(2);
    world.say(client, 1, encodeAck(1));
    expect(last(world)).toMatchObject({ opcode: OPCODE.data, block: 2 });
  });
});

describe('files', () => {
  it('are read while the client makes up its answer to the options', () => {
    const world = createTftpWorld({ f: file });
    world.ask(client, 'f', { tsize: '0' });
    expect(last(world)).toMatchObject({ opcode: OPCODE.oack });
    expect(world.reads).toEqual(['f@0']);
  });

  it('that cannot be read any more end the transfer with an ERROR that says so', () => {
    const world = createTftpWorld({ f: file }, { read: (_file, _at, done) => done(undefined) });
    world.ask(client, 'f');
    expect(last(world)).toMatchObject({ opcode: OPCODE.error, code: 0 });
    expect(world.events.at(-1)).toMatchObject({
      data: { why: 'the file was changed or cannot be read' },
    });
  });

  it('on a slow disk delay those who wait for them, and nobody else', () => {
    const waiting: (() => void)[] = [];
    const world = createTftpWorld(
      { slow: file, f: file },
      {
        read: (version, { offset, length }, done) => {
          const answer = () => done(file.subarray(offset, offset + length));
          if (version.key === 'slow') waiting.push(answer);
          else answer();
        },
      },
    );
    world.ask(client, 'slow');
    const other = fetchFile(world, endpoint('10.78.0.2', 4000), 'f');
    world.run(5000, () => other.outcome() !== 'running');
    expect(other.outcome()).toBe('whole');
    for (const answer of waiting) answer();
    expect(last(world)).toMatchObject({ opcode: OPCODE.data, block: 1 });
  });

  it('that never come end the transfer', () => {
    const world = createTftpWorld({ f: file }, { read: () => {} });
    world.ask(client, 'f');
    world.run(limit('tftpSilenceMs') + 100);
    expect(world.events.at(-1)).toMatchObject({
      data: { why: 'the file could not be read in time' },
    });
  });
});

describe('stopping', () => {
  it('tells every client, and serves nobody after', () => {
    const world = createTftpWorld({ f: file });
    world.ask(client, 'f');
    world.engine.close();
    expect(last(world)).toMatchObject({ opcode: OPCODE.error, message: 'the server is stopping' });
    const count = world.sent.length;
    world.ask(endpoint('10.78.0.3'), 'f');
    world.say(client, 1, encodeAck(1));
    expect(world.sent).toHaveLength(count);
  });
});
