/**
 * What users of other provisioning systems complained of, one test for each complaint that our decisions can settle
 * without a machine. The number in a name is the row of that list; what needs hardware or a virtual machine is not here.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadScripts } from '../../../src/boot/render-ipxe.ts';
import { LOCAL_BOOT_METHODS } from '../../../src/boot/settings.ts';
import { OPTION, u32 } from '../../../src/dhcp/options.ts';
import { hexOf, names, replyOf } from '../../support/outcomes.ts';
import { bytesOf, report } from '../../support/reports.ts';
import { type CLIENTS, createWorld, dhcpPacket, mac, type World } from '../../support/world.ts';

const A = mac('52:54:00:77:00:01');
const discover = (world: World, client: keyof typeof CLIENTS, secs = 0) =>
  world.dhcp({ ...dhcpPacket({ mac: A, type: 1, client }), secs });
const whyOf = (world: World) =>
  world.inventory.events
    .after(0, 100)
    .flatMap((event) => (event.name === 'dhcp.offered' ? [event.data.why] : []))
    .at(-1);

/** A machine on record: it booted, reported, and has the state that follows from what was done with it. */
function register(world: World, states: readonly ('installing' | 'in-use' | 'recycling')[] = []) {
  discover(world, 'ipxe');
  const boot = world.inventory.boots.latest(A);
  if (!boot) throw new Error('no boot');
  world.inventory.boots.scriptServed(boot.id);
  const token = world.inventory.tokens.mint(boot.id, A, 'boot');
  const { machine } = world.inventory.ingest({ token, body: bytesOf(report({ macs: [A] })) });
  for (const state of states) {
    const by = state === 'recycling' ? 'owner' : 'job';
    world.inventory.machines.transition(machine.hardwarename, state, { by, why: 'test' });
  }
  world.pass(600_000);
}

/** Firmware asks, fetches its binary, and whatever follows is up to the test. */
function fetchBinary(world: World, client: 'uefi' | 'bios' = 'uefi'): void {
  discover(world, client);
  const boot = world.inventory.boots.latest(A);
  if (boot) world.inventory.boots.binaryServed(boot.id);
}

describe('row 3: a proxy that UEFI firmware does not hear', () => {
  const proxy = () => createWorld(undefined, 'dhcp: { segments: [{ mode: proxy }] }');
  it('is named: DISCOVERs that repeat with secs 0, 4, 12, 28 and never a visit to port 4011', () => {
    const whys = [0, 4, 12, 28].map((secs) => {
      const world = proxy();
      discover(world, 'uefi', secs);
      return whyOf(world)?.includes('never came to port 4011');
    });
    expect(whys).toEqual([false, false, true, true]);
  });
  it('is not how we answer by default: one server, one offer, address and file together', () => {
    const offer = discover(createWorld(), 'uefi');
    expect(replyOf(offer)).toMatchObject({ file: 'snponly.efi' });
    expect(replyOf(offer).yiaddr).not.toBe(0);
  });
  it('iPXE, whose secs mean nothing, is not blamed', () => {
    const world = proxy();
    discover(world, 'ipxe', 18);
    expect(whyOf(world)).not.toContain('4011');
  });
});

describe('row 4: option 60 without option 43 sends edk2 to port 4011, where nobody answers', () => {
  it.each(['bios', 'uefi', 'ipxe', 'os'] as const)('a leased offer to %s has neither', (client) => {
    const offer = discover(createWorld(), client);
    expect(hexOf(offer, OPTION.vendorClass)).toBeUndefined();
    expect(hexOf(offer, OPTION.vendorSpecific)).toBeUndefined();
  });
  it('a proxy that sends it does answer there', () => {
    const world = createWorld(undefined, 'dhcp: { segments: [{ mode: proxy }] }');
    expect(hexOf(discover(world, 'uefi'), OPTION.vendorClass)).toBeDefined();
    const request = dhcpPacket({ mac: A, type: 3, client: 'uefi' });
    expect(replyOf(world.dhcp(request, 'prov0', 'proxy')).file).toBe('snponly.efi');
  });
});

describe('row 5: slow TFTP', () => {
  it('carries the first small binary only: all that follows comes over HTTP', () => {
    const world = createWorld();
    expect(replyOf(discover(world, 'uefi')).file).toBe('snponly.efi');
    expect(replyOf(discover(world, 'ipxe')).file).toMatch(/^http:/);
    const scripts = ['pxeimage', 'local-disk', 'nothing'].map((name) =>
      readFileSync(`ipxe-scripts/${name}.ipxe`, 'utf8'),
    );
    for (const script of scripts) expect(script).not.toMatch(/tftp:/);
  });
});

