/** Options for clients of one vendor class, of which option 43 is one by itself (RFC 2132 8.4). */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../src/config.ts';
import { OPTION, readText, text } from '../../../src/dhcp/options.ts';
import { hexOf, replyOf, wantsOptions } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, mac, type World } from '../../support/world.ts';

const [A, B] = [mac('52:54:00:00:00:0a'), mac('52:54:00:00:00:0b')];

const segment = (raw: string) => `dhcp: { segments: [{ options: { raw: [${raw}] } }] }`;
const world = (raw: string) => createWorld(undefined, segment(raw));
const asking = wantsOptions(43, 66, 67, 150);

function told(on: World, vendorClass: string, of = A, ...more: [number, Uint8Array][]) {
  const named: [number, Uint8Array] = [OPTION.vendorClass, text(vendorClass)];
  return on.dhcp(dhcpPacket({ mac: of, type: 1 }, [named, asking, ...more]));
}

describe('option 43 without a vendor class', () => {
  it.each(['bios', 'uefi', 'http', 'ipxe'] as const)('goes to no %s client', (client) => {
    const outcome = world("{ code: 43, hex: '0601ff', always: true }").dhcp(
      dhcpPacket({ mac: A, type: 1, client }, [asking]),
    );
    expect(hexOf(outcome, 43)).toBeUndefined();
    expect(readText(replyOf(outcome).options.get(67))).not.toBe('');
  });

  it('goes to everybody else', () => {
    const on = world("{ code: 43, hex: '0601ff' }");
    expect(hexOf(told(on, 'udhcp 1.35'), 43)).toBe('0601ff');
    expect(hexOf(on.dhcp(dhcpPacket({ mac: A, type: 1 }, [asking])), 43)).toBe('0601ff');
    expect(hexOf(on.dhcp(dhcpPacket({ mac: A, type: 1 })), 43)).toBeUndefined();
  });

  it('goes to firmware where that is meant', () => {
    const on = world("{ code: 43, hex: '0601ff', vendorClass: PXEClient }");
    const outcome = on.dhcp(dhcpPacket({ mac: A, type: 1, client: 'bios' }, [asking]));
    expect(hexOf(outcome, 43)).toBe('0601ff');
    expect(hexOf(told(on, 'udhcp 1.35', B), 43)).toBeUndefined();
  });
});

describe('an option for a vendor class', () => {
  const SWITCHES = `{ code: 67, text: ztp.sh, vendorClass: Arista }, { code: 150, ipv4: [10.77.0.9] },
    { code: 150, ipv4: [10.77.0.8], vendorClass: Ari }, { code: 150, ipv4: [10.77.0.7], vendorClass: Arista }`;

  it('goes to its clients in the place of the one for all, the last that fits', () => {
    const on = world(SWITCHES);
    const outcome = told(on, 'Arista;DCS-7050');
    expect(readText(replyOf(outcome).options.get(67))).toBe('ztp.sh');
    expect(hexOf(outcome, 150)).toBe('0a4d0007');
    expect(hexOf(told(on, 'Ariel', B), 150)).toBe('0a4d0008');
    expect(hexOf(told(on, 'Arista;DCS-7050'), 150)).toBe('0a4d0007');
  });

  it('goes to nobody else, and leaves the boot decision alone', () => {
    const on = world(SWITCHES);
    const other = told(on, 'Cisco');
    expect([hexOf(other, 67), hexOf(other, 150)]).toEqual([undefined, '0a4d0009']);
    const firmware = on.dhcp(dhcpPacket({ mac: B, type: 1, client: 'uefi' }, [asking]));
    expect(readText(replyOf(firmware).options.get(67))).toBe('snponly.efi');
    // It boots by its architecture, whatever it calls itself.
    const http: [number, Uint8Array] = [OPTION.clientArch, Uint8Array.of(0, 16)];
    const booting = told(on, 'Arista', mac('52:54:00:00:00:0c'), http);
    expect(readText(replyOf(booting).options.get(67))).toMatch(/^http:.*snponly\.efi$/);
  });

  it('is not sent unless it is asked for or always is', () => {
    const on = world(
      '{ code: 224, u8: 1, vendorClass: A, always: true }, { code: 225, u8: 1, vendorClass: A }',
    );
    const outcome = told(on, 'Arista');
    expect([hexOf(outcome, 224), hexOf(outcome, 225)]).toEqual(['01', undefined]);
  });

  it('is laid over the segment’s for one machine', () => {
    const on = createWorld(
      undefined,
      `dhcp:
  segments: [{ options: { raw: [{ code: 43, hex: '01' }] } }]
  machines: [{ mac: '${A}', options: { raw: [{ code: 43, hex: '02', vendorClass: Arista }] } }]`,
    );
    expect(hexOf(told(on, 'Arista'), 43)).toBe('02');
    expect(hexOf(told(on, 'Cisco'), 43)).toBeUndefined();
    expect(hexOf(told(on, 'Cisco', B), 43)).toBe('01');
  });

  it.each(['PXEClient:Arch:00007', 'PXE', 'HTTPClient'])(
    'is no boot file for what begins with %s: that is the boot decision',
    (vendorClass) => {
      const raw = `{ code: 67, text: x, vendorClass: '${vendorClass}' }`;
      expect(() => parseConfig(segment(raw))).toThrow('it is the boot decision');
    },
  );
});
