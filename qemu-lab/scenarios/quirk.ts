/**
 * A quirk is learned: firmware that refuses the first boot binary boots by itself at the second attempt, and directly at the third.
 *
 * The usual file of the family is one that UEFI cannot start. OVMF fetches it, refuses it and goes on to its next boot
 * entry; by then the appliance hands out the alternative. After the third start the first file that is fetched is the one
 * that worked. The boot that was refused is then looked at as people do who come later.
 */
import type { LabVm } from '../lab.ts';
import { openPeople } from '../people.ts';
import { eventsOf, type Scenario, type ScenarioRun } from '../scenario.ts';
import { everyoneRegisters, REGISTERED_MS } from './ingest.ts';
import { checkAfterwards } from './quirk-afterwards.ts';

const REFUSED = 'undionly.kpxe';
const WORKS = 'snponly.efi';

export const quirk: Scenario = {
  name: 'quirk',
  about:
    'firmware that refuses its boot file boots at the second attempt, and directly at the third',
  tools: ['tshark'],
  config: { boot: { binaries: { uefiX64: REFUSED }, alternatives: { uefiX64: WORKS } } },
  sick: 'all',
  rack: {
    machines: [{ name: 'picky', firmware: 'uefi', ipv6Boot: false, serial: 'SN-7001', disks: [] }],
  },
  async run(run) {
    const [vm] = run.lab.vms;
    if (!vm) throw new Error('the rack is empty');
    run.lab.powerOn(vm);
    await everyoneRegisters(run);
    const first = await fetched(run, vm, 0);
    run.say(`fetched ${first.join(', ')}`);
    run.check(first[0] === REFUSED, `the first file was ${first[0]}`);
    run.check(first.at(-1) === WORKS, `the last file was ${first.at(-1)}`);
    await run.until('the quirk to be learned', 30_000, async () => {
      const events = await run.client.events();
      return events.find(
        (event) =>
          event.name === 'quirk.changed' &&
          event.data.value === WORKS &&
          event.data.outcome === 'works',
      );
    });
    await run.lab.powerOff(vm);
    const before = (await run.client.events()).at(-1)?.id ?? 0;
    run.lab.powerOn(vm);
    await run.until('the third attempt to fetch its script', REGISTERED_MS, async () =>
      eventsOf(vm, await run.client.events()).find(
        ({ name, id }) => id > before && name === 'ipxe.script',
      ),
    );
    const third = await fetched(run, vm, before);
    run.say(`then fetched ${third.join(', ')}`);
    run.check(
      third.length > 0 && third.every((file) => file === WORKS),
      `the third attempt fetched ${third.join(', ')}`,
    );
    const events = eventsOf(vm, await run.client.events());
    const begun = events.find(({ name }) => name === 'boot.started');
    const named = events.find((event) => event.name === 'boot.diagnosed');
    const diagnosis = named?.name === 'boot.diagnosed' ? named.data.diagnosis : '';
    run.check(diagnosis === 'wrong-architecture', `the first boot is called ${diagnosis}`);
    if (!begun?.boot || !begun.mac) throw new Error('no boot has begun');
    const { boot, mac, at } = begun;
    const past = { boot, mac, at, file: REFUSED, diagnosis };
    await checkAfterwards(run, await openPeople(run.lab), past);
  },
};

/** Boot binaries that it took whole, in their order. */
async function fetched(run: ScenarioRun, vm: LabVm, after: number): Promise<string[]> {
  return eventsOf(vm, await run.client.events()).flatMap((event) =>
    event.id > after &&
    (event.name === 'tftp.sent' || event.name === 'http.sent') &&
    /\.(efi|kpxe)$/.test(event.data.file)
      ? [event.data.file]
      : [],
  );
}
