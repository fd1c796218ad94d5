/** A small site as the pictures show it: racks, arrivals, trouble of each kind, a delivery, jobs, people, names. */
import type { Hardwarename } from '../../src/wire/ids.ts';
import type { Millis } from '../../src/wire/time.ts';
import { arrive, carry, furnish, type Portal, uuidOf } from './portal.ts';
import { furnishProvisioning } from './portal-provisioning.ts';
import type { Report } from './reports.ts';

const BIG: Partial<Report> = {
  dmi: {
    manufacturer: 'Dell Inc.',
    product: 'PowerEdge R750',
    serial: 'C0MPUT3',
    uuid: uuidOf(900_001),
    board: { product: '0KDXNR', serial: 'CNFCP0012' },
    bios: { vendor: 'Dell Inc.', version: '1.8.2' },
  },
  cpus: [0, 1].map((socket) => ({
    ...{ socket, model: 'Intel Xeon Gold 6338', cores: 32, threads: 64 },
  })),
  memory: {
    totalBytes: 2 ** 38,
    modules: Array.from({ length: 16 }, (_, index) => ({
      slot: `A${index + 1}`,
      sizeBytes: index < 8 ? 2 ** 35 : 0,
      speedMts: 3200,
    })),
  },
  disks: Array.from({ length: 6 }, (_, index) => ({
    ...{ name: `nvme${index}n1`, model: 'PM9A3', serial: `S64HNX0T${index}`, rotational: false },
    ...{ sizeBytes: 1_920_383_410_176, interface: 'nvme' as const },
  })),
  nics: [0, 1].map((index) => ({
    ...{ name: `eth${index}`, driver: 'ice', link: index === 0, speedMbps: 25_000 },
    mac: index === 0 ? '52:54:00:77:00:01' : '52:54:00:77:10:01',
    ...(index === 0 && { lldp: { switch: 'lab-sw1', port: 'Ethernet1/7' } }),
  })),
};

/** @returns a boot, a job and a request that have a page of their own */
export async function furnishSite(
  portal: Portal,
): Promise<{ boot: string; job: string; request: string }> {
  const { world, dns } = portal;
  const { inventory, jobs } = world;
  const { editor } = inventory.serverdb;
  const cause = { who: 'ada', why: 'racked and cabled' };
  const names = furnish(world, 90);
  world.pass(4000);
  arrive(world, {
    ...{ address: '52:54:00:77:00:01', serial: 'C0MPUT3', uuid: uuidOf(900_001), hardware: BIG },
  });
  const known = 'C0MPUT3' as Hardwarename;
  const edit = (name: Hardwarename, changes: Record<string, unknown>) =>
    inventory.transaction(() => editor.edit(name, changes, cause));
  edit(known, { rack: 'R03', row: 'A', unit: 14, height: 2, bmcAddress: '10.0.3.14' });
  names.slice(0, 30).forEach((name, index) => {
    edit(name, { hostname: `fancydb${index + 1}`, role: 'fancydb' });
  });
  const move = (name: Hardwarename, to: 'held' | 'broken', why: string) =>
    inventory.transaction(() => editor.move(name, to, { by: 'operator', who: 'ada', why }));
  move(names[41] as Hardwarename, 'broken', 'a fan rattles');
  move(names[55] as Hardwarename, 'held', 'its label does not match');
  portal.deliver(names);
  const request = furnishProvisioning(world, names.slice(60));
  carry(world, '52:54:00:77:00:02', 'kernel', 'bios');
  arrive(world, {
    ...{ address: '52:54:00:77:00:04', serial: 'To Be Filled By O.E.M.' },
    uuid: '03000200-0400-0500-0006-000700080009',
  });
  const stuck = carry(world, '52:54:00:77:00:03', 'ack', 'uefi');
  world.pass(21_000);
  portal.watchStalls();
  carry(world, '52:54:00:77:00:05', 'linux');
  const job = inventory.transaction(() =>
    jobs.create({
      ...{ action: 'power-cycle', target: known, params: {}, priority: 0, requester: 'ada' },
      release: undefined,
    }),
  );
  await portal.user('ada', 'admin');
  await portal.user('grace', 'technician');
  inventory.transaction(() =>
    inventory.serverdb.access.createToken({ name: 'deploy', role: 'operator', squads: {} }, 'ada'),
  );
  dns.keeper.follow();
  world.time.now = Math.max(world.time.now, Date.now()) as Millis;
  return { boot: stuck.boot, job: job.id, request };
}
