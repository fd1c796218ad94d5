/** An appliance with one machine, its people's listener on a real socket, and serial lines without BMCs. */
import type { AddressInfo } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import { createConsoleHub } from '../../src/console/hub.ts';
import type { Role } from '../../src/inventory/access.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import { createFakeLines } from './consoles.ts';
import { createPeople } from './people.ts';
import { createWorld } from './world.ts';

export const CONSOLE_MACHINE = 'C0MPUT3' as Hardwarename;

export type ConsoleAppliance = Awaited<ReturnType<typeof createConsoleAppliance>>;

/** @param closers what is to be closed afterwards is added to it */
export async function createConsoleAppliance(closers: (() => unknown)[]) {
  const world = createWorld();
  const { serverdb, transaction } = world.inventory;
  const lines = createFakeLines();
  const hub = createConsoleHub({ open: lines.open, timers: lines.timers });
  closers.push(() => hub.close());
  const people = await createPeople({ consoles: hub }, world);
  const squads = [{ name: 'db', doc: { contact: '', notes: '' } }];
  const cause = { who: 'test', why: 'test' };
  transaction(() => {
    for (const squad of squads) serverdb.records.put('squad', squad, cause);
    const machine = {
      serial: CONSOLE_MACHINE,
      manufacturer: 'LabCorp',
      product: 'X',
      state: 'held',
      nics: [],
    };
    serverdb.editor.enter({ ...machine, bmcAddress: '127.0.0.1' } as never, cause);
  });
  await people.app.listen({ host: '127.0.0.1', port: 0 });
  closers.push(() => people.app.close());
  const { port } = people.app.server.address() as AddressInfo;
  let number = 0;
  const token = (role: Role, roles: Record<string, Role> = {}) => {
    number += 1;
    const entry = { name: `${role}${number}`, role, squads: roles };
    return transaction(() => serverdb.access.createToken(entry, 'test'));
  };
  const dial = (
    headers: Record<string, string>,
    query = '',
    name: string = CONSOLE_MACHINE,
    options: ClientOptions = {},
  ) => {
    const url = `ws://127.0.0.1:${port}/api/v1/machines/${name}/console${query}`;
    return new WebSocket(url, { headers, ...options });
  };
  return { world, people, lines, hub, port, token, dial, cause };
}
