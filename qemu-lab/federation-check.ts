/**
 * Whether central is the union of its sites: each machine as its site has it, and each event of each site once. Pure: it
 * compares what was read from both, when nothing moves any more.
 */
export interface CheckedMachine {
  readonly hardwarename: string;
  readonly version: number;
  readonly state: string;
  readonly hostname: string;
}

export interface CheckedEvent {
  readonly id: number;
  readonly name: string;
}

export interface Sided {
  readonly machines: readonly CheckedMachine[];
  readonly events: readonly CheckedEvent[];
}

/** What passes by and stays on the site (src/federation/session.ts). */
const TRAFFIC = /^(dhcp|tftp|http|ipxe|agent|boot)\./;

/** @returns what differs, each as a sentence; events before the first one that central has were in a snapshot */
export function differencesOf(site: string, own: Sided, central: Sided): string[] {
  return [...machinesOf(site, own, central), ...eventsOf(site, own, central)];
}

function machinesOf(site: string, own: Sided, central: Sided): string[] {
  const found: string[] = [];
  const theirs = new Map(central.machines.map((one) => [one.hardwarename, one]));
  for (const mine of own.machines) {
    const { hardwarename } = mine;
    const copy = theirs.get(hardwarename);
    theirs.delete(hardwarename);
    if (!copy) found.push(`${site}: ${hardwarename} is missing at central`);
    else if (wordsOf(copy) !== wordsOf(mine))
      found.push(`${site}: ${wordsOf(mine)} is ${wordsOf(copy)} at central`);
  }
  return [...found, ...[...theirs.keys()].map((name) => `${site}: ${name} is only at central`)];
}

const wordsOf = ({ hardwarename, version, state, hostname }: CheckedMachine): string =>
  `${hardwarename} v${version} ${state} '${hostname}'`;

function eventsOf(site: string, own: Sided, central: Sided): string[] {
  const found: string[] = [];
  const told = new Map<number, string>();
  for (const { id, name } of central.events) {
    if (told.has(id)) found.push(`${site}: event ${id} is twice at central`);
    told.set(id, name);
  }
  const first = Math.min(...told.keys());
  for (const { id, name } of own.events) {
    if (id < first || TRAFFIC.test(name)) continue;
    const copy = told.get(id);
    told.delete(id);
    if (copy === undefined) found.push(`${site}: event ${id} (${name}) is missing at central`);
    else if (copy !== name) found.push(`${site}: event ${id} is ${copy} at central, not ${name}`);
  }
  return [...found, ...[...told].map(([id, name]) => `${site}: event ${id} (${name}) is no event`)];
}
