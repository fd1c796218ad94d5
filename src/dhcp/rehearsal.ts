/**
 * What a NIC would be offered, asked without a packet: a made-up DISCOVER of each kind of client goes through the same rules and
 * the same boot desk as a real one, in a transaction that is rolled back. Nothing is recorded, and no second opinion can drift
 * from the first. The command line asks on a database of its own; the API asks in the daemon.
 */

import { formatIpv4, IPV4_ANY } from '../wire/ipv4.ts';
import type { Mac } from '../wire/mac.ts';
import { macToBytes } from '../wire/mac.ts';
import type { Millis } from '../wire/time.ts';
import { optionLabel } from './option-names.ts';
import { readOption } from './option-text.ts';
import { MESSAGE, OPTION, readText, text, u8, u16 } from './options.ts';
import {
  BOOTREQUEST,
  type DhcpPacket,
  decodePacket,
  encodePacket,
  replyBytesMax,
} from './packet.ts';
import type { DhcpView, Segment } from './ports.ts';
import { networkOf } from './reply-options.ts';
import { respond } from './respond.ts';

export interface Stage {
  readonly segment: string;
  readonly client: string;
  readonly outcome: string;
  readonly address: string;
  readonly bootFile: string;
  /** What else it is told: for how long, router, name servers, domain, and every other option that it asks for. */
  readonly terms: string;
  readonly why: string;
}

type Options = readonly (readonly [number, Uint8Array])[];

const upTo = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** What each kind asks for (option 55), as captures have it (docs/hardware.md). */
const WANTS = {
  bios: [1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67, ...upTo(128, 135)],
  uefi: [
    ...[1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59],
    ...[60, 66, 67, 97, ...upTo(128, 135)],
  ],
  ipxe: [1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, ...upTo(128, 135), 175, 203],
  /** No two systems ask for the same: this is all that one can have. */
  system: upTo(1, 254),
};

/** A network card's firmware, or what was loaded by it: they take a whole frame. */
function boots(wants: number[], vendorClass: string, ...more: Options): Options {
  const arch = Number(/Arch:(\d{5})/.exec(vendorClass)?.[1]);
  return [
    [OPTION.vendorClass, text(vendorClass)],
    [OPTION.clientArch, u16(arch)],
    [OPTION.maxMessageSize, u16(1472)],
    [OPTION.parameterList, Uint8Array.from(wants)],
    ...more,
  ];
}

const AS_IPXE = [OPTION.userClass, text('iPXE')] as const;

/** The kinds of client, as the options that tell them apart. */
const BOOTING: readonly (readonly [name: string, options: Options])[] = [
  ['BIOS PXE firmware', boots(WANTS.bios, 'PXEClient:Arch:00000:UNDI:002001')],
  ['UEFI x64 PXE firmware', boots(WANTS.uefi, 'PXEClient:Arch:00007:UNDI:003000')],
  ['UEFI ia32 PXE firmware', boots(WANTS.uefi, 'PXEClient:Arch:00006:UNDI:003000')],
  ['UEFI arm64 PXE firmware', boots(WANTS.uefi, 'PXEClient:Arch:00011:UNDI:003000')],
  ['UEFI x64 HTTP Boot', boots(WANTS.uefi, 'HTTPClient:Arch:00016:UNDI:003000')],
  ['UEFI arm64 HTTP Boot', boots(WANTS.uefi, 'HTTPClient:Arch:00019:UNDI:003000')],
  ['iPXE', boots(WANTS.ipxe, 'PXEClient:Arch:00000:UNDI:002001', AS_IPXE)],
  ['iPXE on UEFI arm64', boots(WANTS.ipxe, 'PXEClient:Arch:00011:UNDI:003010', AS_IPXE)],
];
const SYSTEM = 'operating system';
const AS_SYSTEM = [OPTION.parameterList, Uint8Array.from(WANTS.system)] as const;

export interface Rehearsal {
  readonly segments: readonly Segment[];
  readonly view: DhcpView;
  /** Runs it in a transaction that is rolled back. */
  rehearse<T>(run: () => T): T;
}

