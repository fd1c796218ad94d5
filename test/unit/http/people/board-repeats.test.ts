/** What the board says of a machine that starts anew and again after it failed. */
import { describe, expect, it } from 'vitest';
import { readBoard } from '../../../../src/http/people/board.ts';
import type { KeptDiagnosis } from '../../../../src/recorder/store.ts';
import { A, createWorkWorld } from '../../../support/work-world.ts';

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
  const kept: KeptDiagnosis = {
    ...{ id: 1, boot: before, mac: '', hardwarename: name, name: 'disk-not-found' },
    ...{ confidence: 'certain', place: 'left', evidence: [], also: [], endedAt: undefined },
    ...{ at: world.clock() + foundAfterMs, rack: '', switch: '', port: '', model: '' },
    ...changes,
  };
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
