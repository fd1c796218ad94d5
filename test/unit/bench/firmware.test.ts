import { createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  bootFileOf,
  dhcpBytes,
  type Loader,
  saysNoProxy,
} from '../../../bench/support/firmware-dhcp.ts';
import { openHttp } from '../../../bench/support/firmware-http.ts';
import { beginTransfer, type Step, takeDatagram } from '../../../bench/support/firmware-tftp.ts';
import { openChannels } from '../../../bench/support/firmware-udp.ts';
import { classify } from '../../../src/dhcp/client-class.ts';
import { OPTION } from '../../../src/dhcp/options.ts';
import { decodePacket } from '../../../src/dhcp/packet.ts';
import { ipv4 } from '../../support/world.ts';

const MAC = Uint8Array.of(0x52, 0x54, 1, 0, 0, 9);

function decoded(bytes: Uint8Array) {
  const packet = decodePacket(bytes);
  if (!packet.ok) throw new Error(packet.code);
  return packet.value;
}

describe("a simulated machine's DHCP", () => {
  it.each<[Loader, string]>([
    ['bios', 'firmware'],
    ['uefi', 'firmware'],
    ['ipxe-bios', 'ipxe'],
    ['ipxe-uefi', 'ipxe'],
  ])('%s is taken for %s', (loader, stage) => {
    const packet = decoded(dhcpBytes({ loader, mac: MAC, xid: 7 }));
    expect(classify(packet)).toMatchObject({ stage, arch: loader.endsWith('uefi') ? 7 : 0 });
    expect(packet.xid).toBe(7);
  });
  it('takes an offer by address and server', () => {
    const offer = { address: ipv4('10.99.16.5'), serverId: Uint8Array.of(10, 99, 0, 1) };
    const { options } = decoded(dhcpBytes({ loader: 'uefi', mac: MAC, xid: 7, offer }));
    expect(options.get(OPTION.requestedAddress)).toEqual(Uint8Array.of(10, 99, 16, 5));
    expect(options.get(OPTION.serverId)).toEqual(offer.serverId);
  });
  it('reads the file and the ProxyDHCP hint of a reply', () => {
    const packet = decoded(dhcpBytes({ loader: 'bios', mac: MAC, xid: 7 }));
    const withOptions = (...options: [number, Uint8Array][]) => ({
      ...{ ...packet, file: 'fixed' },
      options: new Map(options),
    });
    expect(bootFileOf(withOptions())).toBe('fixed');
    expect(bootFileOf(withOptions([67, Buffer.from('named\0')]))).toBe('named');
    expect(saysNoProxy(withOptions([175, Uint8Array.of(1, 1, 9, 0xb0, 1, 1)]))).toBe(true);
    expect(saysNoProxy(withOptions([175, Uint8Array.of(0xb0, 1, 0)]))).toBe(false);
    expect(saysNoProxy(withOptions())).toBe(false);
  });
});

