/** A restore that kills itself before one of its steps, as `kill -9` or a power cut would. Arguments: copy, database, step. */
import { acceptRestored } from '../../src/inventory/feed-epoch.ts';
import { restoreDatabase } from '../../src/platform/restore.ts';

const [copy = '', file = '', last = ''] = process.argv.slice(2);
restoreDatabase(copy, file, {
  accept: acceptRestored,
  onStep(step) {
    if (step === last) process.kill(process.pid, 'SIGKILL');
  },
});
