/** A chain of shim and GRUB fetches several files whole in one boot, each once: no loop, however long it is watched. */
import { expect, it } from 'vitest';
import { diagnose } from '../../../src/diagnose/diagnose.ts';
import { parseFlight } from '../../../src/diagnose/flight.ts';
import { GRUB_RULES } from '../../../src/diagnose/rules/grub.ts';
import { scene } from '../../support/flight-entries.ts';
import { STARTED } from '../../support/grub-scenes.ts';

const last = Math.max(...STARTED.map((one) => ('endAt' in one ? one.endAt : one.at)));
const judge = (waitMs: number) => {
  const { flight } = scene(null, '', STARTED, { watchedUntil: last + waitMs });
  return diagnose(parseFlight(JSON.parse(JSON.stringify(flight))));
};

it('of shim, GRUB and its start nothing is said at once, and later that no script was asked for', () => {
  expect(judge(0)).toBeUndefined();
  const diagnosis = judge(200_000);
  expect(diagnosis?.name).toBe('grub-never-asked');
  expect(diagnosis?.evidence[0]).toContain('grubx64.efi was fetched whole');
  expect(JSON.stringify(diagnosis)).not.toContain('loader-loop');
});

it('has no remedy that would hand out another file, which nobody has signed', () => {
  for (const rule of GRUB_RULES) expect(rule.remedy).toBeUndefined();
});
