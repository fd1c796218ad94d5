/** Central in a namespace of its own, on a bridge that the sites hang on; its people have an administrator's token. */
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { ip } from '../bench/support/network.ts';
import { start } from '../bench/support/process.ts';
import type { Scope } from '../bench/support/scope.ts';
import { type Restartable, restartable } from './federation-faults.ts';
import { addNamespace, type Call, caller, reveille } from './inside.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** `bridge` is in central's namespace. */
export const CENTRAL = {
  ...{ address: '10.97.0.1', bridge: 'hall', appliances: 8444, people: 8445 },
} as const;

export interface LabCentral {
  readonly call: Call;
  readonly central: Restartable;
}

/** The namespace of central, before anything runs there: sites can be hung on it. */
export function openHall(scope: Scope, namespace: string): void {
  addNamespace(scope, namespace);
  ip('-n', namespace, 'link', 'add', CENTRAL.bridge, 'type', 'bridge');
  ip('-n', namespace, 'address', 'add', `${CENTRAL.address}/24`, 'dev', CENTRAL.bridge);
  ip('-n', namespace, 'link', 'set', CENTRAL.bridge, 'up');
}

/** Hangs a site on it. `hook` is the site's own end. */
export function hangOn(
  hall: string,
  site: { namespace: string; hook: string; address: string; peer: string },
): void {
  const { namespace, hook, address, peer } = site;
  ip('-n', namespace, 'link', 'add', hook, 'type', 'veth', 'peer', 'name', peer, 'netns', hall);
  ip('-n', hall, 'link', 'set', peer, 'master', CENTRAL.bridge, 'up');
  ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', hook);
  ip('-n', namespace, 'link', 'set', hook, 'up');
}

/**
 * @param options `database`: as central's configuration has it; `clock`: words for Node
 * @throws Error when it does not come up
 */
export async function startCentral(
  scope: Scope,
  options: { namespace: string; dir: string; database: string; clock?: readonly string[] },
): Promise<LabCentral> {
  const { namespace, dir, database, clock = [] } = options;
  const config = join(dir, 'central.yaml');
  const { address } = CENTRAL;
  writeFileSync(
    config,
    stringify({
      ...{ database, folder: join(dir, 'central') },
      appliances: { address, port: CENTRAL.appliances, names: [address] },
      people: { address, port: CENTRAL.people },
    }),
  );
  const command: [string, ...string[]] = [process.execPath, ...clock, join(ROOT, 'src/main.ts')];
  command.push('central', 'serve', '--config', config);
  const central = await restartable(async () => {
    const program = start({ scope, namespace, command, cwd: ROOT });
    await program.line(/"msg":"central is ready"/);
    return program;
  });
  const words = ['central', 'token', 'scenario', '--role', 'admin', '--config', config];
  const token = await reveille({ namespace, words });
  return {
    central,
    call: caller({ namespace, url: `http://${address}:${CENTRAL.people}`, token }),
  };
}

/** As the appliance in `namespace` with the configuration in `file`, which need not run yet. */
export async function joinFleet(
  { call }: LabCentral,
  site: { name: string; namespace: string; file: string },
): Promise<void> {
  const { body } = await call('POST', `/sites/${site.name}/join-code`);
  const url = `https://${CENTRAL.address}:${CENTRAL.appliances}`;
  await reveille({
    ...{ namespace: site.namespace, input: String(body.code) },
    words: ['federation', 'join', url, '--config', site.file],
  });
}
