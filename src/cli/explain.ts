/**
 * `reveille explain`: what a machine would be offered and served at each stage, and why.
 *
 * It asks the same code as the packets do: a made-up DISCOVER of each kind of client goes through the DHCP rules and the
 * boot desk, in a transaction that is rolled back. Nothing is recorded, and no second opinion can drift from the first.
 */
import type { Config } from '../config.ts';
import { openCore, systemClock } from '../daemon/core.ts';
import { MESSAGE, OPTION, readText, readU32, text, u8 } from '../dhcp/options.ts';
import { BOOTREQUEST, type DhcpPacket } from '../dhcp/packet.ts';
import { respond } from '../dhcp/respond.ts';
import { AppError } from '../errors.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { formatIpv4, IPV4_ANY, ipv4FromBytes } from '../wire/ipv4.ts';
import { type Mac, macToBytes, parseMac } from '../wire/mac.ts';

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

/** @throws AppError REQUEST_INVALID for something that is neither a MAC nor a known hardwarename */
export function explain(config: Config, subject: string, json: boolean): string {
  const core = openCore(config);
  try {
    const { inventory } = core;
    const named = inventory.machines.byHardwarename(subject as Hardwarename);
    const mac = parseMac(subject) ?? named?.bootMac;
    if (!mac) {
      throw new AppError('REQUEST_INVALID', {
        detail: `'${subject}' is neither a MAC address nor a machine on record.`,
      });
    }
    const machine = inventory.machines.byMac(mac);
    const stages = stagesOf(core, mac);
    const state = machine?.state ?? 'unknown';
    return json
      ? `${JSON.stringify({ mac, hardwarename: machine?.hardwarename, state, stages })}\n`
      : readable({ mac, state, name: machine?.hardwarename, why: machine?.stateWhy }, stages);
  } finally {
    core.close();
  }
}

/** What this NIC would be offered on each segment as each kind of client. Changes nothing. */
export function stagesOf(
  {
    inventory,
    segments,
    view,
  }: Pick<ReturnType<typeof openCore>, 'inventory' | 'segments' | 'view'>,
  mac: Mac,
): Stage[] {
  return segments.flatMap((segment) =>
    CLIENTS.map(([client, options]): Stage => {
      // As if through a relay of that segment: several may share one interface, and some have none.
      const packet = { ...discover(mac, options), giaddr: segment.cidr.network };
      return inventory.rehearse(() => {
        const outcome = respond({ packet, iface: segment.iface ?? '' }, view, systemClock());
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

function readable(
  {
    mac,
    name,
    state,
    why,
  }: { mac: Mac; name: string | undefined; state: string; why: string | undefined },
  stages: readonly Stage[],
): string {
  const lines = stages.map(
    (stage) =>
      `\n${stage.client} on ${stage.segment}: ${stage.outcome}${stage.address ? ` ${stage.address}` : ''}\n` +
      (stage.terms ? `  terms      ${stage.terms}\n` : '') +
      (stage.bootFile ? `  boot file  ${stage.bootFile}\n` : '') +
      (stage.why ? `  because    ${stage.why}\n` : ''),
  );
  return `${mac}: ${name ?? 'no machine on record'}, ${state}${why ? ` (${why})` : ''}\n${lines.join('')}`;
}
