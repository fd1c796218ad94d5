/** Interfaces that come and go under a daemon that runs. */
import { describe, expect, it } from 'vitest';
import { createSeat } from '../../../src/daemon/dhcp-seat.ts';
import { ifacesOf } from '../../../src/daemon/http.ts';
import { followInterfaces, onceOurs } from '../../../src/daemon/interfaces.ts';
import type { DhcpDatagram } from '../../../src/dhcp/server.ts';
import { absence, isUp } from '../../../src/platform/interfaces.ts';
import { loadLibc } from '../../../src/platform/libc.ts';
import { openLog } from '../../../src/platform/log.ts';
import { openTftpSockets } from '../../../src/platform/tftp-sockets.ts';
import { ipv4 } from '../../support/world.ts';

const NEVER_MS = 1_000_000;

/** @param there their numbers; a negative one is down, a fraction has no address. `refuse` throws where an interface is opened, `blind` where one is looked at */
async function follow(
  there: Record<string, number | undefined>,
  refuse: () => boolean = () => false,
  blind: (iface: string) => boolean = () => false,
) {
  const said: string[] = [];
  const ifaces = Object.keys(there).map((iface): [string, string[]] => [iface, []]);
  const following = await followInterfaces(new Map(ifaces), {
    look: (iface) => {
      if (blind(iface)) throw new Error('EMFILE');
      const number = there[iface];
      if (number === undefined) return undefined;
      const isUp = number > 0 && Number.isInteger(number);
      return { number: Math.floor(Math.abs(number)), isUp, hears: number > 0 };
    },
    everyMs: NEVER_MS,
    open: async (iface) => {
      if (refuse()) throw new Error(`${iface} cannot be opened`);
      said.push(`open ${iface} as ${there[iface]}`);
      return async () => said.push(`close ${iface}`);
    },
    onServed: (iface) => said.push(`served ${iface}`),
    onLost: (iface, why) => said.push(`lost ${iface}: ${why.split(';')[0]}`),
    onError: (error) => said.push((error as Error).message),
  });
  return { following, flush: () => said.splice(0) };
}

