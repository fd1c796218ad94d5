/**
 * Real clients, recorded in the virtual lab (test/fixtures/pcap): what they said decodes to the text beside each capture, and
 * the DHCP rules answer each of their requests as the second text says. After a wanted change, UPDATE_FIXTURES=1 writes both
 * texts anew; new captures are made by `UPDATE_FIXTURES=1 npm run lab -- scenario NAME`.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { textOf } from '../../../qemu-lab/fixtures.ts';
import { negotiatedBy } from '../../../qemu-lab/negotiated.ts';
import { CLIENTS_CONFIG } from '../../../qemu-lab/scenarios/clients.ts';
import { VLANS_CONFIG } from '../../../qemu-lab/vlan-world.ts';
import { createAnalysis } from '../../../src/capture/analysis.ts';
import { openFrame } from '../../../src/capture/frame.ts';
import type { Capture, DhcpMessage } from '../../../src/capture/model.ts';
import { captureText } from '../../../src/cli/decode-text.ts';
import { encodePacket, replyBytesMax } from '../../../src/dhcp/packet.ts';
import { destinationOf, linkOf, replyFlags } from '../../../src/dhcp/reply-to.ts';
import { formatIpv4, IPV4_ANY, type Ipv4 } from '../../../src/wire/ipv4.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { type Ends, ethernetFrame, frameOf, framesOf } from '../../support/captures.ts';
import { createWorld } from '../../support/world.ts';

const DIR = 'test/fixtures/pcap';
const NAMES = readdirSync(DIR)
  .filter((name) => name.endsWith('.pcap'))
  .map((name) => name.replace('.pcap', ''));
const PROGRAMS = ['udhcpc', 'dhclient', 'networkd', 'relayed'];
/** In the order of their segments. */
const VLAN_NAMES = ['vlan-native', 'vlan-bios-rom', 'vlan-uefi-pxe'];
const PORTS = { server: 67, client: 68, proxy: 4011 };

function golden(name: string, text: string): string {
  const file = `${DIR}/${name}`;
  if (process.env.UPDATE_FIXTURES) writeFileSync(file, text);
  return readFileSync(file, 'utf8');
}

function captureOf(file: Uint8Array): Capture {
  const analysis = createAnalysis();
  for (const frame of framesOf(file)) analysis.add(frame);
  return analysis.finish(undefined);
}

function segmentsFor(name: string): readonly object[] {
  if (VLAN_NAMES.includes(name)) return VLANS_CONFIG.dhcp.segments;
  return PROGRAMS.includes(name) ? CLIENTS_CONFIG.dhcp.segments : [{}];
}

/** The configuration that the recording was made with, and the recorded address for this machine. */
function configFor(name: string, machine: string, address: string): string {
  if (name.startsWith('proxy-')) return stringify({ dhcp: { segments: [{ mode: 'proxy' }] } });
  const segments = segmentsFor(name);
  const reservations = [{ mac: machine, address }];
  const shim = { uefiX64: { first: 'shimx64.efi', second: 'snponly-signed.efi' } };
  const grub = { uefiX64: { first: 'shimx64.efi', second: 'grubnetx64.efi', loader: 'grub' } };
  const index = name === 'relayed' ? 1 : Math.max(0, VLAN_NAMES.indexOf(name));
  return stringify({
    ...(name === 'uefi-shim' ? { boot: { secureBoot: shim } } : {}),
    ...(name.startsWith('grub-') ? { boot: { secureBoot: grub } } : {}),
    ...(name === 'uefi-full' ? { boot: { binaries: { uefiX64: 'ipxe.efi' } } } : {}),
    dhcp: { segments: segments.map((one, at) => (at === index ? { ...one, reservations } : one)) },
  });
}

