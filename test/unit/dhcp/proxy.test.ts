import { describe, expect, it } from 'vitest';
import { MESSAGE, OPTION, text } from '../../../src/dhcp/options.ts';
import { hexOf, names, replyOf, shown } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, ipv4, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const world = () => createWorld(undefined, 'dhcp: { segments: [{ mode: proxy }] }');
const CLIENT_ADDRESS = ipv4('10.77.0.112');

describe('a proxy segment', () => {
  it('tells BIOS firmware to take the file of the offer: no menu, no discovery', () => {
    const offer = world().dhcp(dhcpPacket({ mac: A, type: 1, client: 'bios' }));
    expect(shown(offer)).toBe('offer 0.0.0.0');
    expect(replyOf(offer)).toMatchObject({ file: 'undionly.kpxe', siaddr: ipv4('10.77.0.1') });
    expect(hexOf(offer, OPTION.vendorClass)).toBe(Buffer.from('PXEClient').toString('hex'));
    expect(hexOf(offer, OPTION.vendorSpecific)).toBe('060108ff');
    expect([...replyOf(offer).options.keys()]).not.toContain(OPTION.leaseTime);
    expect([...replyOf(offer).options.keys()]).not.toContain(OPTION.subnetMask);
  });

  it('offers UEFI HTTP Boot its URL', () => {
    const offer = world().dhcp(dhcpPacket({ mac: A, type: 1, client: 'http' }));
    expect(replyOf(offer).yiaddr).toBe(0);
    expect(hexOf(offer, OPTION.vendorClass)).toBe(Buffer.from('HTTPClient').toString('hex'));
    expect(replyOf(offer).options.has(OPTION.vendorSpecific)).toBe(false);
    expect(replyOf(offer).file).toBe('http://10.77.0.1:8080/boot/ipxe/snponly.efi');
  });

  it('echoes the entry of a boot menu that a client asks for', () => {
    const item = [71, 4, 0, 0, 0, 0];
    const ack = world().dhcp(
      dhcpPacket({ mac: A, type: 3, client: 'bios', ciaddr: CLIENT_ADDRESS }, [
        [OPTION.vendorSpecific, Uint8Array.of(0, 9, 1, 7, ...item, 255)],
      ]),
      'prov0',
      'proxy',
    );
    expect(hexOf(ack, OPTION.vendorSpecific)).toBe(Buffer.from([...item, 255]).toString('hex'));
    expect(replyOf(ack)).toMatchObject({ yiaddr: CLIENT_ADDRESS, ciaddr: 0 });
  });

  it.each<[string, Parameters<typeof dhcpPacket>[0], 'proxy' | undefined, string]>([
    ['an operating system', { mac: A, type: 1 }, undefined, 'drop not-a-boot-client'],
    ['one on port 4011', { mac: A, type: 3 }, 'proxy', 'drop not-a-boot-client'],
    [
      'a REQUEST on port 67',
      { mac: A, type: 3, client: 'uefi' },
      undefined,
      'drop not-for-a-proxy',
    ],
    [
      'a DISCOVER on port 4011',
      { mac: A, type: 1, client: 'uefi' },
      'proxy',
      'drop not-for-a-proxy',
    ],
    ['a RELEASE', { mac: A, type: 7, client: 'uefi' }, undefined, 'drop not-for-a-proxy'],
    ['a DECLINE', { mac: A, type: 4, client: 'uefi' }, undefined, 'drop not-for-a-proxy'],
  ])('is silent to %s', (_who, packet, via, expected) => {
    const on = world();
    expect(shown(on.dhcp(dhcpPacket(packet), 'prov0', via))).toBe(expected);
    expect(on.inventory.leases.count()).toBe(0);
  });

  it('has nothing for firmware of an architecture that it has no file for', () => {
    const riscv: [number, Uint8Array][] = [
      [OPTION.vendorClass, text('PXEClient:Arch:00027:UNDI:003000')],
      [OPTION.clientArch, Uint8Array.of(0, 27)],
    ];
    expect(shown(world().dhcp(dhcpPacket({ mac: A, type: 1 }, riscv)))).toBe(
      'drop not-a-boot-client',
    );
  });

  it('answers INFORM on port 4011 like REQUEST', () => {
    const packet = dhcpPacket({
      mac: A,
      type: MESSAGE.inform,
      client: 'uefi',
      ciaddr: CLIENT_ADDRESS,
    });
    expect(world().dhcp(packet, 'prov0', 'proxy')).toMatchObject({ kind: 'reply', to: 'source' });
  });

  it('leaves no lease behind, whatever it answered', () => {
    const on = world();
    on.dhcp(dhcpPacket({ mac: A, type: 1, client: 'uefi' }));
    const request = dhcpPacket({ mac: A, type: 3, client: 'uefi', ciaddr: CLIENT_ADDRESS });
    on.dhcp(request, 'prov0', 'proxy');
    expect(on.inventory.leases.count()).toBe(0);
    expect(on.eventNames()).toEqual(['boot.started', 'dhcp.offered', 'dhcp.acked']);
  });
});

describe('a server segment', () => {
  it('has no business on port 4011', () => {
    const packet = dhcpPacket({ mac: A, type: 3, client: 'uefi' }, [names()]);
    expect(shown(createWorld().dhcp(packet, 'prov0', 'proxy'))).toBe('drop not-for-a-proxy');
  });
});
