/**
 * A hall behind one network that powers on within a second, by Debian's shim and GRUB. What each machine asks for, in this order and
 * with these options, is what the scenario `secure-boot` saw of shim 16.1 and GRUB 2.06 (grub-efi-amd64-signed 2.06-13+deb12u2):
 * seven of its thirteen names are of files that it does without. Until it is told so it waits, and asks nothing else.
 */
import { describe, expect, it } from 'vitest';
import {
  createTftpWorld,
  endpoint,
  fetchFile,
  type Patience,
  type TftpWorld,
} from '../../support/tftp-world.ts';

/** edk2's: it asks again after 4 s, six times in all (MtftpDxe). GRUB's: after 400 ms, forty times (GRUB_NET_INTERVAL, _TRIES). */
const FIRMWARE: Patience = { afterMs: 4000, times: 6 };
const GRUB: Patience = { afterMs: 400, times: 40 };
const SHIM_OPTIONS = { blksize: '512', windowsize: '4' };
const GRUB_OPTIONS = { blksize: '1024', tsize: '0' };
const shim = (file: string) => ({ file, patience: FIRMWARE, options: SHIM_OPTIONS });
const grub = (file: string) => ({ file, patience: GRUB, options: GRUB_OPTIONS });
const sequence = (token: string) => [
  { ...shim(`boot/${token}/shimx64.efi`), options: { blksize: '1468', windowsize: '4' } },
  ...['revocations_sku.efi', 'revocations_sbat.efi', 'shim_certificate_0.efi', 'grubx64.efi'].map(
    (name) => shim(`boot/${token}/${name}`),
  ),
  ...['command', 'fs', 'crypto', 'terminal'].map((name) => grub(`grub/x86_64-efi/${name}.lst`)),
  grub('grub/grub.cfg'),
  ...['grub.cfg', 'vmlinuz', 'initrd.img'].map((name) => grub(`boot/${token}/${name}`)),
];
const SERVED = ['shimx64.efi', 'grubx64.efi', 'grub.cfg', 'vmlinuz', 'initrd.img'];
const MACHINES = 200;
const tokenOf = (machine: number): string => `${machine}`.padStart(32, 'a');

/** One after the other, each from a port of its own. @param done when it has the last one, or gives up */
function boot(world: TftpWorld, machine: number, done: (got: string[]) => void): void {
  const got: string[] = [];
  const all = sequence(tokenOf(machine));
  const next = (index: number): void => {
    const one = all[index];
    if (!one) {
      done(got);
      return;
    }
    const from = endpoint(`10.78.${machine >> 8}.${machine & 255}`, 1024 + machine * 16 + index);
    const fetch = fetchFile(world, from, one.file, one.options, one.patience);
    const look = (): void => {
      const outcome = fetch.outcome();
      if (outcome === 'whole') got.push(one.file);
      if (outcome === 'running') world.later(1, look);
      else if (outcome === 'whole' || outcome.startsWith('there is no file')) next(index + 1);
      else done(got);
    };
    look();
  };
  next(0);
}

function powerOn() {
  const file = Buffer.alloc(20_000, 'abcdefg');
  const files: Record<string, Uint8Array> = { 'grub/grub.cfg': file.subarray(0, 362) };
  for (let machine = 0; machine < MACHINES; machine++)
    for (const name of SERVED) files[`boot/${tokenOf(machine)}/${name}`] = file;
  const world = createTftpWorld(files, { cacheBytes: 100_000_000, findMs: 1 });
  const seconds: number[] = [];
  const fetched = new Set<string>();
  const begun = world.now();
  for (let machine = 0; machine < MACHINES; machine++)
    world.later((machine * 1000) / MACHINES, () =>
      boot(world, machine, (got) => {
        seconds.push((world.now() - begun) / 1000);
        for (const name of got) fetched.add(name);
      }),
    );
  world.run(120_000, () => seconds.length === MACHINES);
  return { world, fetched, files, last: Math.max(...seconds) };
}

describe('a hall of 200 machines with Secure Boot', () => {
  const { world, fetched, files, last } = powerOn();

  it('has all its files, and nobody had to ask twice', () => {
    expect(Object.keys(files).filter((name) => !fetched.has(name))).toEqual([]);
    expect(world.drops.filter((reason) => reason !== 'optional-file')).toEqual([]);
    expect(world.errors).toEqual([]);
    expect(last).toBeLessThan(2);
  });

  it('leaves no trace of what it does without', () => {
    expect(world.drops).toHaveLength(7 * MACHINES);
    expect(world.events.filter(({ name }) => name === 'tftp.failed')).toEqual([]);
  });
});