describe("a simulated machine's TFTP", () => {
  const oack = (...words: string[]) => Buffer.from(`\0\x06${words.map((w) => `${w}\0`).join('')}`);
  const data = (block: number, size: number) =>
    Buffer.concat([Buffer.from([0, 3, block >> 8, block & 255]), Buffer.alloc(size)]);
  const acked = (step: Step) =>
    step.kind === 'send' || step.kind === 'done' ? step.bytes[3] : step.kind;

  it('asks for the size, then aborts with error 8', () => {
    const transfer = beginTransfer('a.efi', { uefi: true, probe: true });
    expect(Buffer.from(transfer.last).toString('latin1')).toContain('a.efi\0octet\0tsize\x000\0');
    const step = takeDatagram(transfer, oack('tsize', '4000', 'blksize', '1468'), 5000);
    expect(step).toMatchObject({ kind: 'done', size: 4000 });
    expect(acked(step)).toBe(8);
  });
  it('acknowledges each window, and asks again from a gap', () => {
    const transfer = beginTransfer('a.efi', { uefi: true, probe: false });
    const take = (bytes: Buffer, port = 5000) => acked(takeDatagram(transfer, bytes, port));
    expect(take(oack('blksize', '1468', 'windowsize', '4'))).toBe(0);
    expect([1, 2, 3, 4].map((block) => take(data(block, 1468)))).toEqual([
      'heard',
      'heard',
      'heard',
      4,
    ]);
    expect(take(data(5, 1468), 6000)).toBe('ignored');
    expect([5, 7].map((block) => take(data(block, 1468)))).toEqual(['heard', 5]);
    expect(take(data(8, 1468))).toBe('ignored');
    expect(takeDatagram(transfer, data(6, 100), 5000)).toMatchObject({
      kind: 'done',
      size: 5 * 1468 + 100,
    });
  });
  it('goes on where the server grants no options, acknowledging a repeated block again', () => {
    const transfer = beginTransfer('a.kpxe', { uefi: false, probe: false });
    const take = (bytes: Buffer) => acked(takeDatagram(transfer, bytes, 5000));
    expect([take(data(1, 512)), take(data(1, 512)), take(data(2, 0))]).toEqual([1, 1, 2]);
    expect(transfer.received).toBe(512);
  });
  it('ends with the error that the server sends', () => {
    const transfer = beginTransfer('a.kpxe', { uefi: false, probe: false });
    expect(takeDatagram(transfer, Buffer.from('\0\x05\0\x01no\0'), 5000)).toEqual({
      ...{ kind: 'failed', why: 'error 1' },
    });
  });
});

describe('sockets that many addresses share', () => {
  it('tell the address that a datagram came to, and send from the one that is asked for', async () => {
    const arrived: { address: number; text: string }[] = [];
    let both = () => {};
    const done = new Promise<void>((resolve) => {
      both = resolve;
    });
    const [left, right] = [ipv4('127.0.5.1'), ipv4('127.0.5.2')];
    const [first, second] = [42_070 + (process.pid % 1000), 43_070 + (process.pid % 1000)];
    const channels = openChannels([first, second], ({ address, bytes, sourcePort }) => {
      arrived.push({ address, text: `${sourcePort} ${bytes.toString()}` });
      if (arrived.length === 2) both();
      else
        channels.send({
          channel: 1,
          address: right,
          to: left,
          port: first,
          bytes: Buffer.from('pong'),
        });
    });
    channels.send({
      channel: 0,
      address: left,
      to: right,
      port: second,
      bytes: Buffer.from('ping'),
    });
    await done;
    channels.close();
    expect(arrived).toEqual([
      { address: right, text: `${first} ping` },
      { address: left, text: `${second} pong` },
    ]);
  });
});

describe("a simulated machine's HTTP", () => {
  it('sends one request after the other on one connection and counts what comes, in whatever pieces', async () => {
    const asked: string[] = [];
    const server = createServer((socket: Socket) => {
      socket.on('data', (request) => {
        asked.push(
          request
            .toString()
            .split('\r\n')
            .filter((line) => /^(GET|Range)/.test(line))
            .join(' '),
        );
        socket.write('HTTP/1.1 206 Partial Content\r\nContent-Le');
        setImmediate(() => socket.write('ngth: 6\r\n\r\nabc'));
        setImmediate(() => setImmediate(() => socket.write('def')));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const http = openHttp({ localAddress: '127.0.5.3', host: '127.0.0.1', port, timeoutMs: 5000 });
    expect(await http.get('/a', { text: true })).toEqual({
      status: 206,
      bodyBytes: 6,
      text: 'abcdef',
    });
    expect(await http.get('/b', { range: 6 })).toEqual({ status: 206, bodyBytes: 6, text: '' });
    http.close();
    await expect(http.get('/c', {})).rejects.toThrow('closed');
    await new Promise((resolve) => server.close(resolve));
    expect(asked).toEqual(['GET /a HTTP/1.1', 'GET /b HTTP/1.1 Range: bytes=0-5']);
  });
});
