/**
 * Option 82, the relay agent's information: the sub-options that change an answer (RFC 3046, RFC 3527, RFC 5107). The
 * option itself goes back byte for byte; circuit and remote id are only told of, because they say where a machine is
 * plugged in. Total: a sub-option that overruns ends the reading.
 */
import type { RelayPlace } from '../events.ts';
import { formatIpv4, IPV4_ANY, type Ipv4, ipv4FromBytes } from '../wire/ipv4.ts';
import { readText } from './options.ts';

const CIRCUIT_ID = 1;
const REMOTE_ID = 2;
const LINK_SELECTION = 5;
const SERVER_ID_OVERRIDE = 11;

export interface RelayAgent {
  readonly circuitId: Uint8Array | undefined;
  readonly remoteId: Uint8Array | undefined;
  /** RFC 3527: the client's subnet, where `giaddr` is not in it. */
  readonly linkSelection: Ipv4 | undefined;
  /** RFC 5107: what the client shall take for its server, so that its renewals pass the relay. */
  readonly serverIdOverride: Ipv4 | undefined;
}

export function readRelayAgent(bytes: Uint8Array): RelayAgent {
  let circuitId: Uint8Array | undefined;
  let remoteId: Uint8Array | undefined;
  let linkSelection: Ipv4 | undefined;
  let serverIdOverride: Ipv4 | undefined;
  for (let at = 0; at + 1 < bytes.length; ) {
    const [code, length = 0] = [bytes[at], bytes[at + 1]];
    if (at + 2 + length > bytes.length) break;
    if (code === CIRCUIT_ID) circuitId = bytes.subarray(at + 2, at + 2 + length);
    if (code === REMOTE_ID) remoteId = bytes.subarray(at + 2, at + 2 + length);
    if (length === 4 && code === LINK_SELECTION) linkSelection = ipv4FromBytes(bytes, at + 2);
    if (length === 4 && code === SERVER_ID_OVERRIDE)
      serverIdOverride = ipv4FromBytes(bytes, at + 2);
    at += 2 + length;
  }
  return { circuitId, remoteId, linkSelection, serverIdOverride };
}

/** The port of a switch as a key, where the relay names one; `undefined` where all its clients look alike. */
export function relayPort(giaddr: Ipv4, relay: RelayAgent | undefined): string | undefined {
  if (!relay?.circuitId && !relay?.remoteId) return undefined;
  const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');
  return `${giaddr} ${hex(relay.circuitId)} ${hex(relay.remoteId)}`;
}

/** A key of `relayPort` for a person: the relay's address, its circuit and remote id. */
export function readablePort(key: string): string {
  const [giaddr = '', circuit = '', remote = ''] = key.split(' ');
  const words = [circuit, remote].map((hex) => readable(Buffer.from(hex, 'hex')));
  return [formatIpv4(Number(giaddr) as Ipv4), ...words].filter((word) => word !== '').join(' ');
}

/**
 * For events: who relayed, and what it says of the place. A switch that snoops DHCP says it, too, and has no address (RFC 3046 2.1:
 * a trusted port, and `giaddr` zero).
 */
export function relayPlace(giaddr: Ipv4, relay: RelayAgent | undefined): RelayPlace | undefined {
  if (giaddr === IPV4_ANY && !relay?.circuitId && !relay?.remoteId) return undefined;
  return {
    agent: giaddr === IPV4_ANY ? '' : formatIpv4(giaddr),
    circuit: readable(relay?.circuitId),
    remote: readable(relay?.remoteId),
  };
}

/** Switches write text, or binary with a type and a length before a VLAN and a port. */
function readable(bytes: Uint8Array | undefined): string {
  if (!bytes) return '';
  const isText = bytes.length > 0 && bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText ? readText(bytes) : Buffer.from(bytes).toString('hex');
}