describe('following interfaces', () => {
  it('serves those that are there, and the others when they come', async () => {
    const there: Record<string, number | undefined> = { eth0: 2, 'eth0.100': undefined };
    const { following, flush } = await follow(there);
    expect(flush()).toEqual(['open eth0 as 2', "lost eth0.100: 'eth0.100' is not there"]);
    await following.look();
    expect(flush()).toEqual([]);
    there['eth0.100'] = 7;
    await following.look();
    expect(flush()).toEqual(['open eth0.100 as 7', 'served eth0.100']);
    await following.close();
    expect(flush()).toEqual(['close eth0', 'close eth0.100']);
    await following.look();
    expect(flush()).toEqual([]);
  });

  it('closes what is open on one that goes, and opens it on the one that comes, once', async () => {
    const there: Record<string, number | undefined> = { 'eth0.100': 7 };
    const { following, flush } = await follow(there);
    flush();
    there['eth0.100'] = undefined;
    await following.look();
    await following.look();
    expect(flush()).toEqual(['close eth0.100', "lost eth0.100: 'eth0.100' is not there"]);
    there['eth0.100'] = 9;
    await following.look();
    await following.look();
    expect(flush()).toEqual(['open eth0.100 as 9', 'served eth0.100']);
    await following.close();
  });

  it('notices one that was made anew between two looks: by its number', async () => {
    const there: Record<string, number | undefined> = { 'eth0.100': 7 };
    const { following, flush } = await follow(there);
    flush();
    there['eth0.100'] = 8;
    await following.look();
    expect(flush()).toEqual([
      'close eth0.100',
      'lost eth0.100: another interface has its name now',
      'open eth0.100 as 8',
      'served eth0.100',
    ]);
    await following.close();
  });

  it('keeps what is open on one that is down, and says so', async () => {
    const there: Record<string, number | undefined> = { 'eth0.100': 7, 'eth0.200': -8 };
    const { following, flush } = await follow(there);
    expect(flush()).toEqual(['open eth0.100 as 7', "lost eth0.200: 'eth0.200' is not there"]);
    there['eth0.100'] = -7;
    await following.look();
    await following.look();
    expect(flush()).toEqual(["lost eth0.100: 'eth0.100' is not there"]);
    there['eth0.100'] = 7;
    there['eth0.200'] = 8;
    await following.look();
    await following.look();
    expect(flush()).toEqual(['served eth0.100', 'open eth0.200 as 8', 'served eth0.200']);
    there['eth0.200'] = -9;
    await following.look();
    expect(flush()[0]).toBe('close eth0.200');
    await following.close();
  });

  it('closes what is open on one that loses its address, until it has it again', async () => {
    const there: Record<string, number | undefined> = { 'eth0.100': 7 };
    const { following, flush } = await follow(there);
    flush();
    there['eth0.100'] = 7.5;
    await following.look();
    await following.look();
    expect(flush().map((line) => line.split(':')[0])).toEqual(['close eth0.100', 'lost eth0.100']);
    // It goes down meanwhile, which is another reason.
    there['eth0.100'] = -7;
    await following.look();
    expect(flush().map((line) => line.split(':')[0])).toEqual(['lost eth0.100']);
    there['eth0.100'] = 7;
    await following.look();
    await following.look();
    expect(flush()).toEqual(['open eth0.100 as 7', 'served eth0.100']);
    await following.close();
  });

  it('says once why one that is there cannot be served, and tries on', async () => {
    const there: Record<string, number | undefined> = { eth0: 2, eth1: undefined };
    let refuses = false;
    const { following, flush } = await follow(there, () => refuses);
    flush();
    there.eth1 = 3;
    refuses = true;
    await following.look();
    await following.look();
    expect(flush()).toEqual(['lost eth1: eth1 cannot be opened']);
    refuses = false;
    await following.look();
    expect(flush()).toEqual(['open eth1 as 3', 'served eth1']);
    await following.close();
  });

  it('tells why again when that is another reason, and not when only the words are', async () => {
    const there: Record<string, number | undefined> = { eth0: 2, eth1: 3, eth2: 4 };
    let refusals = 0;
    const { following, flush } = await follow(there, () => {
      if (refusals > 0) throw new Error(`refusal ${refusals++}`);
      return false;
    });
    flush();
    there.eth1 = -3;
    await following.look();
    there.eth1 = undefined;
    await following.look();
    expect(flush().map((line) => line.split(':')[0])).toEqual([
      'lost eth1',
      'close eth1',
      'lost eth1',
    ]);
    there.eth1 = 5;
    refusals = 1;
    await following.look();
    await following.look();
    expect(refusals).toBe(3);
    expect(flush()).toEqual(['lost eth1: refusal 1']);
    await following.close();
  });

  it('looks on after a look that failed, at the others meanwhile, and tells once', async () => {
    const there: Record<string, number | undefined> = { eth0: 2, eth1: undefined, eth2: undefined };
    let blind = false;
    const { following, flush } = await follow(
      there,
      () => false,
      (iface) => blind && iface !== 'eth2',
    );
    flush();
    blind = true;
    Object.assign(there, { eth1: 3, eth2: 4 });
    await following.look();
    await following.look();
    expect(flush()).toEqual(['EMFILE', 'open eth2 as 4', 'served eth2']);
    blind = false;
    await following.look();
    expect(flush()).toEqual(['open eth1 as 3', 'served eth1']);
    blind = true;
    await following.look();
    expect(flush()).toEqual(['EMFILE']);
    await following.close();
  });

  it('one without the address of its segment is down, and says which', async () => {
    const said: string[] = [];
    const use = {
      everyMs: NEVER_MS,
      open: async (iface: string) => {
        said.push(`open ${iface}`);
        return async () => undefined;
      },
      onServed: () => undefined,
      onLost: (_: string, why: string) => said.push(why),
      onError: () => undefined,
    };
    const lo = (address: string) => new Map([['lo', [address]]]);
    await (await followInterfaces(lo('127.0.0.1'), use)).close();
    expect(said).toEqual(['open lo']);
    await expect(followInterfaces(lo('10.83.0.1'), use)).rejects.toMatchObject({
      code: 'INTERFACE_MISSING',
      detail: "'lo' is there, and lacks 10.83.0.1",
    });
    expect(isUp('lo')).toBe(true);
    expect(isUp('lo', ['127.0.0.1', '10.83.0.1'])).toBe(false);
  });

  it('refuses to start without any, and when one that is there cannot be served', async () => {
    await expect(follow({ 'eth0.100': undefined, 'eth0.200': undefined })).rejects.toMatchObject({
      code: 'INTERFACE_MISSING',
    });
    await expect(follow({ eth0: 2 }, () => true)).rejects.toThrow('eth0 cannot be opened');
  });
});