/** Where a request came in: on a trunk that is told by its tag. */
function segmentOf(name: string, { vlans }: DhcpMessage): { iface: string; address: string } {
  const other = { iface: 'prov0', address: '10.77.0.1' };
  if (!VLAN_NAMES.includes(name)) return other;
  const iface = ['eth0', ...vlans].join('.');
  return VLANS_CONFIG.dhcp.segments.find((segment) => segment.iface === iface) ?? other;
}

/** What a capture would hold if these requests had come to us now. */
function replay(name: string, capture: Capture): string {
  const machine = capture.machines[0]?.key ?? '';
  const address = negotiatedBy(capture, machine).granted[0]?.address ?? '';
  const world = createWorld(undefined, configFor(name, machine, address));
  const analysis = createAnalysis();
  let number = 0;
  const add = (from: Ends, to: Ends, payload: Uint8Array, vlans: readonly number[]) => {
    number += 1;
    const bytes = ethernetFrame({ from, to, payload }, vlans);
    analysis.add({ number, ...frameOf(bytes, world.time.now * 1000) });
  };
  for (const message of requestsOf(capture)) {
    const { packet, from, to, atUs, vlans } = message;
    const segment = segmentOf(name, message);
    world.time.now = Math.floor(atUs / 1000) as Millis;
    const source: Ends = [formatIpv4(from.address), from.port];
    add(source, [formatIpv4(to.address), to.port], encodePacket(packet), vlans);
    const outcome = world.dhcp(
      packet,
      segment.iface,
      to.port === PORTS.proxy ? 'proxy' : undefined,
    );
    if (outcome.kind !== 'reply') continue;
    const reply = { ...outcome.reply, flags: replyFlags(outcome.reply) };
    const towards = destinationOf(packet, outcome, PORTS);
    const link = linkOf(packet, reply, towards);
    const address = link ? formatIpv4(link.destination) : towards.address;
    add(
      [segment.address, to.port],
      outcome.to === 'source' ? source : [address, towards.port],
      encodePacket(reply, replyBytesMax(packet)),
      vlans,
    );
  }
  return captureText(analysis.finish(undefined), false);
}

function requestsOf(capture: Capture): DhcpMessage[] {
  return capture.machines
    .flatMap(({ boots }) => boots.flatMap(({ entries }) => entries))
    .filter((entry) => entry.kind === 'dhcp')
    .filter(({ fromServer }) => !fromServer);
}

describe.each(NAMES)('%s', (name) => {
  const file = Uint8Array.from(readFileSync(`${DIR}/${name}.pcap`));

  it('decodes to the text beside it, without an error found', () => {
    const text = textOf(file);
    expect(text).toBe(golden(`${name}.txt`, text));
    expect(text).toContain('problems: 0 error(s)');
  });

  it('is answered as written down', () => {
    const text = replay(name, captureOf(file));
    expect(text).toBe(golden(`${name}.replies.txt`, text));
    expect(text).not.toMatch(/ NAK |dhcp-malformed/);
  });

  it('holds nothing but its client and the servers, and no data of transfers', () => {
    expect(file.length).toBeLessThan(64 * 1024);
    const addresses = new Set<Ipv4>();
    for (const frame of framesOf(file)) {
      const content = openFrame(frame);
      expect(content.kind).toBe('datagram');
      if (content.kind === 'datagram') addresses.add(content.datagram.source);
    }
    addresses.delete(IPV4_ANY);
    expect(addresses.size).toBeLessThanOrEqual(3);
  });
});

it('the recorded clients are all there', () =>
  expect(NAMES).toEqual(
    expect.arrayContaining([
      ...PROGRAMS,
      ...['bios-rom', 'bios-chain', 'uefi-pxe', 'uefi-http', 'uefi-e1000'],
      ...['uefi-ia32', 'uefi-arm64', 'uefi-arm64-http', 'uefi-shim', 'uefi-full'],
      ...VLAN_NAMES,
      ...['grub-recon', 'grub-disk'],
      ...['proxy-bios-rom', 'proxy-bios-chain', 'proxy-uefi-pxe', 'proxy-uefi-http'],
    ]),
  ));
