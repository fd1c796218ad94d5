/** By what a pair counts time. */
import { lastingMs } from '../platform/lasting-clock.ts';

/** Not the time of day, which may jump. A right ends while the machine is suspended, too. */
export const mono = lastingMs;
