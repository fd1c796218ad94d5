import { describe, expect, it } from 'vitest';
import { createBootRules, namedFiles } from '../../../src/boot/binaries.ts';
import { decide } from '../../../src/boot/decide.ts';
import { parseConfig } from '../../../src/config.ts';
import { archCode, architecture, archName, preferredArch } from '../../../src/dhcp/architecture.ts';
import { classify } from '../../../src/dhcp/client-class.ts';
import { OPTION, text } from '../../../src/dhcp/options.ts';
import { replyOf } from '../../support/outcomes.ts';
import { createWorld, dhcpPacket, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const NOBODY = { mac: A, hardwarename: undefined, product: undefined };
const rulesOf = (yaml: string, present: (file: string) => boolean = () => true) =>
  createBootRules(parseConfig(yaml).boot, present);

/** A DISCOVER of firmware with these architecture codes. */
const firmware = (codes: number[], vendor = 'PXEClient') =>
  dhcpPacket({ mac: A, type: 1 }, [
    [OPTION.vendorClass, text(`${vendor}:Arch:${String(codes[0]).padStart(5, '0')}:UNDI:003000`)],
    [OPTION.clientArch, Uint8Array.from(codes.flatMap((code) => [code >> 8, code]))],
  ]);

describe('each architecture, RFC 4578 2.1', () => {
  it.each([
    [0x00, 'PXEClient', 'undionly.kpxe'],
    [0x06, 'PXEClient', 'snponly-ia32.efi'],
    [0x07, 'PXEClient', 'snponly.efi'],
    [0x09, 'PXEClient', 'snponly.efi'],
    [0x0a, 'PXEClient', 'snponly-arm32.efi'],
    [0x0b, 'PXEClient', 'snponly-arm64.efi'],
    [0x0f, 'HTTPClient', 'http://10.77.0.1:8080/boot/ipxe/snponly-ia32.efi'],
    [0x10, 'HTTPClient', 'http://10.77.0.1:8080/boot/ipxe/snponly.efi'],
    [0x12, 'HTTPClient', 'http://10.77.0.1:8080/boot/ipxe/snponly-arm32.efi'],
    [0x13, 'HTTPClient', 'http://10.77.0.1:8080/boot/ipxe/snponly-arm64.efi'],
    [0x19, 'PXEClient', ''],
    [0x1b, 'PXEClient', ''],
    [0x1c, 'HTTPClient', ''],
    [0x27, 'PXEClient', ''],
    [0x14, 'HTTPClient', ''],
    [0x99, 'PXEClient', ''],
  ])('%i as %s: %s', (code, vendor, file) => {
    expect(replyOf(createWorld().dhcp(firmware([code], vendor))).file).toBe(file);
  });

  it('one that we cannot boot is told why, by its name', () => {
    const world = createWorld();
    world.dhcp(firmware([27]));
    const offered = world.inventory.events.after(0, 9).find(({ name }) => name === 'dhcp.offered');
    expect(offered?.data).toMatchObject({
      bootFile: '',
      why: expect.stringContaining('no boot binary for architecture 0x1b (uefi-riscv64)'),
    });
  });

  it('a binary that nobody has built is no error, and the reason names it', () => {
    const world = createWorld(undefined, '', {}, (file) => !file.includes('arm'));
    expect(replyOf(world.dhcp(firmware([11]))).file).toBe('');
    const offered = world.inventory.events.after(0, 9).find(({ name }) => name === 'dhcp.offered');
    expect(offered?.data).toMatchObject({
      why: expect.stringContaining('snponly-arm64.efi for uefi-arm64 is not in boot.assets'),
    });
  });

  it('of several the first that we have a file for counts, of none option 60', () => {
    expect(preferredArch(Uint8Array.of(0, 27, 0, 11, 0, 7))).toBe(11);
    expect(preferredArch(Uint8Array.of(0, 27, 0, 39))).toBe(27);
    expect(preferredArch(Uint8Array.of())).toBe(0);
    const bare = dhcpPacket({ mac: A, type: 1 }, [
      [OPTION.vendorClass, text('PXEClient:Arch:00011:UNDI:003000')],
    ]);
    expect(classify(bare)).toMatchObject({ stage: 'firmware', arch: 11 });
    const odd = [[OPTION.vendorClass, text('PXEClient:Arch:xx')]] as [number, Uint8Array][];
    expect(classify(dhcpPacket({ mac: A, type: 1 }, odd))).toMatchObject({ arch: 0 });
    expect(architecture(0x7777).name).toBe('arch-30583');
  });

  it('a name leads back to a code that has it', () => {
    for (let code = 0; code < 60; code += 1)
      expect(archName(archCode(archName(code)))).toBe(archName(code));
    expect(archCode('')).toBe(0);
  });
});

describe('who is asking', () => {
  const of = (...options: [number, Uint8Array][]) =>
    classify(dhcpPacket({ mac: A, type: 1 }, options));
  const PXE: [number, Uint8Array] = [OPTION.vendorClass, text('PXEClient:Arch:00007:UNDI:003010')];
  const IPXE: [number, Uint8Array] = [OPTION.ipxe, Uint8Array.of(0x13, 1, 1)];
  const user = (value: string): [number, Uint8Array] => [OPTION.userClass, text(value)];

  it.each<[string, [number, Uint8Array][], string, boolean]>([
    ['iPXE as it comes', [PXE, IPXE, user('iPXE')], 'ipxe', false],
    ['iPXE with the length of RFC 3004', [PXE, IPXE, user('\x04iPXE')], 'ipxe', false],
    ['iPXE without a user class', [PXE, IPXE], 'ipxe', false],
    ['iPXE without its option 175', [PXE, user('iPXE')], 'ipxe', false],
    ["a card's own iPXE", [PXE, IPXE, user('mlx-flexboot')], 'firmware', true],
    ['a build of another site', [PXE, IPXE, user('\x09othersite')], 'firmware', true],
    [
      'an iPXE that lists what it can do, and HTTP is not there',
      [PXE, user('iPXE'), [OPTION.ipxe, Uint8Array.of(0x15, 1, 1, 0xb1, 1, 0x13)]],
      'firmware',
      true,
    ],
    [
      "a site's own iPXE, with HTTPS and without HTTP",
      [PXE, user('iPXE'), [OPTION.ipxe, Uint8Array.of(0x15, 1, 1, 0x14, 1, 1)]],
      'ipxe',
      false,
    ],
    [
      'an iPXE that lists nothing of what it can do',
      [PXE, user('iPXE'), [OPTION.ipxe, Uint8Array.of(0xb1, 5, 1, 0x80, 0x86, 0x10, 0x0e)]],
      'ipxe',
      false,
    ],
    ['firmware', [PXE], 'firmware', false],
    ['firmware with a user class', [PXE, user('rack-7')], 'firmware', false],
    ['an operating system', [], 'os', false],
    ['an operating system with a user class', [user('rack-7')], 'os', false],
    [
      'HTTP Boot that only its architecture shows',
      [[OPTION.clientArch, Uint8Array.of(0, 16)]],
      'http-boot',
      false,
    ],
  ])('%s', (_who, options, stage, foreignIpxe) => {
    expect(of(...options)).toMatchObject({ stage, foreignIpxe });
  });

  it('a foreign iPXE is handed our binary by name, three times at most in one boot, then the script', () => {
    const world = createWorld();
    const packet = dhcpPacket({ mac: A, type: 1 }, [PXE, IPXE, user('mlx-flexboot')]);
    expect(replyOf(world.dhcp(packet)).file).toBe('snponly.efi');
    const boot = world.inventory.boots.latest(A);
    if (!boot) throw new Error('no boot');
    const decision = decide({
      client: { stage: 'firmware', arch: 7, foreignIpxe: true },
      state: 'unknown',
      work: undefined,
      installed: false,
      binariesServed: 3,
      binary: { file: 'snponly.efi', present: true, why: undefined, loader: 'ipxe' },
      localBoot: 'auto',
    });
    expect(decision.delivery).toEqual({ kind: 'script' });
  });
});

describe('rules for one machine or one type', () => {
  const yaml = `
boot:
  binaries: { uefiX64: snponly.efi }
  localBoot: exit
  machines:
    - { mac: '${A}', binaries: { uefiX64: for-mac.efi } }
    - { hardwarename: SN-1, binaries: { uefiX64: for-name.efi }, localBoot: sanboot }
  hardwareTypes:
    - { product: PowerEdge R230, binaries: { uefiX64: for-type.efi, bios: ipxe.pxe }, localBoot: exit-success }
`;
  const rules = rulesOf(yaml);
  const other = mac('52:54:00:00:00:0b');
  const named = { mac: other, hardwarename: 'SN-1' as never, product: 'PowerEdge R230' };

  it.each([
    ['by MAC before all others', { ...named, mac: A }, 'for-mac.efi'],
    ['by hardwarename', named, 'for-name.efi'],
    [
      'by type, in any case',
      { ...named, hardwarename: undefined, product: 'poweredge r230' },
      'for-type.efi',
    ],
    ['by none', { mac: other, hardwarename: undefined, product: 'Other' }, 'snponly.efi'],
  ])('%s', (_how, subject, file) => {
    expect(rules.choose('uefiX64', subject, { stuck: false }).file).toBe(file);
  });

  it('what a rule does not name falls through to the next', () => {
    expect(rules.choose('bios', { ...named, mac: A }, { stuck: false }).file).toBe('ipxe.pxe');
    expect(rules.localBootOf({ ...named, mac: A })).toBe('sanboot');
    expect(rules.localBootOf({ ...named, hardwarename: undefined })).toBe('exit-success');
    expect(rules.localBootOf(NOBODY)).toBe('exit');
  });

  it('every file that is named anywhere is known at the start', () => {
    expect(namedFiles(parseConfig(yaml).boot)).toEqual(
      expect.arrayContaining([
        'for-mac.efi',
        'for-name.efi',
        'for-type.efi',
        'ipxe.pxe',
        'ipxe.efi',
      ]),
    );
  });
});

describe('Secure Boot', () => {
  const yaml = `
boot:
  secureBoot:
    uefiX64: { first: shimx64.efi, second: ipxe-signed.efi }
    uefiIa32: { first: shimia32.efi, second: ipxe-signed-ia32.efi }
    uefiArm64: { first: shimaa64.efi, second: ipxe-signed-arm64.efi }
  machines: [{ mac: '${A}', binaries: { uefiX64: ipxe.efi } }]`;

  it('hands out the shim, and the signed file under the name that the shim asks for', () => {
    const rules = rulesOf(yaml);
    const someone = { ...NOBODY, mac: mac('52:54:00:00:00:0b') };
    expect(rules.choose('uefiX64', someone, { stuck: false })).toEqual({
      file: 'shimx64.efi',
      present: true,
      why: 'Secure Boot: it then asks for grubx64.efi',
      loader: 'ipxe',
    });
    expect(rules.choose('uefiArm64', someone, { stuck: false }).file).toBe('shimaa64.efi');
    expect(rules.choose('uefiX64', NOBODY, { stuck: false }).file).toBe('ipxe.efi');
    expect(rules.choose('bios', someone, { stuck: false }).file).toBe('undionly.kpxe');
    const asked = ['grubx64.efi', 'grubia32.efi', 'grubaa64.efi', 'shimx64.efi'];
    expect(asked.map(rules.servedAs)).toEqual([
      'ipxe-signed.efi',
      'ipxe-signed-ia32.efi',
      'ipxe-signed-arm64.efi',
      'shimx64.efi',
    ]);
    expect(asked.map((name) => rules.standIns.get(name) ?? name)).toEqual(
      asked.map(rules.servedAs),
    );
  });

  it('is handed out whatever became of the last boots: no alternative is signed', () => {
    const rules = rulesOf(yaml);
    const someone = { ...NOBODY, mac: mac('52:54:00:00:00:0b') };
    const chosen = (stuck: boolean, works: string | undefined, ...fails: string[]) =>
      rules.choose('uefiX64', someone, { stuck, experience: { works, fails: new Set(fails) } });
    expect(chosen(true, undefined).file).toBe('shimx64.efi');
    expect(chosen(false, undefined, 'snponly.efi', 'shimx64.efi').file).toBe('shimx64.efi');
    expect(chosen(true, 'ipxe.efi').file).toBe('shimx64.efi');
    expect(rules.hasAlternative('uefiX64')).toBe(false);
    expect(rulesOf('').hasAlternative('uefiX64')).toBe(true);
    expect(rulesOf('').choose('uefiX64', someone, { stuck: true }).file).toBe('ipxe.efi');
  });

  it('is what firmware is offered', () => {
    const world = createWorld(undefined, yaml);
    const packet = dhcpPacket({ mac: mac('52:54:00:00:00:0b'), type: 1, client: 'uefi' });
    expect(replyOf(world.dhcp(packet)).file).toBe('shimx64.efi');
    expect(world.desk.servedAs('grubx64.efi')).toBe('ipxe-signed.efi');
  });
});
