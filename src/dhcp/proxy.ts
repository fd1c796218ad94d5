/**
 * ProxyDHCP (PXE 2.1, 2.2): on a segment whose addresses another server leases, we add the boot part and nothing else.
 * No address, no lease, no NAK, and silence to everybody who is not booting.
 *
 * What each client needs, and what would stop it:
 *
 * - BIOS firmware: one offer with option 60, the file, and option 43 whose discovery control says "take the file of this
 *   offer" (sub-option 6 = 8; PXE 2.1, table 2-1). Some still come to port 4011, and are told the same.
 * - UEFI PXE firmware: an offer with option 60 and no option 43 and no file; edk2 then asks port 4011 (PxeBcDhcp4.c,
 *   ProxyBINL offers), where the file is.
 * - UEFI HTTP Boot: option 60 `HTTPClient` and the URL; no second exchange (HttpBootDxe pairs it with any lease).
 * - iPXE: option 60, `siaddr` and the file, which spares it the second exchange (iPXE net/udp/dhcp.c, dhcp_has_pxeopts).
 *
 * Replies on port 4011 go to the port that the request came from: edk2 asks from 4011, iPXE from 68.
 */
import { IPV4_ANY, type Ipv4 } from '../wire/ipv4.ts';
import { type Asked, bootAnswer, drop, fileLabel, subject } from './asked.ts';
import { isBootClient } from './client-class.ts';
import { MESSAGE, OPTION, text, u8 } from './options.ts';
import { type DhcpPacket, replyTo } from './packet.ts';
import type { BootAnswer, Outcome } from './ports.ts';
import { bootFields, bootOptions, echo } from './reply-options.ts';

/** Sub-options of option 43 for a PXEClient (PXE 2.1, table 2-1). */
const BOOT_ITEM = 71;
const END = 255;
/** Sub-option 6, discovery control, bit 3: use the boot file of this offer; no menu, no discovery. */
const TAKE_THIS_FILE = Uint8Array.of(6, 1, 8, END);
/** edk2 repeats its DISCOVER after 4, 8 and 16 s: from the third one on, nothing that we sent has moved it. */
const DEAF_AFTER_SECONDS = 12;

export function proxyRespond(asked: Asked, type: number): Outcome {
  if (!isBootClient(asked.client)) return drop('not-a-boot-client');
  switch (type) {
    case MESSAGE.discover:
      return asked.viaProxyPort ? drop('not-for-a-proxy') : offer(asked);
    case MESSAGE.request:
    case MESSAGE.inform:
      return asked.viaProxyPort ? bootServerReply(asked) : drop('not-for-a-proxy');
    default:
      return drop('not-for-a-proxy');
  }
}

function offer(asked: Asked): Outcome {
  const { packet, client } = asked;
  const answer = bootAnswer(asked, { established: false });
  if (!answer) return drop('newcomers-limited');
  if (!answer.options.file) return drop('not-a-boot-client');
  const uefiPxe = client.stage === 'firmware' && client.arch !== 0;
  const options = replyBase(asked, MESSAGE.offer);
  if (uefiPxe) {
    options.set(OPTION.vendorClass, text('PXEClient'));
  } else {
    addBoot(asked, answer, options);
    if (client.stage === 'firmware') options.set(OPTION.vendorSpecific, TAKE_THIS_FILE);
  }
  echo(packet, options);
  const fields = bootFields(answer);
  const reply = replyTo(packet, {
    siaddr: siaddrOf(asked, fields),
    file: uefiPxe ? '' : fields.file,
    options,
  });
  return {
    kind: 'reply',
    type: MESSAGE.offer,
    reply,
    event: {
      ...subject(asked, answer),
      name: 'dhcp.offered',
      data: {
        client: client.stage,
        address: '',
        bootFile: fileLabel(answer),
        why: `${answer.why}; proxy: another server leases the address${deafness(asked)}`,
      },
    },
  };
}

/**
 * Firmware that saw both offers sends a REQUEST; firmware that ignores proxies repeats its DISCOVER with a growing
 * `secs` (Dell T130 and T430, HP DL380 Gen9 as reported; edk2's schedule is 0, 4, 12, 28 s).
 */
function deafness({ packet, client }: Asked): string {
  return client.stage === 'firmware' && packet.secs >= DEAF_AFTER_SECONDS
    ? `; it has been asking for ${packet.secs} s and never came to port 4011: this firmware may ignore proxies. Let this appliance lease the addresses (mode: server), or set the boot file on the other server`
    : '';
}

/** The second exchange, on port 4011: who asks has its address, and is given its file. */
function bootServerReply(asked: Asked): Outcome {
  const { packet, client } = asked;
  const answer = bootAnswer(asked, { established: false });
  if (!answer) return drop('newcomers-limited');
  if (!answer.options.file) return drop('not-a-boot-client');
  const options = replyBase(asked, MESSAGE.ack);
  addBoot(asked, answer, options);
  const item = subOption(packet.options.get(OPTION.vendorSpecific), BOOT_ITEM);
  // A request for one entry of a menu: the entry goes back, and the address moves to `yiaddr` (as dnsmasq does).
  if (item) options.set(OPTION.vendorSpecific, Uint8Array.of(BOOT_ITEM, item.length, ...item, END));
  echo(packet, options);
  const fields = bootFields(answer);
  return {
    kind: 'reply',
    type: MESSAGE.ack,
    reply: replyTo(packet, {
      ...fields,
      siaddr: siaddrOf(asked, fields),
      ciaddr: item ? IPV4_ANY : packet.ciaddr,
      yiaddr: item ? packet.ciaddr : IPV4_ANY,
      options,
    }),
    to: 'source',
    event: {
      ...subject(asked, answer),
      name: 'dhcp.acked',
      data: {
        client: client.stage,
        address: '',
        bootFile: fileLabel(answer),
        leaseSeconds: 0,
      },
    },
  };
}

function replyBase(asked: Asked, type: number): Map<number, Uint8Array> {
  return new Map([
    [OPTION.messageType, u8(type)],
    [OPTION.serverId, asked.serverId],
  ]);
}

/** The boot part; option 175 stays away: it tells iPXE to wait for no proxy, which is what we are. */
function addBoot(asked: Asked, answer: BootAnswer, options: Map<number, Uint8Array>): void {
  bootOptions(answer, options);
  options.delete(OPTION.ipxe);
  const http = asked.client.stage === 'http-boot';
  options.set(OPTION.vendorClass, text(http ? 'HTTPClient' : 'PXEClient'));
}

/** Without it, iPXE does not take the offer for complete. */
function siaddrOf({ segment }: Asked, { siaddr }: Pick<DhcpPacket, 'siaddr'>): Ipv4 {
  return siaddr === IPV4_ANY ? segment.serverAddress : siaddr;
}

function subOption(bytes: Uint8Array | undefined, wanted: number): Uint8Array | undefined {
  if (!bytes) return undefined;
  for (let at = 0; at < bytes.length && bytes[at] !== END; ) {
    if (bytes[at] === 0) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (at + 2 + length > bytes.length) return undefined;
    if (bytes[at] === wanted) return bytes.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
  return undefined;
}
