/**
 * The static address that an install reserves: it is the machine's from the moment that a system with it may be on a disk, and as it
 * was before for as long as nothing was written.
 */
import { describe, expect, it } from 'vitest';
import { subnetSchema } from '../../../src/inventory/record-kinds.ts';
import { formatIpv4 } from '../../../src/wire/ipv4.ts';
import type { Mac } from '../../../src/wire/mac.ts';
import { nameOf } from '../../support/job-hall.ts';
import { type AgentKnobs, createInstallHall } from '../../support/sim-agent.ts';

const machine = nameOf(0);
const NIC = '52:54:00:00:00:01' as Mac;
const OTHER = '52:54:00:00:00:99' as Mac;
const OWN = '10.9.0.9';
const static_ = (address: string) => ({ kind: 'static', address: `${address}/24` });
const PARAMS = { image: 'debian-12/stable', network: static_('10.9.0.5') };

function site(knobs: AgentKnobs = {}) {
  const hall = createInstallHall(knobs);
  const { inventory } = hall.now;
  const doc = subnetSchema.parse({ cidr: '10.9.0.0/24' });
  const cause = { who: 'ann', why: 'a new network' };
  inventory.transaction(() =>
    inventory.serverdb.records.put('subnet', { name: 'production', doc }, cause),
  );
  const bootsFrom = (mac: Mac) =>
    hall.database().prepare('UPDATE machines SET boot_mac = ?').run(mac);
  bootsFrom(NIC);
  const reserve = (mac: Mac, address: string) => {
    const { inventory } = hall.now;
    const wanted = { hardwarename: machine, mac, subnet: 'production', address };
    inventory.transaction(() => inventory.serverdb.addresses.reserve(wanted, 'ann'));
  };
  return {
    ...{ hall, bootsFrom, reserve },
    inState: (state: string) => hall.database().prepare('UPDATE machines SET state = ?').run(state),
    /** Nothing is done to it: its BMC never answers. */
    silent: () => {
      hall.machine(0).silentUntil = Number.POSITIVE_INFINITY;
    },
    async ended(kind: 'install' | 'reinstall' = 'install', params: object = PARAMS) {
      const { id } = hall.submit(kind, 0, params);
      await hall.settle();
      return hall.job(id);
    },
    addresses: () =>
      hall.now.inventory.serverdb.addresses
        .pageOfNames('', 10)
        .flatMap(({ addresses }) =>
          addresses.map(({ mac, address }) => `${mac} ${formatIpv4(address)}`),
        ),
  };
}

describe('the static address of an install', () => {
  it.each<[string, AgentKnobs, string]>([
    ['of a machine that calls home', {}, 'finished'],
    ['of one that was installed and does not call home', { mute: true }, 'failed'],
    ['of one whose disk breaks as it is written', { rounds: ['disk'] }, 'failed'],
  ])('is kept, %s', async (_what, knobs, status) => {
    const { ended, addresses } = site(knobs);
    expect(await ended()).toMatchObject({ status });
    expect(addresses()).toEqual([`${NIC} 10.9.0.5`]);
  });

  it('is given back when nothing was written', async () => {
    const { silent, ended, addresses } = site();
    silent();
    expect(await ended()).toMatchObject({ status: 'failed' });
    expect(addresses()).toEqual([]);
  });

  it.each([
    ['install', 'available'],
    ['reinstall', 'in-use'],
  ] as const)('gives way to the one before it when nothing was written (%s)', async (...of) => {
    const [kind, state] = of;
    const { silent, reserve, inState, ended, addresses } = site();
    inState(state);
    reserve(NIC, OWN);
    silent();
    expect(await ended(kind)).toMatchObject({ status: 'failed' });
    expect(addresses()).toEqual([`${NIC} ${OWN}`]);
  });

  it('stays when it was the machine’s already', async () => {
    const { silent, reserve, ended, addresses } = site();
    reserve(NIC, '10.9.0.5');
    silent();
    await ended();
    expect(addresses()).toEqual([`${NIC} 10.9.0.5`]);
  });

  it('is given back from the NIC that had it, whatever the machine boots from by then', async () => {
    const { hall, silent, reserve, bootsFrom, ended, addresses } = site();
    silent();
    hall.time.at(hall.time.now() + 60_000, () => {
      reserve(OTHER, '10.9.0.7');
      bootsFrom(OTHER);
    });
    await ended();
    expect(addresses()).toEqual([`${OTHER} 10.9.0.7`]);
  });

  it('is not touched again once a person has changed it', async () => {
    const { hall, silent, reserve, ended, addresses } = site();
    silent();
    hall.time.at(hall.time.now() + 60_000, () => reserve(NIC, '10.9.0.7'));
    await ended();
    expect(addresses()).toEqual([`${NIC} 10.9.0.7`]);
  });

  it.each([
    ['before', []],
    ['after', []],
    ['before', [OWN]],
    ['after', [OWN]],
  ] as const)('is given back whenever we die, %s a commit (%j)', async (when, own) => {
    for (let at = 1; at <= 12; at++) {
      const { hall, silent, reserve, ended, addresses } = site();
      for (const address of own) reserve(NIC, address);
      silent();
      hall.cut = { at, when };
      expect(await ended()).toMatchObject({ status: 'failed' });
      expect(hall.crashes).toBe(1);
      expect([at, addresses()]).toEqual([at, own.map((address) => `${NIC} ${address}`)]);
    }
  });

  it.each([
    ['another NIC’s', '10.9.0.6', 'ADDRESS_TAKEN'],
    ['nobody’s to give', '10.10.0.5', 'REQUEST_INVALID'],
  ])('is refused where it is %s, and the machine is as before', async (_what, address, code) => {
    const { hall, reserve, ended, addresses } = site();
    reserve(OTHER, '10.9.0.6');
    const params = { ...PARAMS, hostname: 'web1', network: static_(address) };
    expect(await ended('install', params)).toMatchObject({ status: 'failed', code });
    const record = hall.now.inventory.machines.record(machine);
    expect(record).toMatchObject({ state: 'available', hostname: '' });
    expect(addresses()).toEqual([`${OTHER} 10.9.0.6`]);
  });

  it('changes no name of a machine in use when it is refused', async () => {
    const { hall, inState, reserve, ended } = site();
    inState('in-use');
    reserve(OTHER, '10.9.0.5');
    const refused = { ...PARAMS, hostname: 'other' };
    expect(await ended('reinstall', refused)).toMatchObject({ code: 'ADDRESS_TAKEN' });
    const record = hall.now.inventory.machines.record(machine);
    expect(record).toMatchObject({ state: 'in-use', hostname: '' });
  });
});
