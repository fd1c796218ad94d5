/** Options as text: each shape, options inside of options, and values that do not have their shape. */
import { describe, expect, it } from 'vitest';
import { optionName } from '../../../src/dhcp/option-names.ts';
import { readOption } from '../../../src/dhcp/option-text.ts';

const hexBytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
const ascii = (text: string) => Buffer.from(text, 'latin1').toString('hex');
const read = (code: number, hex: string, vendorClass = '') => {
  const { text, parts } = readOption(code, hexBytes(hex), { vendorClass });
  return parts.length > 0 ? parts : text;
};

describe('readOption', () => {
  it.each([
    [1, 'ffffff00', '255.255.255.0'],
    [2, 'fffff1f0', '-3600'],
    [3, '0a4d0001 0a4d0002', '10.77.0.1 10.77.0.2'],
    [33, '0a000000 0a4d0001', '10.0.0.0 10.77.0.1'],
    [51, '00000258', '600 s'],
    [51, 'ffffffff', 'for ever'],
    [52, '03', 'file and sname'],
    [53, '02', 'OFFER'],
    [55, '0103062b', '1 3 6 43'],
    [61, '01 525400123456', 'ethernet 52:54:00:12:34:56'],
    [61, 'ff 00000001 0004 0102030405', 'iaid 00000001 duid 00040102030405'],
    [61, `00${ascii('name')}`, '"name"'],
    [66, `${ascii('10.77.0.1')}00`, '"10.77.0.1"'],
    [67, ascii('a"b\\c\x1b[2J\x9b'), '"a\\x22b\\x5cc\\x1b[2J\\x9b"'],
    [77, ascii('iPXE'), '"iPXE"'],
    [77, `04${ascii('iPXE')}03${ascii('abc')}`, '"iPXE" "abc"'],
    [80, '', 'yes'],
    [81, '05 00 00 03 77 65 62 03 6c 61 62 00', 'web.lab flags SE'],
    [81, `00 00 00 ${ascii('web')}`, '"web" flags none'],
    [93, '0007 0010', '7 uefi-x64, 16 uefi-x64-http'],
    [94, '01030a', 'type 1, version 3.10'],
    [97, '00 4445 4c4c 4200 1035 8052 b4c04f4e3732', '4c4c4544-0042-3510-8052-b4c04f4e3732'],
    [119, '03 6c 61 62 07 65 78 61 6d 70 6c 65 00 01 61 c0 04', 'lab.example a.example'],
    [121, '18 0a4e00 0a4d0002 00 0a4d0001', '10.78.0.0/24 via 10.77.0.2, 0.0.0.0/0 via 10.77.0.1'],
    [224, 'abcd', 'abcd'],
  ])('%i %s', (code, hex, text) => expect(read(code, hex)).toBe(text));

  it.each([
    [
      'PXE',
      43,
      '06 01 08 08 07 0000 01 0a4d0001 09 07 0000 04 50 58 45 21 0a 04 00 50 58 45 47 04 0001 0000 ff',
      'PXEClient:Arch:00007',
      [
        '6 discovery control: 8 (boot the file of this offer)',
        '8 boot servers: type 0: 10.77.0.1',
        '9 boot menu: type 0: "PXE!"',
        '10 menu prompt: 0 s "PXE"',
        '71 boot item: type 1, layer 0',
      ],
    ],
    ["another vendor's", 43, '01 02 abcd 00 ff', 'anything', ['1 sub-option: abcd']],
    [
      'the relay',
      82,
      `01 03 ${ascii('ge1')} 02 02 0102 05 04 0a4e0000 0b 04 0a4e0001 13 02 1043`,
      '',
      [
        '1 circuit id: "ge1"',
        '2 remote id: 0102',
        '5 link selection: 10.78.0.0',
        '11 server id override: 10.78.0.1',
        '19 source port: 4163',
      ],
    ],
    ['vendor classes', 124, `00000137 04 03 ${ascii('abc')}`, '', ['enterprise 311: "abc"']],
    [
      'vendor options',
      125,
      `00000009 07 01 02 abcd 02 01 41`,
      '',
      ['enterprise 9, 1: abcd', 'enterprise 9, 2: "A"'],
    ],
    [
      'iPXE',
      175,
      'b1 05 01 80 86 10 0e 13 01 01 24 01 01 eb 03 01 15 01 01 01 f6 bf 02 6869 ff',
      '',
      [
        'features: HTTP EFI',
        '177 bus id: pci 8086:100e',
        '235 version: 1.21.1',
        '1 priority: -10',
        '191 password: (not shown)',
      ],
    ],
  ])('options inside of one: %s', (_name, code, hex, vendorClass, parts) =>
    expect(read(code, hex, vendorClass)).toEqual(parts),
  );

  it.each([
    ['an address of three bytes', 1, '0a4d00'],
    ['half a list', 3, '0a4d00010a'],
    ['an empty list', 6, ''],
    ['an unknown message type', 53, 'c8'],
    ['an odd list of architectures', 93, '000700'],
    ['a UUID of 16 bytes', 97, '00112233445566778899aabbccddeeff'],
    ['a name that does not end', 119, '03 6c 61'],
    ['a name that points to itself', 119, 'c000'],
    ['a name that points ahead', 119, 'c003 00 00'],
    ['a prefix of 33 bits', 121, '21 0a4e000000 0a4d0001'],
    ['a route cut short', 121, '18 0a4e00'],
    ['a sub-option that runs over', 82, '0105aa'],
    ['an enterprise that runs over', 125, '0000000920ab'],
    ['a boot server list that runs over', 175, 'b105'],
  ])('%s comes out as hex', (_name, code, hex) =>
    expect(read(code, hex)).toBe(hex.replaceAll(' ', '')),
  );

  it('every code has a name', () => {
    expect([1, 43, 121, 175, 224].map(optionName)).toEqual([
      'subnet mask',
      'vendor specific',
      'classless routes',
      'ipxe',
      'option',
    ]);
  });
});
