/** A DHCP packet as an entry of a flight record. */
import { expect, it } from 'vitest';
import { OPTION, text } from '../../../src/dhcp/options.ts';
import { dhcpEntry } from '../../../src/diagnose/from-dhcp.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { dhcpPacket, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const place = { at: 0 as Millis, sender: undefined, port: 67 };

it.each<[string, number[] | undefined, boolean]>([
  ['no option 43', undefined, false],
  ['PXE’s discovery control', [6, 1, 8, 255], true],
  ['PXE’s list of boot servers, behind padding', [0, 8, 7, 0, 0, 1, 10, 77, 0, 9], true],
  ['another vendor’s sub-options', [1, 4, 192, 168, 0, 1], false],
  ['what is none', [1, 200], false],
])('has vendor options where they are PXE’s: %s', (_what, value, expected) => {
  const options: [number, Uint8Array][] = [[OPTION.vendorClass, text('PXEClient')]];
  if (value) options.push([OPTION.vendorSpecific, Uint8Array.from(value)]);
  const entry = dhcpEntry({ ...dhcpPacket({ mac: A, type: 2 }, options), op: 2 }, place);
  expect(entry).toMatchObject({ vendorClass: 'PXEClient', vendorOptions: expected });
});
