/**
 * One simulated machine: PXE DHCP, TFTP of the iPXE binary, iPXE's DHCP, its script, and the heads of kernel and initrd.
 *
 * A machine that gives up does what a real one does: it starts over, after five seconds of firmware. How often that happens
 * is counted, and so is every packet that had to be sent again.
 */
import type { DhcpPacket } from '../../src/dhcp/packet.ts';
import { formatIpv4, type Ipv4 } from '../../src/wire/ipv4.ts';
import { bootFileOf, createDhcpClient } from './firmware-dhcp.ts';
import { openHttp } from './firmware-http.ts';
import { createTftpClient, type TftpClient } from './firmware-tftp.ts';

/** What the machines share. */
export interface Rack {
  /** Bytes of the kernel's and the initrd's head that are fetched. */
  readonly headBytes: number;
  readonly channels: number;
  sendDhcp(bytes: Uint8Array): void;
  sendTftp(datagram: { channel: number; address: Ipv4; port: number; bytes: Uint8Array }): void;
  /** The machine has this address now. */
  own(address: Ipv4, machine: Machine): void;
  readonly count: (what: string) => void;
  finished(machine: Machine): void;
}

export interface Machine {
  /** On the clock of `performance.now`. */
  readonly poweredOnAt: number;
  readonly attempts: number;
  powerOn(): void;
  onDhcp(packet: DhcpPacket): void;
  readonly onTftp: TftpClient['onDatagram'];
}

const START_OVER_MS = 5000;
const HTTP_TIMEOUT_MS = 60_000;
const HTTP_RETRY_MS = 3000;
const HTTP_TRIES = 10;

export function createMachine(
  rack: Rack,
  { mac, uefi }: { mac: Uint8Array; uefi: boolean },
): Machine {
  let address = 0 as Ipv4;
  const giveUp = (where: string): void => {
    rack.count(`failed: ${where}`);
    setTimeout(() => {
      machine.attempts += 1;
      dhcp.ask(uefi ? 'uefi' : 'bios');
    }, START_OVER_MS);
  };
  const dhcp = createDhcpClient({
    ...{ mac, send: rack.sendDhcp, onGiveUp: giveUp },
    sentAgain: (loader) => rack.count(`sent again: DHCP of ${loader}`),
    onAck(loader, packet) {
      const file = bootFileOf(packet);
      address = packet.yiaddr;
      rack.own(address, machine);
      if (file === '') giveUp('no boot file');
      else if (loader.startsWith('ipxe')) void boot(file);
      else tftp.fetch(file);
    },
  });
  const tftp = createTftpClient({
    ...{ uefi, channels: rack.channels, onGiveUp: giveUp },
    send: (datagram) => rack.sendTftp({ address, ...datagram }),
    sentAgain: () => rack.count('sent again: TFTP'),
    onDone: () => dhcp.ask(uefi ? 'ipxe-uefi' : 'ipxe-bios'),
  });
  const boot = async (scriptUrl: string): Promise<void> => {
    for (let attempt = 1; attempt <= HTTP_TRIES; attempt++) {
      try {
        await fetchOnce(rack, { scriptUrl, localAddress: formatIpv4(address) });
        rack.finished(machine);
        return;
      } catch (error) {
        rack.count(`fetched again: ${(error as Error).message}`);
        await new Promise((later) => setTimeout(later, HTTP_RETRY_MS));
      }
    }
    giveUp('HTTP');
  };
  const machine = {
    ...{ attempts: 1, poweredOnAt: 0, onDhcp: dhcp.onPacket, onTftp: tftp.onDatagram },
    powerOn() {
      machine.poweredOnAt = performance.now();
      dhcp.ask(uefi ? 'uefi' : 'bios');
    },
  };
  return machine;
}

/** The script, then the heads of the kernel and the initrd that it names, on one connection, as iPXE does. */
async function fetchOnce(
  { headBytes }: Rack,
  { scriptUrl, localAddress }: { scriptUrl: string; localAddress: string },
): Promise<void> {
  const { hostname, port, pathname } = new URL(scriptUrl);
  const http = openHttp({
    ...{ localAddress, host: hostname, port: Number(port || 80), timeoutMs: HTTP_TIMEOUT_MS },
  });
  try {
    const script = await http.get(pathname, { text: true });
    if (script.status !== 200) throw new Error(`script ${script.status}`);
    for (const word of ['kernel', 'initrd']) {
      const url = new RegExp(`^${word} .*?(http://\\S+)`, 'm').exec(script.text)?.[1];
      if (url === undefined) throw new Error(`no ${word} in the script`);
      const { status, bodyBytes } = await http.get(new URL(url).pathname, { range: headBytes });
      if (status !== 206 || bodyBytes !== headBytes) throw new Error(`${word} ${status}`);
    }
  } finally {
    http.close();
  }
}
