/** Scenes for the checks of `reveille decode`: a TFTP transfer, a ProxyDHCP server beside a plain one, a relay seen from both sides. */
import { MESSAGE, OPTION, text, u32 } from '../../src/dhcp/options.ts';
import {
  encodeAck,
  encodeData,
  encodeError,
  encodeOack,
  encodeRequest,
} from '../../src/tftp/packet.ts';
import {
  ADDRESS,
  answer,
  ask,
  type Ends,
  exchange,
  type Message,
  SERVER,
  type Shot,
  WANTED,
} from './captures.ts';
import { ipv4 } from './world.ts';

export const OTHER = '10.77.0.2';
const none = undefined;

/** One message of the exchange spoilt in both replies, as a server that is set up wrong does it. */
export const both = (reply: Message) => ({ offer: reply, ack: reply });

export const CLIENT: Ends = [ADDRESS, 2070];
export const TRANSFER: Ends = [SERVER, 40_000];
export const asked = new Map([
  ['blksize', '512'],
  ['tsize', '0'],
]);
export const rrq = (options = asked, file = 'undionly.kpxe', from = CLIENT): Shot => ({
  atMs: 20,
  from,
  to: [SERVER, 69],
  payload: encodeRequest({ opcode: 1, file, mode: 'octet', options }),
});
export const say = (payload: Uint8Array, from = TRANSFER, to = CLIENT): Shot => ({
  atMs: 21,
  from,
  to,
  payload,
});
export const hear = (payload: Uint8Array): Shot => say(payload, CLIENT, TRANSFER);
export const granted = new Map([
  ['blksize', '512'],
  ['tsize', '600'],
]);
export const block = (number: number, bytes: number) =>
  say(encodeData(number, new Uint8Array(bytes)));
export const transfer = (options = granted): Shot[] => [
  ...[rrq(), say(encodeOack(options)), hear(encodeAck(0)), block(1, 512), hear(encodeAck(1))],
  ...[block(2, 88), hear(encodeAck(2))],
];
export const probe = [
  rrq(),
  say(encodeOack(granted)),
  hear(encodeError(8, 'User aborted the transfer')),
];

/** The plain server says nothing of booting; `proxy` does. */
export function beside(proxy: Shot): Shot[] {
  const plain = exchange(
    'uefi',
    both({ options: [[OPTION.bootFile, none]], fields: { siaddr: ipv4('0.0.0.0') } }),
  );
  return [plain[0] as Shot, proxy, ...plain.slice(1)];
}
export function proxyOffer(over: Message = {}): Shot {
  return answer(MESSAGE.offer, {
    client: 'uefi',
    from: [OTHER, 67],
    fields: { yiaddr: ipv4('0.0.0.0'), siaddr: ipv4(OTHER) },
    options: [
      [OPTION.bootFile, none],
      [OPTION.leaseTime, none],
      [OPTION.subnetMask, none],
      [OPTION.vendorClass, text('PXEClient')],
    ],
    ...over,
  });
}
export function bootServerAsk(): Shot {
  return ask(MESSAGE.request, {
    client: 'uefi',
    xid: 77,
    from: [ADDRESS, 4011],
    to: [OTHER, 4011],
    fields: { ciaddr: ipv4(ADDRESS) },
  });
}
export function bootServerAnswer(over: Message = {}): Shot {
  return answer(MESSAGE.ack, {
    client: 'uefi',
    xid: 77,
    from: [OTHER, 4011],
    to: [ADDRESS, 4011],
    fields: { yiaddr: ipv4('0.0.0.0'), siaddr: ipv4(OTHER) },
    ...over,
  });
}

/** Both legs of each message, as a capture on the relay itself has them. */
export function relayed(reply: Message = {}): Shot[] {
  const relay: Ends = ['10.78.0.1', 67];
  const fields = { giaddr: ipv4('10.78.0.1') };
  const info = [OPTION.relayAgent, Uint8Array.of(1, 1, 65)] as const;
  const leg = (type: number, over: Message): Shot =>
    type === MESSAGE.discover || type === MESSAGE.request
      ? ask(type, {
          client: 'bios',
          from: relay,
          to: [SERVER, 67],
          fields: { ...fields, hops: 1 },
          options: [...(over.options ?? []), info],
        })
      : answer(type, {
          client: 'bios',
          to: relay,
          options: [info],
          ...over,
          fields: { ...fields, yiaddr: ipv4(ADDRESS), ...over.fields },
        });
  const [discover, offer, request, ack] = exchange(
    'bios',
    both({
      from: relay,
      fields: { ...fields, yiaddr: ipv4(ADDRESS) },
      options: [[OPTION.serverId, u32(ipv4(SERVER))]],
    }),
  ) as [Shot, Shot, Shot, Shot];
  return [
    ...[discover, leg(MESSAGE.discover, {}), leg(MESSAGE.offer, reply), offer],
    ...[request, leg(MESSAGE.request, { options: WANTED }), leg(MESSAGE.ack, reply), ack],
  ];
}

/** A machine gives the address back, its own or not. */
export const released = (by: Message = {}): Shot =>
  ask(MESSAGE.release, { client: 'os', xid: 11, fields: { ciaddr: ipv4(ADDRESS) }, ...by });
