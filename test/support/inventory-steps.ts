/**
 * What people and machines do to an inventory, as arbitrary steps for properties: calls of the API, legal or not, and boots with
 * reports, honest or not. Each prints as what it is.
 */
import fc from 'fast-check';
import { TRANSITIONS } from '../../src/inventory/states.ts';
import type { Answer, People } from './people.ts';
import { bytesOf, report } from './reports.ts';
import { dhcpPacket, mac, type World } from './world.ts';

export const SERIALS = ['AAA-1', 'BBB-2', 'CCC-3', 'DDD-4'];
export const MACS = [1, 2, 3, 4].map((n) => `52:54:00:00:00:0${n}`);
export const BMC_MACS = ['', '52:54:00:00:0b:01', '52:54:00:00:0b:02', '52:54:00:00:00:01'];
const ADDRESSES = [undefined, '10.0.0.0', '10.0.0.2', '10.0.0.3', '10.0.0.7'];
const UUIDS = [1, 2].map((n) => `4c4c4544-0042-3510-8052-b4c04f4e373${n}`);
const HOSTNAMES = ['', 'web1', 'web2', 'db1'];
const STATES = ['available', 'held', 'in-use', 'installing', 'recycling', 'broken', 'retired'];

/** A call of the API, whose answer and events must agree; or something that machines do. */
export type Step =
  | { readonly is: 'call'; run(people: People): Promise<Answer> }
  | { readonly is: 'report' | 'lease'; run(people: People): void };

const serial = fc.constantFrom(...SERIALS);
const nic = fc.constantFrom(...MACS);
const bmcMac = fc.constantFrom(...BMC_MACS);
const address = fc.constantFrom(...ADDRESSES);
const version = fc.constantFrom<('*' | number)[]>('*', '*', '*', 1, 2, 3);

const call =
  (method: string, path: string, body?: object, version?: '*' | number) =>
  ({ admin }: People) =>
    admin(method, path, {
      ...(body === undefined ? {} : { body }),
      ...(version === undefined ? {} : { version }),
    });
const called = (name: string, run: (people: People) => Promise<Answer>): [string, Step] => [
  name,
  { is: 'call', run },
];

/** Calls as users make them, legal or not; each prints as what it is. */
export const CALLS: fc.Arbitrary<[string, Step]>[] = [
  fc
    .record({
      serial,
      state: fc.constantFrom('held', 'in-use'),
      hostname: fc.constantFrom(...HOSTNAMES),
      rack: fc.constantFrom('', 'R1'),
      unit: fc.integer({ min: 0, max: 4 }),
      nics: fc.uniqueArray(nic, { maxLength: 2 }),
      bmcMac,
    })
    .map((entry) => {
      const body = { ...entry, nics: entry.nics.map((one) => ({ mac: one })) };
      return called(`enter ${JSON.stringify(entry)}`, call('POST', '/machines', body));
    }),
  fc
    .tuple(serial, fc.constantFrom(...HOSTNAMES), fc.integer({ min: 0, max: 4 }), version)
    .map(([name, hostname, unit, version]) =>
      called(
        `edit ${name} ${hostname} ${unit} ${version}`,
        call('PATCH', `/machines/${name}`, { hostname, unit }, version),
      ),
    ),
  fc
    .tuple(serial, bmcMac, address, fc.boolean())
    .map(([name, mac, at, isProtected]) =>
      called(
        `bmc ${name} ${mac} ${at} ${isProtected}`,
        call(
          'PATCH',
          `/machines/${name}`,
          { bmcMac: mac, bmcAddress: at ?? '', protected: isProtected },
          '*',
        ),
      ),
    ),
  fc.tuple(serial, fc.constantFrom(...STATES), fc.boolean()).map(([name, to, release]) =>
    called(
      `move ${name} ${to} ${release}`,
      call('POST', `/machines/${name}/transitions`, {
        ...{ to, why: 'x' },
        ...(release ? { release: name } : {}),
      }),
    ),
  ),
  fc
    .tuple(serial, fc.constantFrom(...MACS, ...BMC_MACS.slice(1)), address)
    .map(([name, mac, address]) =>
      called(
        `address ${name} ${mac} ${address}`,
        call('POST', `/machines/${name}/addresses`, { mac, subnet: 'prov', address }),
      ),
    ),
  fc
    .tuple(serial, fc.constantFrom(...MACS, ...BMC_MACS.slice(1)))
    .map(([name, mac]) =>
      called(`free ${name} ${mac}`, call('DELETE', `/machines/${name}/addresses/${mac}`)),
    ),
  fc
    .tuple(serial, nic, fc.boolean())
    .map(([name, mac, gone]) =>
      gone
        ? called(`lose ${name} ${mac}`, call('DELETE', `/machines/${name}/nics/${mac}`))
        : called(`gain ${name} ${mac}`, call('POST', `/machines/${name}/nics`, { mac })),
    ),
  fc
    .tuple(serial, serial)
    .map(([kept, gone]) =>
      called(`merge ${kept} ${gone}`, call('POST', `/machines/${kept}/merge`, { gone, why: 'x' })),
    ),
  fc
    .integer({ min: 1, max: 3 })
    .map((id) => called(`split ${id}`, call('POST', `/merges/${id}/split`, { why: 'x' }))),
  fc
    .tuple(serial, version)
    .map(([name, version]) =>
      called(`forget ${name} ${version}`, call('DELETE', `/machines/${name}`, undefined, version)),
    ),
  fc
    .tuple(fc.uniqueArray(serial, { minLength: 1 }), fc.constantFrom(...STATES), fc.boolean())
    .map(([machines, to, dryRun]) => {
      const rest = { why: 'x', dryRun, confirm: machines.length };
      const move = { to, release: machines };
      return called(
        `bulk ${machines} ${to} ${dryRun}`,
        call('POST', '/machines/bulk', { machines, move, ...rest }),
      );
    }),
  fc
    .array(fc.tuple(serial, fc.constantFrom(...HOSTNAMES), nic, bmcMac, address), {
      minLength: 1,
      maxLength: 3,
    })
    .map((rows) => {
      const lines = rows.map(([name, hostname, mac, bmc, at]) =>
        [name, hostname, at ? `${mac}=${at}@prov` : mac, bmc].join(','),
      );
      const csv = ['serial,hostname,nics,bmcMac', ...lines].join('\n');
      return called(`import ${lines.join(' | ')}`, ({ admin }) => importSheet(admin, csv));
    }),
];

