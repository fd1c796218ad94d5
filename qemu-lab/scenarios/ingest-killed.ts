import type { StoredEvent } from '../../src/events.ts';
import { eventsOf, machineOf, type Scenario } from '../scenario.ts';
import { checkRecords, REGISTERED_MS } from './ingest.ts';

/** Between each two steps of an ingestion: as soon as the event is seen, the daemon dies and is started again. */
const KILL_AFTER: readonly (readonly [what: string, is: (event: StoredEvent) => boolean])[] = [
  ['offer', (event) => event.name === 'dhcp.offered'],
  ['ack', (event) => event.name === 'dhcp.acked'],
  ['boot file sent', (event) => event.name === 'tftp.sent'],
  ['script', (event) => event.name === 'ipxe.script'],
  ['kernel begun', (event) => event.name === 'http.started' && event.data.file === 'vmlinuz'],
  ['kernel sent', (event) => event.name === 'http.sent' && event.data.file === 'vmlinuz'],
  ['initrd sent', (event) => event.name === 'http.sent' && event.data.file === 'initrd.img'],
  ['Linux up', (event) => event.name === 'agent.progress'],
  ['report received', (event) => event.name === 'recon.received'],
];

export const ingestKilled: Scenario = {
  name: 'ingest-killed',
  about: 'the daemon is killed after each step of an ingestion; the machine still registers, once',
  rack: { machines: [{ name: 'survivor', netboot: 'chain', serial: 'SN-3001' }] },
  async run(run) {
    const { lab, client, check } = run;
    const [vm] = lab.vms;
    if (!vm) throw new Error('the rack is empty');
    lab.powerOn(vm);
    for (const [what, is] of KILL_AFTER) {
      const seen = await run.until(`the event after "${what}"`, REGISTERED_MS, async () =>
        eventsOf(vm, await client.events()).find(is),
      );
      await lab.killDaemon();
      await lab.startDaemon();
      const after = (await client.events()).find(({ id }) => id === seen.id);
      check(
        after?.name === seen.name && after.at === seen.at,
        `event ${seen.id} (${what}) was lost`,
      );
      run.say(`killed after: ${what}`);
    }
    await run.until('the machine to be registered and its boot done', REGISTERED_MS, async () => {
      const record = machineOf(vm, await client.machines());
      return record && (await client.boots()).some(({ state }) => state === 'done')
        ? record
        : undefined;
    });
    await checkRecords(run);
  },
};
