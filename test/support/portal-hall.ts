/**
 * The portal over a hall that provisions: the real listener, matching, request and pool engines and job engine, on simulated
 * time. The job kind `install` is the stand-in of provision-hall.ts: machines take as long, and fail, as a test says.
 */
import type { AddressInfo } from 'node:net';
import type { Role } from '../../src/inventory/access.ts';
import { hashPassword } from '../../src/inventory/password.ts';
import { createStoreWorld } from './image-store.ts';
import { createPeople } from './people.ts';
import { PASSWORD } from './portal.ts';
import { createProvisionHall, type ProvisionHallOptions } from './provision-hall.ts';
import type { World } from './world.ts';

export async function openPortalHall(
  options: ProvisionHallOptions,
  uiRoot = process.env.UI_ROOT ?? 'build/ui',
) {
  const hall = createProvisionHall(options);
  const { inventory, jobs, desk: provisioning, pools } = hall.now;
  const world = { inventory, jobs, provisioning, pools, clock: hall.clock } as unknown as World;
  const images = createStoreWorld({}, world).desk();
  const { app } = await createPeople({ images, uiRoot }, world);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    hall,
    url: `http://127.0.0.1:${port}`,
    close: () => app.close(),
    async user(name: string, role: Role, squads: Record<string, Role> = {}) {
      const passwordHash = await hashPassword(PASSWORD);
      inventory.transaction(() =>
        inventory.serverdb.access.putUser(
          { name, role, squads, disabled: false, passwordHash },
          { who: 'test', version: undefined },
        ),
      );
    },
  };
}

export type PortalHall = Awaited<ReturnType<typeof openPortalHall>>;