it('a seat keeps its handler from socket to socket, and loses what is sent without one', () => {
  let unsent = 0;
  const seat = createSeat({ iface: 'eth0.100' }, (count) => {
    unsent += count;
  });
  const heard: string[] = [];
  const socket = (name: string) => {
    let hear: Parameters<typeof seat.onMessage>[0] = () => undefined;
    return {
      reachesByLink: name === 'second',
      onMessage: (handler: typeof hear) => {
        hear = handler;
      },
      sendMany: (datagrams: readonly DhcpDatagram[]) =>
        heard.push(`${name} sends ${datagrams.length}`),
      hear: (text: string) => hear(Buffer.from(text), { address: '0.0.0.0', port: 68 }),
    };
  };
  const datagram = { bytes: new Uint8Array(1), port: 68, address: '10.81.0.100' };
  const [first, second] = [socket('first'), socket('second')];
  seat.take(first);
  seat.onMessage((bytes) => heard.push(`hears ${Buffer.from(bytes)}`));
  first.hear('a');
  seat.sendMany([datagram]);
  expect(seat.reachesByLink).toBe(false);
  seat.leave();
  seat.sendMany([datagram, datagram]);
  expect(unsent).toBe(2);
  seat.take(second);
  second.hear('b');
  seat.sendMany([datagram]);
  expect(seat.reachesByLink).toBe(true);
  expect(heard).toEqual(['hears a', 'first sends 1', 'hears b', 'second sends 1']);
});

describe('what is bound to an address', () => {
  const log = openLog({ level: 'silent' });
  const of = { address: '127.0.0.1', what: 'HTTP', log };

  it('is opened at once where no interface is to have it, or it is ours: a mistake is told', async () => {
    for (const ifaces of [[], ['lo'], ['lo', 'eth9.100']]) {
      const closers: (() => unknown)[] = [];
      const refuse = () => Promise.reject(new Error('EADDRNOTAVAIL'));
      await expect(onceOurs({ ...of, ifaces, closers }, refuse)).rejects.toThrow('EADDRNOTAVAIL');
      expect(closers).toEqual([]);
    }
  });

  it('waits for the address otherwise, on an interface that is up too, and not for ever', async () => {
    const closers: (() => void)[] = [];
    const steps: string[] = [];
    let isThere = false;
    const ours = () => {
      steps.push('look');
      if (steps.length === 2) throw new Error('EMFILE');
      return isThere;
    };
    let done = () => {};
    const opened = new Promise<void>((resolve) => {
      done = resolve;
    });
    const waits = { ...of, ifaces: ['lo'], closers, ours, everyMs: 1 };
    await onceOurs(waits, async () => {
      steps.push('open');
      if (steps.filter((step) => step === 'open').length < 3) throw new Error('EADDRINUSE');
      done();
    });
    expect(steps).toEqual(['look']);
    isThere = true;
    await opened;
    // Neither a look that failed nor an opening that did ends the waiting; success does.
    expect(steps).toEqual(['look', 'look', ...Array(3).fill(['look', 'open']).flat()]);
    await onceOurs({ ...of, address: '192.0.2.1', ifaces: ['lo'], closers }, async () => {
      steps.push('never');
    });
    expect(closers).toHaveLength(2);
    for (const close of closers) close();
    expect(steps).not.toContain('never');
  });

  it('TFTP may be bound before the address is there', () => {
    const libc = loadLibc();
    if (!libc) throw new Error('koffi is needed');
    const fds = openTftpSockets(libc, { address: '192.0.2.1', port: 0 });
    expect(fds).toHaveLength(3);
    for (const fd of fds) libc.close(fd);
  });

  it('belongs to the interfaces of its segments, and to none behind relays', () => {
    const segments = [
      { iface: 'eth0', serverAddress: ipv4('10.80.0.1') },
      { iface: 'eth0.100', serverAddress: ipv4('10.81.0.1') },
      { iface: undefined, serverAddress: ipv4('10.80.0.1') },
    ];
    expect(ifacesOf(segments, '10.81.0.1')).toEqual(['eth0.100']);
    expect(ifacesOf(segments, '10.80.0.1')).toEqual(['eth0']);
    expect(ifacesOf(segments, '10.99.0.1')).toEqual([]);
  });
});

it('a VLAN that is missing is named with the words that make it', () => {
  expect(absence('eth0.100')).toMatch(
    /^'eth0\.100' is not there; there are: .*lo.*\. For VLAN 100 of eth0: ip link add link eth0 name eth0\.100 type vlan id 100; ip link set eth0\.100 up; and its address\./,
  );
  expect(absence('nowhere0')).toMatch(/Name the provisioning interface in dhcp\.segments\.iface/);
});
