/**
 * Every request in the captures of real clients, answered: what each firmware was recorded to send must get what that
 * firmware needs, on the wire and not only in a value. The captures' own servers are other programs; their addresses are
 * ours here, so that requests which name a server name us.
 */
import { describe, expect, it } from 'vitest';
import { describePacket } from '../../../src/dhcp/describe.ts';
import {
  BOOTREQUEST,
  type DhcpPacket,
  decodePacket,
  encodePacket,
  replyBytesMax,
} from '../../../src/dhcp/packet.ts';
import type { Outcome } from '../../../src/dhcp/ports.ts';
import { type Datagram, udpDatagrams } from '../../support/pcap.ts';
import { createWorld } from '../../support/world.ts';

interface Exchange {
  readonly port: number;
  readonly request: DhcpPacket;
  readonly outcome: Outcome;
  /** The reply as our decoder reads its bytes, tokens blanked; empty when there was none. */
  readonly reply: string[];
}

/** Plays the requests of a capture to one appliance, in order, a second apart. */
function play(name: string, yaml: string): Exchange[] {
  const world = createWorld(undefined, yaml);
  return udpDatagrams(`test/fixtures/dhcp/${name}.pcap`).flatMap((datagram: Datagram) => {
    const port = datagram.destinationPort;
    const decoded = decodePacket(datagram.payload);
    if (![67, 4011].includes(port) || !decoded.ok || decoded.value.op !== BOOTREQUEST) return [];
    world.pass(1000);
    const request = decoded.value;
    const outcome = world.dhcp(request, 'prov0', port === 4011 ? 'proxy' : undefined);
    return [{ port, request, outcome, reply: read(request, outcome) }];
  });
}

