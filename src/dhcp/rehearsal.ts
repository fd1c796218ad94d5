/**
 * What a NIC would be offered, asked without a packet: a made-up DISCOVER of each kind of client goes through the same rules and
 * the same boot desk as a real one, in a transaction that is rolled back. Nothing is recorded, and no second opinion can drift
 * from the first. The command line asks on a database of its own; the API asks in the daemon.
 */

import { formatIpv4, IPV4_ANY, ipv4FromBytes } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import { macToBytes } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import { MESSAGE, OPTION, readText, readU32, text, u8 } from './options.ts';
import { BOOTREQUEST, type DhcpPacket } from './packet.ts';
import type { DhcpView, Segment } from './ports.ts';
import { respond } from './respond.ts';

export interface Stage {
  readonly segment: string;
  readonly client: string;
  readonly outcome: string;
  readonly address: string;
  readonly bootFile: string;
  /** What else it is told: for how long, router, name servers, domain. */
  readonly terms: string;
  readonly why: string;
}

/** The kinds of client, as the options that tell them apart. */
const CLIENTS: readonly (readonly [
  name: string,
  options: readonly (readonly [number, Uint8Array])[],
])[] = [
  [
    'BIOS PXE firmware',
    [
      [OPTION.vendorClass, text('PXEClient:Arch:00000:UNDI:002001')],
      [OPTION.clientArch, Uint8Array.of(0, 0)],
    ],
  ],
  [
    'UEFI x64 PXE firmware',
    [
      [OPTION.vendorClass, text('PXEClient:Arch:00007:UNDI:003000')],
      [OPTION.clientArch, Uint8Array.of(0, 7)],
    ],
  ],
  [
    'UEFI ia32 PXE firmware',
    [
      [OPTION.vendorClass, text('PXEClient:Arch:00006:UNDI:003000')],
      [OPTION.clientArch, Uint8Array.of(0, 6)],
    ],
  ],
  [
    'UEFI arm64 PXE firmware',
    [
      [OPTION.vendorClass, text('PXEClient:Arch:00011:UNDI:003000')],
      [OPTION.clientArch, Uint8Array.of(0, 11)],
    ],
  ],
  [
    'UEFI x64 HTTP Boot',
    [
      [OPTION.vendorClass, text('HTTPClient:Arch:00016:UNDI:003000')],
      [OPTION.clientArch, Uint8Array.of(0, 16)],
    ],
  ],
  [
    'iPXE',
    [
      [OPTION.vendorClass, text('PXEClient:Arch:00000:UNDI:002001')],
      [OPTION.userClass, text('iPXE')],
    ],
  ],
  ['operating system', []],
];

export interface Rehearsal {
  readonly segments: readonly Segment[];
  readonly view: DhcpView;
  /** Runs it in a transaction that is rolled back. */
  rehearse<T>(run: () => T): T;
}

/** What this NIC would be offered on each segment as each kind of client. Changes nothing. */
export function stagesOf({ segments, view, rehearse }: Rehearsal, mac: Mac, now: Millis): Stage[] {
  return segments.flatMap((segment) =>
    CLIENTS.map(([client, options]): Stage => {
      // As if through a relay of that segment: several may share one interface, and some have none.
      const packet = { ...discover(mac, options), giaddr: segment.cidr.network };
      return rehearse(() => {
        const outcome = respond({ packet, iface: segment.iface ?? '' }, view, now);
        const offered =
          outcome.kind !== 'drop' && outcome.event?.name === 'dhcp.offered'
            ? outcome.event.data
            : undefined;
        return {
          segment: segment.name,
          client,
          outcome: outcome.kind === 'drop' ? `no answer: ${outcome.reason}` : 'offer',
          address: outcome.kind === 'reply' ? formatIpv4(outcome.reply.yiaddr) : '',
          bootFile: offered?.bootFile ?? '',
          terms: outcome.kind === 'reply' ? termsOf(outcome.reply) : '',
          why: offered?.why ?? '',
        };
      });
    }),
  );
}

function termsOf({ options }: DhcpPacket): string {
  const addresses = (code: number) => {
    const bytes = options.get(code) ?? new Uint8Array();
    return Array.from({ length: bytes.length >> 2 }, (_, n) =>
      formatIpv4(ipv4FromBytes(bytes, 4 * n)),
    );
  };
  const [leaseSeconds, router] = [readU32(options.get(OPTION.leaseTime)), addresses(OPTION.router)];
  const [servers, domain] = [addresses(OPTION.dns), readText(options.get(OPTION.domain))];
  return [
    ...(leaseSeconds === undefined ? [] : [`for ${leaseSeconds} s`]),
    ...(router.length > 0 ? [`router ${router.join(' ')}`] : []),
    ...(servers.length > 0 ? [`name servers ${servers.join(' ')}`] : []),
    ...(domain === '' ? [] : [`domain ${domain}`]),
  ].join(', ');
}

function discover(mac: Mac, options: readonly (readonly [number, Uint8Array])[]): DhcpPacket {
  const chaddr = new Uint8Array(16);
  chaddr.set(macToBytes(mac));
  return {
    ...{ op: BOOTREQUEST, htype: 1, hlen: 6, hops: 0, xid: 1, secs: 0, flags: 0, chaddr },
    ...{
      ciaddr: IPV4_ANY,
      yiaddr: IPV4_ANY,
      siaddr: IPV4_ANY,
      giaddr: IPV4_ANY,
      sname: '',
      file: '',
    },
    options: new Map([[OPTION.messageType, u8(MESSAGE.discover)], ...options]),
  };
}
