/** What the pictures of requests, pools, squads and images show: made by the desks and the engine of the daemon, without a BMC. */
import { createRequestEngine } from '../../src/provisioning/engine.ts';
import { poolSchema, resetSchema } from '../../src/provisioning/pool.ts';
import { requestSchema } from '../../src/provisioning/request.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import { addImage } from './provision-machines.ts';
import type { World } from './world.ts';

const CAUSE = { who: 'ada', why: 'the site is furnished' };
const PASSES = 20;

/** @param machines free ones, which get a BMC and a type. @returns the id of a request whose installs have been asked for */
export function furnishProvisioning(world: World, machines: readonly Hardwarename[]): string {
  const { inventory, provisioning, pools } = world;
  const { transaction } = inventory;
  const members = machines.slice(0, 3);
  transaction(() => {
    machines.forEach((name, index) => {
      const hardwareType = members.includes(name) ? 'gpu' : 'high-io';
      inventory.machines.write(name, { bmcAddress: `10.0.9.${index + 1}`, hardwareType });
    });
    const quota = { machines: 20, types: { gpu: 4 } };
    const squad = { name: 'music', doc: { contact: 'music@example.org', notes: '', quota } };
    inventory.serverdb.records.put('squad', squad, CAUSE);
    const fancydb = {
      metadata: { cluster: 'main', replicas: 3, zones: ['lon1', 'lon2'] },
      sshKeys: [`ssh-ed25519 ${'A'.repeat(68)} dba@example.org`],
      userData: '#cloud-config\npackages:\n  - fancydb\n',
      notes: 'asked for by music',
    };
    inventory.serverdb.records.put('role', { name: 'fancydb', doc: fancydb }, CAUSE);
    addImage(inventory, '12.7');
    addImage(inventory, '12.8');
  });
  const wish = { image: 'debian-12/stable', squad: 'music', hardware: 'type high-io' };
  transaction(() => {
    const body = { ...wish, role: 'web', count: 4, hardware: 'type gpu' };
    pools.put('web', poolSchema.parse(body), CAUSE);
    for (const name of members) {
      inventory.machines.write(name, { squad: 'music', role: 'web' });
      pools.store.join('web', name);
    }
    const [sick] = pools.store.members('web');
    if (sick) pools.store.setHealth(sick, 'Its check has failed 3 times in a row: ECONNREFUSED.');
    const reset = resetSchema.parse({ why: 'a new kernel', atOnceMax: 1 });
    pools.reset({ pool: 'web', site: '' }, reset, 'ada');
  });
  const { id } = transaction(() =>
    provisioning.create(
      requestSchema.parse({
        ...{ ...wish, role: 'fancydb', count: 5, hostname: { pattern: '{role}-new-{n}' } },
        why: 'the old ones are full',
      }),
      { requester: 'ada' },
    ),
  );
  claim(world);
  return id;
}

/** What the engine does in its first passes, at once instead of by its timers. */
function claim({ provisioning: desk, jobs, inventory }: World): void {
  const due: (() => void)[] = [];
  const engine = createRequestEngine({
    ...{ desk, jobs, inventory, events: inventory.events, installsMax: 100 },
    transaction: inventory.transaction,
    timers: { after: (_ms, task) => (due.push(task), () => undefined) },
    onError: (error) => {
      throw error;
    },
  });
  engine.start();
  for (let pass = 0; pass < PASSES; pass++) due.shift()?.();
  engine.stop();
}
