/** Machines that were switched on before the daemon was started again: they are judged like others, and not before they could be heard. */
import { describe, expect, it } from 'vitest';
import type { EventData } from '../../../src/events.ts';
import { createRecorder } from '../../../src/recorder/recorder.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { A, record } from '../../support/recording.ts';

const NAME = 'C0MPUT3' as Hardwarename;
const FIRMWARE_S = 300;

/** A machine on record that a job has switched on. */
function switchedOn(steps: readonly string[] = ['pxe-once', 'power-on']) {
  const world = record();
  const { db, inventory, clock } = world;
  const cause = { who: 'test', why: 'test' };
  const nics = [{ mac: A, name: 'eth0' }];
  const entry = { serial: NAME, manufacturer: 'LabCorp', product: 'X', state: 'held', nics };
  inventory.transaction(() => inventory.serverdb.editor.enter(entry as never, cause));
  const took = (step: string) => {
    const job = { job: 'j', action: 'netboot', step, phase: 'succeeded' };
    const data = { ...job, attempt: 1 } as unknown as EventData['job.step'];
    inventory.transaction(() =>
      inventory.events.append({ name: 'job.step', hardwarename: NAME, data }),
    );
  };
  for (const step of steps) took(step);
  /** Another process over the same database. */
  const restart = () =>
    createRecorder({
      ...{ db, inventory, clock, live: () => undefined, proxied: new Set<string>() },
      ...{ localBootOf: () => 'auto', overrideOf: () => 'as-asked' },
    });
  /** @returns what was said after so many seconds, and when first */
  const run = (recorder: ReturnType<typeof restart>, seconds: number) => {
    let first: number | undefined;
    for (let second = 1; second <= seconds; second++) {
      world.pass(1000);
      recorder.tick([]);
      if (world.diagnosed().length > 0) first ??= second;
    }
    return { names: world.diagnosed(), first };
  };
  return { ...world, took, restart, run };
}

describe('a machine that was switched on before a restart and never asks', () => {
  it('is named, once, after what firmware may take and the time that nobody listened', () => {
    const world = switchedOn();
    world.pass(60_000);
    const { names, first } = world.run(world.restart(), FIRMWARE_S + 300);
    expect(names).toEqual(['boot-override-ignored']);
    // The minute between the order and the start is not counted: it may have asked then.
    expect(first).toBe(FIRMWARE_S);
    expect(world.run(world.restart(), FIRMWARE_S + 300).names).toEqual(['boot-override-ignored']);
  });

  it('is not named when its firmware has asked before the restart, or its job switched it off again', () => {
    const asked = switchedOn();
    asked.pass(30_000);
    asked.lease('bios');
    asked.pass(1000);
    const boots = asked.run(asked.restart(), FIRMWARE_S + 300);
    expect(boots.names).not.toContain('boot-override-ignored');
    const off = switchedOn(['pxe-once', 'power-on', 'power-off']);
    expect(off.run(off.restart(), FIRMWARE_S + 300).names).toEqual([]);
  });

  it('is not named for an order of long ago', () => {
    const world = switchedOn();
    world.pass(2 * 3_600_000);
    world.inventory.transaction(() =>
      world.inventory.events.append({ name: 'daemon.stopped', data: { signal: 'x' } }),
    );
    expect(world.run(world.restart(), FIRMWARE_S + 300).names).toEqual([]);
  });
});

it('a machine in use that comes up from its disk, as it was switched on to, is not named', () => {
  const world = switchedOn(['power-on']);
  world.db.prepare("UPDATE machines SET state = 'in-use'").run();
  const recorder = world.restart();
  world.took('power-on');
  world.pass(40_000);
  recorder.tick([]);
  world.inventory.transaction(() =>
    world.inventory.events.append({
      ...{ name: 'dhcp.acked', mac: A, hardwarename: NAME },
      data: { client: 'os', address: '10.77.0.100', bootFile: '' },
    } as never),
  );
  expect(world.run(recorder, 2 * FIRMWARE_S).names).toEqual([]);
});
