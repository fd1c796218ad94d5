/** What is learned, and unlearned: an accident undoes nothing that is proven, and no value is given up for good. */
import { describe, expect, it } from 'vitest';
import { choose } from '../../../src/boot/quirks.ts';
import { QUIRK_TRAITS, SURPLUS_ROWS } from '../../../src/inventory/quirks.ts';
import { limit } from '../../../src/limits.ts';
import { A, record } from '../../support/recording.ts';

const HOUR = 3_700_000;

/** A machine whose usual binary has failed, and whose other one has worked. */
function learned() {
  const world = record();
  const { quirks } = world.inventory.serverdb;
  const offered = () => {
    world.lease('uefi');
    const acked = world.inventory.events
      .after(0, 5000)
      .findLast((one) => one.name === 'dhcp.acked');
    return acked?.name === 'dhcp.acked' ? acked.data.bootFile : '';
  };
  const arrive = (file: string) => {
    world.fetched(file);
    world.lease('ipxe');
    world.append({ name: 'ipxe.script', data: { mode: 'recon', why: '' } });
    world.step();
    world.pass(HOUR);
  };
  /** The plug is pulled after the ACK. */
  const accident = () => {
    for (let second = 0; second < 30; second++) world.step();
    world.pass(HOUR);
  };
  offered();
  world.fetched('snponly.efi');
  world.step(3000);
  offered();
  world.step();
  arrive('ipxe.efi');
  const row = (value: string) =>
    quirks.row({ scope: 'machine', subject: A, trait: 'binary', value });
  return { ...world, quirks, offered, arrive, accident, row };
}

describe('a value that has worked', () => {
  it('is only in doubt after one accident, and works again with the next boot', () => {
    const { offered, arrive, accident, row, diagnosed } = learned();
    expect(offered()).toBe('ipxe.efi');
    accident();
    expect(diagnosed()).toContain('boot-file-not-asked');
    expect(row('ipxe.efi')).toMatchObject({ outcome: 'works', doubts: 1 });
    expect(offered()).toBe('ipxe.efi');
    arrive('ipxe.efi');
    expect(row('ipxe.efi')).toMatchObject({ outcome: 'works', doubts: 0 });
  });

  it('fails after two boots in a row; then each has its turn, and a later success counts', () => {
    const { offered, arrive, accident, row } = learned();
    offered();
    accident();
    offered();
    accident();
    expect(row('ipxe.efi')).toMatchObject({ outcome: 'fails' });
    expect(offered()).toBe('snponly.efi');
    accident();
    expect(offered()).toBe('ipxe.efi');
    arrive('ipxe.efi');
    expect(row('ipxe.efi')).toMatchObject({ outcome: 'works', doubts: 0 });
    expect(offered()).toBe('ipxe.efi');
  });

  it('fails at once when the verdict is certain, and one boot counts once', () => {
    const { quirks, inventory, row, time } = learned();
    const key = { scope: 'machine', subject: A, trait: 'binary', value: 'ipxe.efi' } as const;
    const fails = { ...key, outcome: 'fails', why: 'x' } as const;
    const since = time.now;
    inventory.transaction(() => quirks.learn({ ...fails, since }));
    inventory.transaction(() => quirks.learn({ ...fails, since }));
    expect(row('ipxe.efi')).toMatchObject({ outcome: 'works', doubts: 1 });
    inventory.transaction(() => quirks.learn({ ...fails, since, certain: true }));
    expect(row('ipxe.efi')).toMatchObject({ outcome: 'fails' });
  });
});

it('when all have failed, the oldest failure is tried again', () => {
  const past = (...fails: string[]) => ({ works: undefined, fails: new Set(fails) });
  expect(choose(['a', 'b', 'c'], past('b', 'c', 'a'))).toMatchObject({ value: 'b' });
  expect(choose(['a', 'b', 'c'], past('other', 'a', 'c', 'b')).value).toBe('a');
  expect(choose(['a', 'b', 'c'], past('a')).value).toBe('b');
});

describe('the table', () => {
  const fails = (subject: string) =>
    ({ scope: 'machine', subject, trait: 'binary', value: 'x', outcome: 'fails' }) as const;

  it('keeps so much of NICs on no record, the newest, and all of machines', () => {
    const { inventory, db, pass } = record();
    const { quirks, editor } = inventory.serverdb;
    const entry = { serial: 'C0MPUT3', manufacturer: 'LabCorp', product: 'X', state: 'held' };
    const nics = [{ mac: A, name: 'eth0' }];
    const cause = { who: 'test', why: 'test' };
    const max = limit('quirksUnknownMax');
    inventory.transaction(() => {
      editor.enter({ ...entry, nics } as never, cause);
      quirks.learn({ ...fails(A), why: '', since: 0 });
      quirks.put({ ...fails('02:ff:00:00:00:01'), why: '' }, 'ann');
    });
    // One transaction each: all that is written in one bears one time.
    for (let n = 0; n < max + 3; n++) {
      pass(1);
      const made = `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}`;
      inventory.transaction(() => quirks.learn({ ...fails(made), why: '', since: 0 }));
    }
    // The third of those made up is one too many with the NIC on record, which stays: a hundred go, and two come after them.
    const left = max - SURPLUS_ROWS + 2;
    expect(db.prepare('SELECT count(*) AS n FROM quirks').get()).toEqual({ n: left + 2 });
    expect(quirks.list()).toHaveLength(left + 2);
    expect(quirks.has('binary', '02:00:00:00:00:00')).toBe(false);
    expect(quirks.has('binary', '02:00:00:00:03:ea')).toBe(true);
    expect(quirks.has('binary', A)).toBe(true);
    expect(quirks.has('binary', '02:ff:00:00:00:01')).toBe(true);
  });

  it('is in memory as it is on disk, also after a transaction that was rolled back', () => {
    const { inventory } = record();
    const { quirks } = inventory.serverdb;
    const known = () => quirks.known('binary', A, undefined).fails.has('x');
    expect(() =>
      inventory.transaction(() => {
        quirks.learn({ ...fails(A), why: '', since: 0 });
        expect(known()).toBe(true);
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(known()).toBe(false);
    expect([quirks.isEmpty(), quirks.tells('binary')]).toEqual([true, false]);
  });

  it('knows of which traits it has anything to tell', () => {
    const { inventory } = record();
    const { quirks } = inventory.serverdb;
    const traits = () => QUIRK_TRAITS.filter((trait) => quirks.tells(trait));
    const key = { scope: 'model', subject: 'Acme / R1', trait: 'blksize', value: '1468' } as const;
    const change = (run: () => void) => void inventory.transaction(run);
    expect(traits()).toEqual([]);
    change(() => void quirks.put({ ...key, outcome: 'fails', why: '' }, 'someone'));
    change(() => quirks.learn({ ...fails(A), why: '', since: 0 }));
    change(() => void quirks.put({ ...key, outcome: 'works', why: '' }, 'someone'));
    expect(traits()).toEqual(['binary', 'blksize']);
    quirks.rolledBack();
    expect(traits()).toEqual(['binary', 'blksize']);
    change(() => void quirks.remove(key, 'someone'));
    expect(traits()).toEqual(['binary']);
  });
});