async function importSheet(admin: People['admin'], csv: string): Promise<Answer> {
  const first = await admin('POST', '/machines/import', { body: { csv } });
  if (first.status !== 409) return first;
  return admin('POST', '/machines/import', { body: { csv, confirm: first.body.count } });
}

/** What machines do: report, honestly or not, and ask for addresses. */
export const DOINGS: fc.Arbitrary<[string, Step]>[] = [
  fc
    .record({
      serial: fc.constantFrom('', ...SERIALS),
      uuid: fc.constantFrom(...UUIDS),
      macs: fc.uniqueArray(nic, { minLength: 1, maxLength: 3 }),
      /** The NIC that it really boots from; the report may hide it behind another's burned-in address. */
      from: nic,
      disk: fc.constantFrom('DISK-1', 'DISK-2'),
      bmc: fc.option(fc.tuple(bmcMac, address)),
    })
    .map((said) => [`report ${JSON.stringify(said)}`, { is: 'report', run: tell(said) }]),
  fc
    .tuple(nic, fc.constantFrom(1, 3))
    .map(([from, type]) => [
      `dhcp ${from} ${type}`,
      { is: 'lease', run: ({ world }) => void world.dhcp(dhcpPacket({ mac: mac(from), type })) },
    ]),
  fc
    .constantFrom(...SERIALS)
    .map((name) => [
      `job brings ${name} on`,
      { is: 'lease', run: ({ world }) => bringOn(world, name) },
    ]),
];

interface Said {
  readonly serial: string;
  readonly uuid: string;
  readonly macs: readonly string[];
  readonly from: string;
  readonly disk: string;
  readonly bmc: readonly [string, string | undefined] | null;
}

function tell({ serial, uuid, macs, from, disk, bmc }: Said) {
  return ({ world }: People): void => {
    const { inventory } = world;
    world.pass(4_000_000);
    world.dhcp(dhcpPacket({ mac: mac(from), type: 1, client: 'ipxe' }));
    const boot = inventory.boots.latest(mac(from));
    if (!boot) throw new Error('no boot');
    inventory.boots.scriptServed(boot.id);
    const token = inventory.tokens.mint(boot.id, mac(from), 'boot');
    const [first = '', ...rest] = macs;
    const body = report({
      ...{ serial, uuid, macs: [...macs] },
      disks: [{ name: 'vda', serial: disk, sizeBytes: 2 ** 31, interface: 'virtio' }],
      ...(bmc?.[0] ? { bmc: { mac: bmc[0], address: bmc[1] ?? '0.0.0.0', inBand: true } } : {}),
    });
    // Where it does not list the NIC that it boots from, it says that its first one's burned-in address is another's.
    const nics = macs.includes(from)
      ? body.nics
      : [
          { name: 'eth0', mac: from, permanentMac: first },
          ...rest.map((one, index) => ({ name: `eth${index + 1}`, mac: one })),
        ];
    inventory.ingest({ token, body: bytesOf({ ...body, bootMac: from, nics }) });
  };
}

/** As a job does it: into the next state of an install, a recycle. */
function bringOn({ inventory }: World, name: string): void {
  const machine = inventory.machines.list().find(({ hardwarename }) => hardwarename === name);
  const row = machine && TRANSITIONS.find(({ from, by }) => from === machine.state && by === 'job');
  if (!machine || !row || machine.protected) return;
  if (row.to === 'available' && machine.mayHoldData) return;
  inventory.transaction(() =>
    inventory.machines.transition(machine.hardwarename, row.to, { by: 'job', why: 'x' }),
  );
}
