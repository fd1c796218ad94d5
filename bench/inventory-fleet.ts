/** The fleet that the inventory bench enters, the same for the appliance and for PostgreSQL, and the timing of its questions. */
import { percentile, round } from './support/stats.ts';

export interface FleetMachine {
  readonly serial: string;
  readonly manufacturer: string;
  readonly product: string;
  readonly rack: string;
  readonly unit: number;
  readonly hostname: string;
  readonly role: string;
  readonly tags: readonly string[];
  readonly notes: string;
  readonly state: 'held' | 'in-use';
  readonly nics: readonly { readonly mac: string; readonly name: string }[];
}

const ROLES = ['fancydb', 'web', 'cache', 'analytics', 'search', 'ads', 'mail', 'edge'];
const PRODUCTS = ['PowerEdge R630', 'PowerEdge R730xd', 'ProLiant DL380 Gen9', 'SYS-6028R'];
const UNITS = 40;

/** Serials as vendors make them: letters and digits without an order that an index could profit from. */
function serialOf(n: number): string {
  let mixed = (n * 2_654_435_761) % 4_294_967_296;
  let text = '';
  for (let at = 0; at < 4; at++) {
    text += 'BCDFGHJKLMNPQRSTVWXZ'[mixed % 20];
    mixed = Math.floor(mixed / 20);
  }
  return `${text}${n.toString(36).toUpperCase().padStart(4, '0')}`;
}

export function machineOf(n: number): FleetMachine {
  const role = ROLES[n % ROLES.length] ?? 'web';
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  return {
    serial: serialOf(n),
    manufacturer: n % 4 < 2 ? 'Dell Inc.' : 'HPE',
    product: PRODUCTS[n % PRODUCTS.length] ?? '',
    rack: `R${Math.floor(n / UNITS)}`,
    unit: (n % UNITS) + 1,
    hostname: n % 10 < 7 ? `${role}-${n}.lon.example` : '',
    role: n % 10 < 7 ? role : '',
    tags: n % 3 === 0 ? ['ssd'] : [],
    notes: n % 1000 === 0 ? `order ${n} came late` : '',
    state: n % 10 < 7 ? 'in-use' : 'held',
    nics: [0, 1, 2, 3].map((port) => {
      const digits = `52${hex(n, 8)}${hex(port, 2)}`;
      return { mac: digits.match(/../g)?.join(':') ?? '', name: `eth${port}` };
    }),
  };
}

export interface Timing {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Asks `count` times, one after another: what one person or script sees. @param ask gets the number of its turn */
export async function timed(
  count: number,
  ask: (turn: number) => Promise<unknown>,
): Promise<Timing> {
  const times: number[] = [];
  const started = performance.now();
  for (let turn = 0; turn < count; turn++) {
    const before = performance.now();
    await ask(turn);
    times.push(performance.now() - before);
  }
  const seconds = (performance.now() - started) / 1000;
  return {
    perSecond: Math.round(count / seconds),
    p50Ms: round(percentile(times, 0.5), 3),
    p99Ms: round(percentile(times, 0.99), 3),
    maxMs: round(Math.max(...times), 3),
  };
}

/** Which machine each turn asks for: spread over the fleet, the same for both sides. */
export function pick(turn: number, machines: number): FleetMachine {
  return machineOf((turn * 7919 + 13) % machines);
}
