/**
 * The trials that every kind of job has to pass: it fails at each step, the appliance is killed at each commit, each
 * step is run twice. A kind's definition is data, so a trial is a changed copy of it; nothing is mocked.
 */
import { AppError } from '../../src/errors.ts';
import {
  createKinds,
  type JobDefinition,
  type JobKinds,
  type JobStep,
} from '../../src/jobs/definition.ts';
import { createHall, type Hall } from './job-hall.ts';

const standard = createHall().kinds;

/** The name of every kind that this program has. */
export const KINDS: readonly string[] = standard.list().map(({ kind }) => kind);

export function definitionOf(kind: string): JobDefinition {
  const definition = standard.newest(kind);
  if (!definition) throw new Error(`there is no kind ${kind}`);
  return definition;
}

/** This kind alone, with its steps or waits changed. */
export function kindsWith(kind: string, change: (each: JobStep) => JobStep): JobKinds {
  const definition = definitionOf(kind);
  return createKinds([{ ...definition, steps: definition.steps.map(change) }]);
}

/** Fails one step for good, before or after it has done what it does. */
export function failing(name: string, when: 'before' | 'after') {
  const fault = () => new AppError('BMC_PASSWORD', { detail: `made to fail at ${name}` });
  return (each: JobStep): JobStep =>
    each.is !== 'step' || each.name !== name
      ? each
      : {
          ...each,
          done: async () => undefined,
          async run(context) {
            if (when === 'after') await each.run(context);
            throw fault();
          },
        };
}

/** Each step is run again right after it was run. */
export function twice(each: JobStep): JobStep {
  if (each.is === 'wait') return each;
  return {
    ...each,
    async run(context) {
      const first = await each.run(context);
      return first && 'laterMs' in first ? first : each.run(context);
    },
  };
}

/** What this wait is for never comes, nor does a word that it will not. */
export function deaf(name: string) {
  return (each: JobStep): JobStep => {
    if (each.is !== 'wait' || each.name !== name) return each;
    const { fails: _, ...rest } = each;
    return { ...rest, matches: () => false };
  };
}

/** Everything that has to hold of a job that has ended, however it went. */
export function faultsOf(hall: Hall, id: string): string[] {
  const { desk, inventory, life } = hall.now;
  const job = desk.get(id);
  const log = desk.store.logOf(job.number);
  const ends = log.filter(({ entry }) => entry.is === 'ended');
  const faults: string[] = [];
  if (job.endedAt === 0) faults.push('it has not ended');
  if (ends.length !== 1) faults.push(`it has ended ${ends.length} times`);
  if (log.some(({ seq }, index) => seq !== index + 1)) faults.push('its log has a gap');
  if (desk.store.unfinishedOf(job.target)) faults.push('the machine is not free again');
  if (hall.open.site !== 0) faults.push(`${hall.open.site} sessions are still open`);
  if (hall.open.bmcMost > 1) faults.push(`${hall.open.bmcMost} sessions with one BMC`);
  if (life.errors.length > 0) faults.push(`the engine failed: ${life.errors.join('; ')}`);
  const told = inventory.events
    .ofMachine(job.target, 10_000)
    .filter(
      ({ name, data }) =>
        /^job\.(finished|failed|cancelled)$/.test(name) && 'job' in data && data.job === id,
    );
  if (told.length !== 1) faults.push(`its end was told ${told.length} times`);
  return faults;
}
