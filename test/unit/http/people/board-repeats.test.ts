/** What the board says of a machine that starts anew and again after it failed. */
import { describe, expect, it } from 'vitest';
import { readBoard } from '../../../../src/http/people/board.ts';
import type { KeptDiagnosis } from '../../../../src/recorder/store.ts';
import type { BootId } from '../../../../src/wire/ids.ts';
import { A, createWorkWorld } from '../../../support/work-world.ts';
import { dhcpPacket } from '../../../support/world.ts';

const keptOf = (boot: string, changes: Partial<KeptDiagnosis>): KeptDiagnosis => ({
  ...{ id: 1, boot, mac: '', hardwarename: '', name: 'disk-not-found' },
  ...{ confidence: 'certain', place: 'left', evidence: [], also: [], endedAt: undefined },
  ...{ at: 0, site: '', rack: '', switch: '', port: '', model: '', ...changes },
});

/** A machine in use that is sent to its disk and is back; of its boot before, the cause is known at this moment of the next. */
async function goesRound(foundAfterMs: number, changes: Partial<KeptDiagnosis> = {}) {
  const world = createWorkWorld();
  const { name } = await world.register(A, 'SN-0001');
  world.put(name, 'in-use');
  const leave = async () => {
    world.pass(10_000);
    const { boot, token } = world.booted(A);
    await world.app.inject(`/boot/${token}/script.ipxe`);
    return boot;
  };
  const before = await leave();
  const next = await leave();
  const kept = keptOf(before, { at: world.clock() + foundAfterMs, ...changes });
  const diagnoses = {
    ofBoot: (boot: string) => (boot === before ? kept : undefined),
    ofPower: () => undefined,
  };
  world.pass(1000);
  const board = readBoard(world.inventory, { site: 'lab', clock: world.clock, diagnoses });
  const [row] = board.rows;
  await world.close();
  return { isNext: row?.timeline.boot === next, row };
}

describe('a machine that was sent to its disk and is back', () => {
  it('is shown with the cause, though its next boot has left for the disk, too', async () => {
    const { isNext, row } = await goesRound(700);
    expect(isNext).toBe(true);
    expect(row?.timeline.state).toBe('over');
    expect(row?.diagnosis?.name).toBe('disk-not-found');
  });

  it('is not, when it left after the cause was found: the disk may be there now', async () => {
    expect((await goesRound(-700)).row?.diagnosis).toBeUndefined();
  });

  it('is not, once the cause has ended', async () => {
    expect((await goesRound(700, { endedAt: 1 })).row?.diagnosis).toBeUndefined();
  });
});

describe('a machine whose firmware goes on to its next boot entry', () => {
  /** Its boot file was refused; of the attempt after it nothing more is known than that it asked. */
  async function goesOn(guess: Partial<KeptDiagnosis>, refused: Partial<KeptDiagnosis> = {}) {
    const world = createWorkWorld();
    const ask = (client: 'uefi' | 'http'): BootId => {
      world.pass(60_000);
      world.dhcp(dhcpPacket({ mac: A, type: 1, client }));
      return world.inventory.boots.latest(A)?.id ?? expect.fail();
    };
    const before = ask('uefi');
    world.inventory.boots.binaryServed(before);
    const next = ask('http');
    expect(next).not.toBe(before);
    const said = { name: 'secure-boot-refused', confidence: 'likely', place: 'loaded' };
    const named = new Map<string, KeptDiagnosis>([
      [before, keptOf(before, { ...said, at: 10_000, ...refused })],
      [next, keptOf(next, { confidence: 'possible', ...guess })],
    ]);
    const diagnoses = { ofBoot: (boot: string) => named.get(boot), ofPower: () => undefined };
    const { rows } = readBoard(world.inventory, { site: '', clock: world.clock, diagnoses });
    await world.close();
    return rows.map(({ diagnosis }) => diagnosis?.name);
  }
  const guess = { name: 'offer-not-taken', place: 'offered', at: 70_000 };

  it('is shown with the cause that is known, not with a guess about less', async () => {
    expect(await goesOn(guess)).toEqual(['secure-boot-refused']);
  });

  it('is shown with what came of it, where that is no guess, got further, or came later', async () => {
    const own = [
      { ...guess, confidence: 'likely' },
      { ...guess, place: 'linux' },
      { ...guess, at: 10_000_000 },
    ];
    for (const each of own) expect(await goesOn(each)).toEqual(['offer-not-taken']);
    expect(await goesOn(guess, { confidence: 'possible' })).toEqual(['offer-not-taken']);
    expect(await goesOn(guess, { endedAt: 20_000 })).toEqual(['offer-not-taken']);
  });
});
