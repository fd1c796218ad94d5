/**
 * Option 82, the relay agent's information: the sub-options that change an answer (RFC 3046, RFC 3527, RFC 5107). The
 * option itself goes back byte for byte; what stands in the others is nobody's business here. Total: a sub-option that
 * overruns ends the reading.
 */
import { type Ipv4, ipv4FromBytes } from '../wire/ipv4.ts';

const LINK_SELECTION = 5;
const SERVER_ID_OVERRIDE = 11;

export interface RelayAgent {
  /** RFC 3527: the client's subnet, where `giaddr` is not in it. */
  readonly linkSelection: Ipv4 | undefined;
  /** RFC 5107: what the client shall take for its server, so that its renewals pass the relay. */
  readonly serverIdOverride: Ipv4 | undefined;
}

export function readRelayAgent(bytes: Uint8Array): RelayAgent {
  let linkSelection: Ipv4 | undefined;
  let serverIdOverride: Ipv4 | undefined;
  for (let at = 0; at + 1 < bytes.length; ) {
    const [code, length = 0] = [bytes[at], bytes[at + 1]];
    if (at + 2 + length > bytes.length) break;
    if (length === 4 && code === LINK_SELECTION) linkSelection = ipv4FromBytes(bytes, at + 2);
    if (length === 4 && code === SERVER_ID_OVERRIDE)
      serverIdOverride = ipv4FromBytes(bytes, at + 2);
    at += 2 + length;
  }
  return { linkSelection, serverIdOverride };
}
