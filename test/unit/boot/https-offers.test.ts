/** Who is sent to the TLS port by DHCP: nobody whose CA the site has not vouched for. */
import { describe, expect, it } from 'vitest';
import { OPTION } from '../../../src/dhcp/options.ts';
import { replyOf } from '../../support/outcomes.ts';
import { type CLIENTS, createWorld, dhcpPacket, mac } from '../../support/world.ts';

const A = mac('52:54:00:77:00:01');
/** iPXE's features, one after another: HTTPS is 0x14 (include/ipxe/features.h). */
const SPEAKS_HTTPS: [number, Uint8Array] = [OPTION.ipxe, Uint8Array.of(0x13, 1, 1, 0x14, 1, 1)];
const SPEAKS_HTTPS_ALONE: [number, Uint8Array] = [
  OPTION.ipxe,
  Uint8Array.of(0x15, 1, 1, 0x14, 1, 1),
];

function sentTo(offers: string, client: keyof typeof CLIENTS, options: [number, Uint8Array][]) {
  const tls = `{ port: 8443, cert: a.crt, key: a.key, ca: ca.crt${offers} }`;
  const world = createWorld(undefined, `machineHttp: { tls: ${tls} }`);
  const { file } = replyOf(world.dhcp(dhcpPacket({ mac: A, type: 1, client }, options)));
  return file.replace(/[A-Za-z0-9_-]{32}/, 'TOKEN');
}

const HTTPS_SCRIPT = 'https://10.77.0.1:8443/boot/TOKEN/script.ipxe';
const HTTP_SCRIPT = 'http://10.77.0.1:8080/boot/TOKEN/script.ipxe';
const HTTPS_BINARY = 'https://10.77.0.1:8443/boot/ipxe/snponly.efi';
const HTTP_BINARY = 'http://10.77.0.1:8080/boot/ipxe/snponly.efi';

describe('an offer of https', () => {
  it.each([
    ['an iPXE with HTTPS', '', 'ipxe', [SPEAKS_HTTPS], HTTP_SCRIPT],
    ['an iPXE with HTTPS', ', offer: true', 'ipxe', [SPEAKS_HTTPS], HTTPS_SCRIPT],
    ['an iPXE without', ', offer: true', 'ipxe', [], HTTP_SCRIPT],
    ['an iPXE with HTTPS alone', ', offer: true', 'ipxe', [SPEAKS_HTTPS_ALONE], HTTPS_SCRIPT],
    ['an iPXE with HTTPS alone', '', 'ipxe', [SPEAKS_HTTPS_ALONE], 'undionly.kpxe'],
    ['an iPXE with HTTPS', ', offerFirmware: true', 'ipxe', [SPEAKS_HTTPS], HTTP_SCRIPT],
    ['UEFI HTTP Boot', '', 'http', [], HTTP_BINARY],
    ['UEFI HTTP Boot', ', offer: true', 'http', [], HTTP_BINARY],
    ['UEFI HTTP Boot', ', offerFirmware: true', 'http', [], HTTPS_BINARY],
    ['UEFI PXE', ', offer: true, offerFirmware: true', 'uefi', [], 'snponly.efi'],
  ] as const)('%s and tls with "%s"', (_who, offers, client, options, expected) => {
    expect(sentTo(offers, client, [...options])).toBe(expected);
  });

  it('that an iPXE with HTTPS alone would need is said to be missing', () => {
    const world = createWorld();
    const packet = dhcpPacket({ mac: A, type: 1, client: 'ipxe' }, [SPEAKS_HTTPS_ALONE]);
    const outcome = world.dhcp(packet);
    const why = outcome.kind === 'reply' && outcome.event?.name === 'dhcp.offered';
    expect(why && outcome.event.data).toMatchObject({
      why: expect.stringContaining('its script is not offered by HTTPS (machineHttp.tls.offer)'),
    });
  });
});
