/**
 * Block size and way to the local disk, learned as boot binary and boot override are (recorder.test.ts): a named failure, the next
 * alternative by itself, what worked at once from then on, for another machine of the model, too.
 */
import { describe, expect, it } from 'vitest';
import { blksizeMaxOf, followBlksizeCaps } from '../../../src/daemon/tftp.ts';
import { negotiate } from '../../../src/tftp/negotiate.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { A, record } from '../../support/recording.ts';
import { bytesOf, report } from '../../support/reports.ts';
import { mac } from '../../support/world.ts';

const B = mac('52:54:00:00:00:0b');
const HOUR = 3_700_000;

type World = ReturnType<typeof record>;

/** Boots and reports; both machines are of one model and firmware. */
function register({ inventory }: World, of: Mac, serial: string) {
  const sighting = { mac: of, client: 'ipxe', arch: 'bios', hardwarename: undefined } as const;
  const boot = inventory.boots.sight(sighting)?.boot ?? expect.fail();
  const token = inventory.transaction(() => inventory.tokens.mint(boot.id, of, 'boot'));
  const uuid = `4c4c4544-0042-3510-8052-${serial.slice(-4).padStart(12, '0')}`;
  inventory.ingest({ token, body: bytesOf(report({ macs: [of], serial, uuid })) });
  return inventory.machines.byMac(of)?.hardwarename ?? expect.fail();
}

const learned = ({ inventory }: World, trait: string) =>
  inventory.serverdb.quirks
    .list()
    .filter((one) => one.trait === trait)
    .map(({ scope, value, outcome, why }) => `${scope}: ${value} ${outcome}, ${why}`);

describe('a block size', () => {
  /** One boot of A: TFTP grants what it grants this machine now. */
  function boot(world: World, ends: 'refused' | 'sent'): string {
    world.lease('uefi');
    const acked = world.inventory.events
      .after(0, 5000)
      .findLast((one) => one.name === 'dhcp.acked');
    const address = acked?.name === 'dhcp.acked' ? acked.data.address : '';
    const most = blksizeMaxOf(world, address);
    const terms = negotiate(new Map([['blksize', '1468']]), 100_000, most);
    const file = 'snponly.efi';
    const { blksizeBytes, windowsize } = terms;
    const granted = `blksize ${blksizeBytes}`;
    const asked = 'blksize 1468';
    const started = { file, blksizeBytes, windowsize, sizeBytes: 100_000, asked, granted };
    world.append({ name: 'tftp.started', data: started });
    if (ends === 'refused') {
      const why = 'the client aborted: error 8';
      world.append({
        name: 'tftp.failed',
        data: { file, why, block: -1, acked: -1, probe: false, retransmits: 0, unheard: 0 },
      });
      for (let second = 0; second < 40; second++) world.step();
    } else {
      const data = { file, sizeBytes: 100_000, durationMs: 20, retransmits: 0 };
      world.append({ name: 'tftp.sent', data });
      world.inventory.transaction(() => world.inventory.boots.binaryServed(world.bootId()));
      world.lease('ipxe');
      world.append({ name: 'ipxe.script', data: { mode: 'wait', why: '' } });
      world.step();
    }
    world.pass(HOUR);
    return granted;
  }

  it('of somebody is known from the commit on, and forgotten with the last one', () => {
    const { inventory } = record();
    const { quirks } = inventory.serverdb;
    const told: boolean[] = [];
    const stop = followBlksizeCaps({ inventory } as World, (known) => void told.push(known));
    const key = { scope: 'machine', subject: A, trait: 'blksize', value: '1468' } as const;
    inventory.transaction(() => {
      quirks.learn({ ...key, outcome: 'fails', why: '', since: 0 });
      expect(told).toEqual([false]);
    });
    expect(told.at(-1)).toBe(true);
    inventory.transaction(() => quirks.remove(key, 'someone'));
    expect(told.at(-1)).toBe(false);
    const count = told.length;
    stop();
    inventory.transaction(() => quirks.learn({ ...key, outcome: 'fails', why: '', since: 0 }));
    expect(told.length).toBe(count);
  });

  it('that is refused gives way to a smaller one, which is granted from then on', () => {
    const world = record();
    register(world, A, 'SN-0001');
    register(world, B, 'SN-0002');
    world.pass(HOUR);
    expect(boot(world, 'refused')).toBe('blksize 1468');
    expect(world.diagnosed()).toEqual(['tftp-options-refused']);
    expect(boot(world, 'sent')).toBe('blksize 1024');
    expect(boot(world, 'sent')).toBe('blksize 1024');
    expect(learned(world, 'blksize')).toEqual([
      ...['machine: 1024 works, 1468 failed before'],
      ...['machine: 1468 fails, tftp-options-refused'],
      'model: 1024 works, it worked on SN-0001',
    ]);
    const { quirks } = world.inventory.serverdb;
    const other = world.inventory.machines.byMac(B)?.hardwarename;
    expect(quirks.known('blksize', B, other).works).toBe('1024');
  });
});

describe('a way to the local disk', () => {
  it('that comes back gives way to the next, and the one that an operating system came by is kept', () => {
    const world = record();
    const { inventory, desk } = world;
    const names = [register(world, A, 'SN-0001'), register(world, B, 'SN-0002')] as const;
    inventory.transaction(() => {
      for (const name of names)
        world.db.prepare("UPDATE machines SET state = 'in-use' WHERE hardwarename = ?").run(name);
    });
    const scriptOf = (of: Mac) => {
      const boot = inventory.boots.latest(of) ?? expect.fail();
      return inventory.transaction(() => {
        const { script, decision } = desk.scriptFor(boot, 'x'.repeat(32) as never, {
          ...{ url: 'http://a', loader: 'ipxe' },
        });
        expect(decision.target.kind).toBe('local-disk');
        return script;
      });
    };
    /** Sent to its disk; what it does then is up to the test. */
    const leave = () => {
      world.lease('ipxe');
      world.step();
      const script = scriptOf(A);
      world.append({ name: 'ipxe.script', data: { mode: 'local-disk', why: '' } });
      world.inventory.transaction(() => world.inventory.boots.scriptServed(world.bootId()));
      world.step();
      return script;
    };
    world.pass(HOUR);
    const usual = leave();
    world.pass(15_000);
    // Back at once: nothing started.
    const next = leave();
    expect(world.diagnosed()).toEqual(['local-boot-failed']);
    expect(next).not.toBe(usual);
    expect(next).toContain('sanboot');
    world.pass(30_000);
    world.lease('os');
    world.step();
    world.pass(HOUR);
    expect(leave()).toBe(next);
    expect(learned(world, 'local-boot')).toEqual([
      ...['machine: sanboot works, auto failed before', 'machine: auto fails, local-boot-failed'],
      'model: sanboot works, it worked on SN-0001',
    ]);
    const sighting = { mac: B, client: 'ipxe', arch: 'bios', hardwarename: names[1] } as const;
    inventory.transaction(() => inventory.boots.sight(sighting));
    expect(scriptOf(B)).toContain('sanboot');
  });
});