describe('row 6: an answer that waits for a remote controller', () => {
  it('is made in one turn: what a machine boots is a value, not a promise', () => {
    const world = createWorld();
    const outcome = discover(world, 'uefi');
    expect(outcome).not.toBeInstanceOf(Promise);
    expect(outcome.kind).toBe('reply');
  });
});

describe('row 17: after an install the firmware boots the disk first, or never again', () => {
  it('whatever the firmware does, the state decides: an in-use machine that netboots is sent to its disk', () => {
    const world = createWorld();
    register(world, ['installing', 'in-use']);
    expect(replyOf(discover(world, 'uefi')).file).toBe('snponly.efi');
    expect(whyOf(world)).toContain('in use: its local disk');
  });
  it('and one that is to be wiped is not, though its disk would boot', () => {
    const world = createWorld();
    register(world, ['installing', 'in-use', 'recycling']);
    discover(world, 'uefi');
    expect(whyOf(world)).toContain('nothing destructive is served');
  });
});

describe('row 18: a machine that never stops netbooting, or loops into the installer', () => {
  it('without a live work order `installing` waits, boot after boot', () => {
    const world = createWorld();
    register(world, ['installing']);
    for (let boot = 0; boot < 5; boot++) {
      discover(world, 'ipxe');
      expect(whyOf(world)).toContain('no live work order');
      const latest = world.inventory.boots.latest(A);
      if (latest) world.inventory.boots.scriptServed(latest.id);
      world.pass(120_000);
    }
  });
  it('our iPXE is never handed a binary, however often it asks', () => {
    const world = createWorld();
    fetchBinary(world, 'bios');
    for (let again = 0; again < 20; again++) {
      expect(replyOf(discover(world, 'ipxe')).file).toMatch(/script\.ipxe$/);
    }
  });
});

describe('row 19: `exit` works on one of six models', () => {
  const scripts = loadScripts((name) => readFileSync(`ipxe-scripts/${name}`, 'utf8'));
  it('the way to the disk is chosen for a model, and each way is another script', () => {
    const yaml = 'boot: { hardwareTypes: [{ product: Model-X, localBoot: sanboot }] }';
    const world = createWorld(undefined, yaml);
    register(world, ['installing', 'in-use']);
    discover(world, 'ipxe');
    const boot = world.inventory.boots.latest(A);
    if (!boot) throw new Error('no boot');
    const { script } = world.desk.scriptFor(boot, 'T'.repeat(32) as never, {
      ...{ url: 'http://10.77.0.1', loader: 'ipxe' },
    });
    expect(script).toContain('sanboot --no-describe --drive 0x80 || exit 1');
    expect(script).not.toContain('iseq');
  });
  it.each(LOCAL_BOOT_METHODS)('%s ends iPXE, and says which machine it was', (method) => {
    const script = scripts.render(
      { target: { kind: 'local-disk', method }, delivery: { kind: 'script' }, reasons: ['why'] },
      { url: '', token: '', mac: A, machine: 'SN-1', kernelArguments: '' },
    );
    expect(script).toMatch(/^#!ipxe\n/);
    expect(script).toContain('echo Reveille: SN-1: why');
    expect(script).toMatch(/^(exit|sanboot)/m);
  });
});

describe('row 20: iPXE hangs at "initialising devices", and nobody knows', () => {
  it('the next boot is handed the binary with other drivers, and the reason is told', () => {
    const world = createWorld();
    fetchBinary(world);
    world.pass(600_000);
    expect(replyOf(discover(world, 'uefi')).file).toBe('ipxe.efi');
    expect(whyOf(world)).toContain('its last boot fetched the usual file and iPXE never came up');
    // The same boot asks again, by REQUEST: the same file.
    const take: [number, Uint8Array] = [
      OPTION.requestedAddress,
      u32(replyOf(discover(world, 'uefi')).yiaddr),
    ];
    const ack = world.dhcp(dhcpPacket({ mac: A, type: 3, client: 'uefi' }, [names(), take]));
    expect(replyOf(ack).file).toBe('ipxe.efi');
  });

  it('a boot that reached iPXE, or that fetched nothing, is no reason', () => {
    const reached = createWorld();
    fetchBinary(reached);
    discover(reached, 'ipxe');
    reached.pass(7_200_000);
    expect(replyOf(discover(reached, 'uefi')).file).toBe('snponly.efi');
    const nothing = createWorld();
    discover(nothing, 'uefi');
    nothing.pass(600_000);
    expect(replyOf(discover(nothing, 'uefi')).file).toBe('snponly.efi');
  });

  it('a binary that is not there is no help', () => {
    const world = createWorld(undefined, '', {}, (file) => file !== 'ipxe.efi');
    fetchBinary(world);
    world.pass(600_000);
    expect(replyOf(discover(world, 'uefi')).file).toBe('snponly.efi');
  });
});
