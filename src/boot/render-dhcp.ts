/**
 * Renders a boot decision as the boot part of a DHCP reply. Which fields which client needs, and which would stop it:
 *
 * - PXE firmware: `siaddr` and the file name, below a token where a script follows that no DHCP packet leads to. Never option 60 without option 43: edk2 then asks port 4011 and gives up
 *   when nobody answers (edk2 PxeBcDhcp4.c, BINL offers).
 * - UEFI HTTP Boot: option 60 `HTTPClient` and an absolute URL with a literal address (UEFI 2.10, 24.7).
 * - iPXE: a URL, and option 175.176 = 1, which spares it two seconds of waiting for a ProxyDHCP server.
 */
import { formatIpv4, type Ipv4 } from '../wire/ipv4.ts';
import type { BootDecision } from './decide.ts';
import { tokenPath } from './token-path.ts';

export interface BootOptions {
  readonly siaddr?: Ipv4;
  readonly file?: string;
  /** The file as events and logs show it: no token in it. */
  readonly label?: string;
  readonly vendorClass?: 'PXEClient' | 'HTTPClient';
  readonly raw?: readonly { readonly code: number; readonly bytes: Uint8Array }[];
}

export interface BootAddresses {
  readonly server: Ipv4;
  readonly httpPort: number;
  /** Where a client that can is sent by https; absent where the site does not want that. */
  readonly httpsPort?: number | undefined;
}

const IPXE_ENCAPSULATED = 175;
/** Sub-option 176, one byte, value 1: `no-pxedhcp` (iPXE include/ipxe/dhcp.h). */
const NO_PXEDHCP = { code: IPXE_ENCAPSULATED, bytes: Uint8Array.of(0xb0, 1, 1) };

/** The machine-facing HTTP listener as this segment's machines reach it. */
function baseUrl({ server, httpPort, httpsPort }: BootAddresses): string {
  const host = formatIpv4(server);
  if (httpsPort !== undefined) return `https://${host}${httpsPort === 443 ? '' : `:${httpsPort}`}`;
  return `http://${host}${httpPort === 80 ? '' : `:${httpPort}`}`;
}

export function renderDhcp(
  decision: BootDecision,
  addresses: BootAddresses,
  token: string | undefined,
): BootOptions {
  const { delivery } = decision;
  switch (delivery.kind) {
    case 'none':
      return {};
    case 'script':
    case 'refusal': {
      const url = (shown: string) => `${baseUrl(addresses)}/boot/${shown}/script.ipxe`;
      return {
        siaddr: addresses.server,
        file: url(token ?? 'none'),
        label: url('…'),
        raw: [NO_PXEDHCP],
      };
    }
    case 'chain': {
      const name = delivery.file;
      if (delivery.via === 'tftp' && delivery.loader === 'grub')
        return {
          siaddr: addresses.server,
          file: tokenPath(token ?? 'none', name),
          label: tokenPath('…', name),
        };
      if (delivery.via === 'tftp') return { siaddr: addresses.server, file: name, label: name };
      const url = `${baseUrl(addresses)}/boot/ipxe/${name}`;
      return { siaddr: addresses.server, file: url, label: url, vendorClass: 'HTTPClient' };
    }
  }
}