function read(request: DhcpPacket, outcome: Outcome): string[] {
  if (outcome.kind !== 'reply') return [];
  const bytes = encodePacket(outcome.reply, replyBytesMax(request));
  expect(bytes.length).toBeGreaterThanOrEqual(300);
  expect(bytes.length).toBeLessThanOrEqual(replyBytesMax(request));
  // Some ROMs need the message type first.
  expect(bytes[240]).toBe(53);
  const again = decodePacket(bytes);
  if (!again.ok) throw new Error(again.code);
  return describePacket(again.value).map((line) =>
    line
      .replace(/boot\/[A-Za-z0-9_-]{32}\//, 'boot/TOKEN/')
      .replace(/^(\S+) from server.* secs \d+/, '$1'),
  );
}

const SCRIPT = 'http://10.77.0.1:8080/boot/TOKEN/script.ipxe';
const lease = (yiaddr: string, server = '10.77.0.1') => ({
  times: ['  51 lease time: 600 s', '  58 renewal time: 300 s', '  59 rebinding time: 525 s'],
  head: (type: string, flags: string, file: string) =>
    `${type}${flags} yiaddr ${yiaddr} siaddr ${server} file "${file}"`,
});
const UUID = '  97 uuid: 4c4c4544-0042-3510-8052-b4c04f4e3732';
const NETWORK = [
  '  1 subnet mask: 255.255.255.0',
  '  28 broadcast: 10.77.0.255',
  '  15 domain: "lab.example"',
];

describe('edk2, UEFI PXE, then iPXE (efipxe.pcap)', () => {
  const played = play(
    'efipxe',
    'dhcp: { segments: [{ pools: [{ first: 10.77.0.112, last: 10.77.0.112 }] }] }',
  );
  const { head, times } = lease('10.77.0.112');
  it.each([
    [0, 'OFFER', ' broadcast'],
    [1, 'ACK', ' broadcast'],
  ] as const)(
    'request %i: %s with the file in both places, and neither option 60 nor 43',
    (at, type, flags) => {
      expect(played[at]?.reply).toEqual([
        head(type, flags, 'snponly.efi'),
        `  53 message type: ${type}`,
        '  54 server: 10.77.0.1',
        times[0],
        '  67 boot file: "snponly.efi"',
        times[1],
        times[2],
        ...NETWORK,
        UUID,
      ]);
    },
  );
  it.each([
    [2, 'OFFER'],
    [3, 'OFFER'],
    [4, 'ACK'],
  ] as const)('request %i: %s to iPXE, with its script and no wait for a proxy', (at, type) => {
    expect(played[at]?.reply).toEqual([
      head(type, '', SCRIPT),
      `  53 message type: ${type}`,
      '  54 server: 10.77.0.1',
      times[0],
      `  67 boot file: "${SCRIPT}"`,
      '  175 ipxe:',
      '    176 no-pxedhcp: 1',
      times[1],
      times[2],
      ...NETWORK,
      '  61 client id: ethernet 52:54:00:12:34:57',
      UUID,
    ]);
  });
  it('the boot file ends in a NUL that its length counts, or edk2 overwrites the next option', () => {
    const outcome = played[0]?.outcome;
    if (outcome?.kind !== 'reply') throw new Error('no reply');
    expect(outcome.reply.options.get(67)?.at(-1)).toBe(0);
  });
});

describe('edk2 for ia32, UEFI PXE (efiia32.pcap)', () => {
  const played = play(
    'efiia32',
    'dhcp: { segments: [{ pools: [{ first: 10.77.0.100, last: 10.77.0.100 }] }] }',
  );
  const { head, times } = lease('10.77.0.100');
  it.each([
    [0, 'OFFER'],
    [1, 'ACK'],
  ] as const)(
    'request %i: %s with the 32-bit file, and its own option 97, which is all zeros',
    (at, type) => {
      expect(played[at]?.reply).toEqual([
        head(type, ' broadcast', 'snponly-ia32.efi'),
        `  53 message type: ${type}`,
        '  54 server: 10.77.0.1',
        times[0],
        '  67 boot file: "snponly-ia32.efi"',
        times[1],
        times[2],
        ...NETWORK,
        '  97 uuid: 00000000-0000-0000-0000-000000000000',
      ]);
    },
  );
  it('is the whole of the capture', () => {
    expect(played).toHaveLength(2);
  });
});

describe('edk2, UEFI HTTP Boot (efihttp.pcap)', () => {
  const played = play(
    'efihttp',
    'dhcp: { segments: [{ pools: [{ first: 10.77.0.112, last: 10.77.0.112 }] }] }',
  );
  const url = 'http://10.77.0.1:8080/boot/ipxe/snponly.efi';
  it('its PXE attempts are offered the file by TFTP', () => {
    for (const { reply } of played.slice(0, 4)) {
      expect(reply[0]).toBe(
        'OFFER broadcast yiaddr 10.77.0.112 siaddr 10.77.0.1 file "snponly.efi"',
      );
    }
  });
  it.each([
    [4, 'OFFER'],
    [5, 'ACK'],
  ] as const)(
    'request %i: %s with option 60 HTTPClient and a URL with a literal address',
    (at, type) => {
      expect(played[at]?.reply.slice(0, 6)).toEqual([
        `${type} broadcast yiaddr 10.77.0.112 siaddr 10.77.0.1 file "${url}"`,
        `  53 message type: ${type}`,
        '  54 server: 10.77.0.1',
        '  51 lease time: 600 s',
        '  60 vendor class: "HTTPClient"',
        `  67 boot file: "${url}"`,
      ]);
    },
  );
  it('the iPXE that it loads says PXEClient, and gets its script all the same', () => {
    expect(played[8]?.reply[0]).toBe(lease('10.77.0.112').head('ACK', '', SCRIPT));
  });
});

describe('iPXE in a ROM, BIOS (bios.pcap)', () => {
  const played = play(
    'bios',
    'dhcp: { segments: [{ address: 10.0.2.2, cidr: 10.0.2.0/24, pools: [{ first: 10.0.2.15, last: 10.0.2.15 }] }] }',
  );
  it('is given the script at once, and the same one in offer and ack', () => {
    const files = played.map(({ outcome }) => (outcome.kind === 'reply' ? outcome.reply.file : ''));
    expect(new Set(files).size).toBe(1);
    expect(played.map(({ reply }) => reply[0])).toEqual(
      ['OFFER', 'OFFER', 'ACK'].map((type) =>
        lease('10.0.2.15', '10.0.2.2').head(
          type,
          '',
          'http://10.0.2.2:8080/boot/TOKEN/script.ipxe',
        ),
      ),
    );
  });
});

describe('undionly.kpxe from a ROM (undi.pcap, undira.pcap, undira2.pcap)', () => {
  it.each(['undi', 'undira', 'undira2'])('%s: every stage keeps the address', (name) => {
    const played = play(
      name,
      'dhcp: { segments: [{ pools: [{ first: 10.77.0.111, last: 10.77.0.120 }] }] }',
    );
    expect(played.length).toBeGreaterThan(4);
    for (const { reply } of played) {
      expect(reply[0]).toMatch(
        /^(OFFER|ACK)( broadcast)? yiaddr 10\.77\.0\.111 siaddr 10\.77\.0\.1 file "http/,
      );
    }
  });
});

describe('edk2 and iPXE beside another DHCP server (proxyefi.pcap)', () => {
  const played = play('proxyefi', 'dhcp: { segments: [{ mode: proxy, address: 10.77.0.2 }] }');
  const script = 'http://10.77.0.2:8080/boot/TOKEN/script.ipxe';

  it('the offer to edk2 is byte for byte what brought it to port 4011 in the capture', () => {
    const recorded = udpDatagrams('test/fixtures/dhcp/proxyefi.pcap').map(({ payload }) => payload);
    const { request, outcome } = played[0] ?? {};
    if (!request || outcome?.kind !== 'reply') throw new Error('no reply');
    expect(encodePacket(outcome.reply, replyBytesMax(request))).toEqual(recorded[1]);
  });

  it("the REQUEST for the address is the other server's", () => {
    expect(played[1]?.outcome).toMatchObject({ kind: 'drop', reason: 'for-another-server' });
  });

  it('on port 4011 edk2 is told its file, at the port that it asked from', () => {
    expect(played[2]?.port).toBe(4011);
    expect(played[2]?.outcome).toMatchObject({ kind: 'reply', to: 'source' });
    expect(played[2]?.reply).toEqual([
      'ACK ciaddr 10.77.0.112 siaddr 10.77.0.2 file "snponly.efi"',
      '  53 message type: ACK',
      '  54 server: 10.77.0.2',
      '  67 boot file: "snponly.efi"',
      '  60 vendor class: "PXEClient"',
      UUID,
    ]);
  });

  it('iPXE has all it needs in the offer, without an option that makes it ignore proxies', () => {
    expect(played[3]?.reply).toEqual([
      `OFFER siaddr 10.77.0.2 file "${script}"`,
      '  53 message type: OFFER',
      '  54 server: 10.77.0.2',
      `  67 boot file: "${script}"`,
      '  60 vendor class: "PXEClient"',
      '  61 client id: ethernet 52:54:00:12:34:57',
      UUID,
    ]);
  });

  it('and is told again when it asks port 4011 all the same', () => {
    expect(played[5]?.port).toBe(4011);
    expect(played[5]?.outcome).toMatchObject({ kind: 'reply', to: 'source' });
    expect(played[5]?.reply[0]).toBe(
      `ACK broadcast ciaddr 10.77.0.112 siaddr 10.77.0.2 file "${script}"`,
    );
  });
});
