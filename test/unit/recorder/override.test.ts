/** What was learned of a BMC's boot override reaches the BMC: the next order is given in the words of the other firmware. */
import { describe, expect, it } from 'vitest';
import { createJobWorld } from '../../../src/daemon/job-bmc.ts';
import type { BootWish } from '../../../src/jobs/ports.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { createWorld, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const NAME = 'C0MPUT3' as Hardwarename;

describe('an order to boot from the network', () => {
  it('is given as asked, and in the other mode once that is known to fail; other orders never change', async () => {
    const { inventory, clock } = createWorld();
    const cause = { who: 'test', why: 'test' };
    const nics = [{ mac: A, name: 'eth0' }];
    const entry = { serial: NAME, manufacturer: 'LabCorp', product: 'X', state: 'held', nics };
    const { quirks, editor } = inventory.serverdb;
    inventory.transaction(() =>
      editor.enter({ ...entry, bmcAddress: '10.79.0.9' } as never, cause),
    );
    const orders: BootWish[] = [];
    const bmc = {
      setBoot: async (wish: BootWish) => {
        orders.push(wish);
        return { verified: true, expires: false };
      },
      close: async () => undefined,
    };
    const access = { open: async () => bmc } as never;
    const world = createJobWorld({ inventory, access, clock });
    const machine = inventory.machines.record(NAME) ?? expect.fail();
    const order = async (target: BootWish['target']) => {
      const opened = await world.openBmc(machine, undefined);
      await opened.setBoot({ target, uefi: true, persistent: false });
      await opened.close();
    };
    await order('pxe');
    const row = { scope: 'machine', subject: A, trait: 'override', value: 'as-asked' } as const;
    inventory.transaction(() =>
      quirks.learn({ ...row, outcome: 'fails', why: 'ignored', since: 0 }),
    );
    await order('pxe');
    await order('none');
    expect(orders.map(({ target, uefi }) => `${target} ${uefi}`)).toEqual([
      ...['pxe true', 'pxe false', 'none true'],
    ]);
  });
});
