/**
 * What is done for the database so that it stays quick, and that nobody waits for: it may fail, and all is right without it, only slower.
 * So a failure is told of once, with what happens next, and those that follow are counted until it works again.
 */
import type { FastifyBaseLogger } from 'fastify';

export interface Upkeep {
  /** @param next what happens now, for people @returns whether it has worked */
  run(what: string, next: string, work: () => Promise<unknown>): Promise<boolean>;
  /** How often this has failed since it has last worked. */
  failures(what: string): number;
}

export function openUpkeep(log: Pick<FastifyBaseLogger, 'info' | 'warn'>): Upkeep {
  const failed = new Map<string, number>();
  const failures = (what: string): number => failed.get(what) ?? 0;
  return {
    failures,
    async run(what, next, work) {
      try {
        await work();
      } catch (err) {
        if (failures(what) === 0)
          log.warn({ err, what, next }, 'the database could not be kept quick');
        failed.set(what, failures(what) + 1);
        return false;
      }
      if (failures(what) > 0)
        log.info({ what, failures: failures(what) }, 'the database is kept quick again');
      failed.delete(what);
      return true;
    },
  };
}