/** What this NIC would be offered on each segment as each kind of client. Changes nothing. */
export function stagesOf(rehearsal: Rehearsal, mac: Mac, now: Millis): Stage[] {
  return rehearsal.segments.flatMap((segment) => {
    const ask = (options: Options) => offerTo({ rehearsal, segment, mac, now }, options);
    const stage = (client: string, { terms, ...offer }: Offer, more: readonly string[]): Stage => ({
      ...{ segment: segment.name, client },
      ...offer,
      terms: [...terms, ...more].join(', '),
    });
    const booting = BOOTING.map(([client, options]) => stage(client, ask(options), []));
    const system = ask([AS_SYSTEM]);
    const apart = classesOf(segment, mac).flatMap((vendorClass) =>
      ask([AS_SYSTEM, [OPTION.vendorClass, text(vendorClass)]])
        .terms.filter((term) => !system.terms.includes(term))
        .map((term) => `${term} for vendor class ${vendorClass}`),
    );
    return [...booting, stage(SYSTEM, system, apart)];
  });
}

type Offer = Omit<Stage, 'segment' | 'client' | 'terms'> & { readonly terms: readonly string[] };

interface Asking {
  readonly rehearsal: Rehearsal;
  readonly segment: Segment;
  readonly mac: Mac;
  readonly now: Millis;
}

function offerTo(
  { rehearsal: { view, rehearse }, segment, mac, now }: Asking,
  options: Options,
): Offer {
  // As if through a relay of that segment: several may share one interface, and some have none.
  const packet = { ...discover(mac, options), giaddr: segment.cidr.network };
  return rehearse(() => {
    const outcome = respond({ packet, iface: segment.iface ?? '' }, view, now);
    const offered =
      outcome.kind !== 'drop' && outcome.event?.name === 'dhcp.offered'
        ? outcome.event.data
        : undefined;
    return {
      outcome: outcome.kind === 'drop' ? `no answer: ${outcome.reason}` : 'offer',
      address: outcome.kind === 'reply' ? formatIpv4(outcome.reply.yiaddr) : '',
      bootFile: offered?.bootFile ?? '',
      terms: outcome.kind === 'reply' ? termsOf(outcome.reply, packet, offered?.bootFile) : [],
      why: offered?.why ?? '',
    };
  });
}

/** The vendor classes that something is configured for here, of those that do not boot: who boots is asked for by itself. */
function classesOf(segment: Segment, mac: Mac): string[] {
  const starts = networkOf(segment, mac).byClass.map(({ start }) => start);
  return [...new Set(starts)].filter((start) => start !== '' && !/^(?:PXE|HTTP)Client/.test(start));
}

/** Told of by other means, or the same for everybody. */
const UNSAID: readonly number[] = [
  ...[OPTION.messageType, OPTION.serverId, OPTION.leaseTime, OPTION.renewalTime],
  ...[OPTION.rebindingTime, OPTION.subnetMask, OPTION.broadcast, OPTION.vendorClass],
  ...[OPTION.bootFile, OPTION.ipxe, OPTION.classlessRoutesOld],
];
const WORDS: ReadonlyMap<number, string> = new Map([
  [OPTION.leaseTime, 'for'],
  [OPTION.dns, 'name servers'],
]);
const FIRST: readonly number[] = [OPTION.leaseTime, OPTION.router, OPTION.dns, OPTION.domain];

/** What the client finds in the packet, which has room for so much. @param bootFile that is told of by other means */
function termsOf(reply: DhcpPacket, request: DhcpPacket, bootFile = ''): string[] {
  const sent = decodePacket(encodePacket(reply, replyBytesMax(request)));
  if (!sent.ok) return [sent.code];
  const { options } = sent.value;
  const vendorClass = readText(options.get(OPTION.vendorClass));
  const others = [...options.keys()].filter((code) => !UNSAID.includes(code));
  if (bootFile === '' && options.has(OPTION.bootFile)) others.push(OPTION.bootFile);
  const codes = new Set([...FIRST, ...others.filter((code) => code !== OPTION.overload)]);
  const left = [...reply.options.keys()].filter(
    (code) => code !== OPTION.overload && !options.has(code),
  );
  return [
    ...[...codes].flatMap((code) => {
      const value = options.get(code);
      if (!value || value.length === 0) return [];
      const { text, parts } = readOption(code, value, { vendorClass });
      const said = [text, ...parts].filter((part) => part !== '').join('; ');
      return [`${WORDS.get(code) ?? optionLabel(code)} ${said.replace(/^"(.*)"$/s, '$1')}`];
    }),
    ...(left.length > 0 ? [`no room for ${left.map(optionLabel).join(', ')}`] : []),
  ];
}

function discover(mac: Mac, options: Options): DhcpPacket {
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
