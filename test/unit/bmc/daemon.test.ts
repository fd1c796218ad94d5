/**
 * The daemon's own parts put together, on real sockets: a machine reports its BMC, the BMC proves it, and is made the site's own;
 * another machine that reports the same BMC gets nothing by it.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { type JobSite, openJobSite } from '../../support/job-site.ts';

const CAUSE = { who: 'test', why: 'test' };
let site: JobSite;
beforeAll(async () => {
  site = await openJobSite(
    `jobs: { bmcSetup: { credential: site, factory: [factory] } }
bmc: { networks: [127.77.0.0/16], setUp: true }`,
  );
  site.credential('site', 'reveille', 'correct-horse-9');
  site.credential('factory', 'admin', 'secret');
});
afterAll(() => site.close());

it('a BMC is proven, set up, and nobody else’s', async () => {
  const serial = 'C0MPUT9';
  const bmc = await site.machine(serial, '', { fru: { serial } });
  const { editor, bmcClaims } = site.inventory.serverdb;
  const record = (name: string) => site.inventory.machines.record(name as Hardwarename);
  site.inventory.transaction(() => editor.edit(serial as Hardwarename, { bmcAddress: '' }, CAUSE));
  site.discover();
  site.report(serial, bmc.address);
  const { data } = await site.told('bmc.matched');
  expect(data).toMatchObject({ by: 'serial', address: bmc.address });
  expect(record(serial)).toMatchObject({ bmcAddress: bmc.address, bmcMac: '02:00:00:00:99:01' });
  await site.told('job.finished');
  expect(record(serial)?.bmcCredential).toBe('site');
  expect(bmc.state.users.find((user) => user?.name === 'admin')?.enabled).toBe(false);

  // A profile for the liar, so that it is the BMC that is asked and not a port that is closed.
  const liar = 'L1AR0009';
  const doc = site.inventory.serverdb.records.list('bmc')[0]?.doc as { port: number };
  site.inventory.transaction(() =>
    site.inventory.serverdb.records.put(
      'bmc',
      { name: 'liar', doc: { ...doc, machines: [liar] } as never },
      CAUSE,
    ),
  );
  site.report(liar, bmc.address);
  const refused = await site.told('bmc.unproven');
  expect(refused).toMatchObject({
    hardwarename: liar,
    data: { address: bmc.address, why: `The BMC there is that of ${serial}, by its serial.` },
  });
  expect(record(liar)?.bmcAddress).toBe('');
  expect(record(serial)?.bmcAddress).toBe(bmc.address);
  expect(bmcClaims.of(liar as Hardwarename)).toMatchObject({ state: 'unproven' });
});
