/**
 * Interfaces that come and go while the daemon runs: VLANs above all, which are made when the trunk is configured, and made anew.
 *
 * What is bound to an interface is bound to its number, and hears nothing once another one has its name. So every interface is looked at
 * once in a while; what is open on one that is gone is closed, and opened again when something has its name and is up. One that is only
 * down keeps what is open on it: nothing comes in. One that hears its clients without having the address of its segment would send them
 * to nobody, so it is closed, too, until it has it. The others are served meanwhile, also at the start: nothing but an appliance
 * without any interface refuses to start.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { absence, isOurs, type SeenInterface, seeInterface } from '../platform/interfaces.ts';
import type { Log } from '../platform/log.ts';

export interface InterfaceUse {
  /** Opens what is needed there. @returns how to close it */
  open(iface: string): Promise<() => Promise<unknown>>;
  /** After it was not: not at the start. */
  onServed(iface: string): void;
  onLost(iface: string, why: string): void;
  /** A look failed, as when the process has no descriptor left: told once, until one succeeds. The next look is taken all the same. */
  onError(err: unknown): void;
  readonly look?: (iface: string, addresses: readonly string[]) => SeenInterface | undefined;
  readonly everyMs?: number;
}

export interface Following {
  /** Looks now. */
  look(): Promise<void>;
  close(): Promise<void>;
}

/** Why one is not served. The words change with what other interfaces there are; this does not. */
type Lost = 'absent' | 'down' | 'unaddressed' | 'replaced' | 'failed';

interface Followed {
  readonly iface: string;
  /** Of its segments: it is up when it has them. */
  readonly addresses: readonly string[];
  /** The number of what is open, and how to close it. */
  open: { readonly number: number; close(): Promise<unknown> } | undefined;
  /** Why it was not served when it was last looked at. */
  told: Lost | undefined;
}

/**
 * @param ifaces each with the addresses that it is to have: none where only relayed requests come in
 * @throws AppError INTERFACE_MISSING when none of them is there; LISTEN_FAILED when one that is cannot be served
 */
export async function followInterfaces(
  ifaces: ReadonlyMap<string, readonly string[]>,
  use: InterfaceUse,
): Promise<Following> {
  const { look: see = seeInterface, everyMs = limit('interfaceLookMs') } = use;
  const all = [...ifaces].map(
    ([iface, addresses]): Followed => ({ iface, addresses, open: undefined, told: undefined }),
  );
  const lost = (one: Followed, kind: Lost, why: string): void => {
    if (one.told !== kind) use.onLost(one.iface, why);
    one.told = kind;
  };
  const lack = (one: Followed, seen: SeenInterface | undefined): void => {
    const present = seen?.hears ? 'unaddressed' : 'down';
    lost(one, seen ? present : 'absent', absence(one.iface, one.addresses));
  };
  const openAs = async (one: Followed, number: number): Promise<void> => {
    one.open = { number, close: await use.open(one.iface) };
  };
  const follow = async (one: Followed): Promise<void> => {
    const seen = see(one.iface, one.addresses);
    const replaced = one.open !== undefined && one.open.number !== seen?.number;
    if (one.open && (replaced || (seen?.hears && !seen.isUp))) {
      const { close } = one.open;
      one.open = undefined;
      await close();
      if (replaced && seen) lost(one, 'replaced', 'another interface has its name now');
    }
    if (!seen?.isUp) return lack(one, seen);
    if (one.open && one.told === undefined) return;
    try {
      if (!one.open) await openAs(one, seen.number);
      one.told = undefined;
      use.onServed(one.iface);
    } catch (error) {
      // It may have gone between the look and the opening: the next look tells.
      lost(one, 'failed', (error as AppError).detail ?? (error as Error).message);
    }
  };
  const close = async (): Promise<void> => {
    const open = all.flatMap((one) => one.open ?? []);
    for (const one of all) one.open = undefined;
    await Promise.all(open.map((one) => one.close()));
  };
  const seen = all.map(({ iface, addresses }) => see(iface, addresses));
  const [first] = all;
  if (first && !seen.some((one) => one?.isUp))
    throw new AppError('INTERFACE_MISSING', { detail: absence(first.iface, first.addresses) });
  try {
    for (const [index, one] of all.entries()) {
      const found = seen[index];
      if (found?.isUp) await openAs(one, found.number);
      else lack(one, found);
    }
  } catch (error) {
    await close();
    throw error;
  }
  let closed = false;
  const failing = new Set<Followed>();
  const tryFollow = async (one: Followed): Promise<void> => {
    try {
      await follow(one);
      failing.delete(one);
    } catch (err) {
      if (failing.size === 0) use.onError(err);
      failing.add(one);
    }
  };
  let looking: Promise<void> = Promise.resolve();
  const look = (): Promise<void> => {
    looking = looking.then(async () => {
      for (const one of all) if (!closed) await tryFollow(one);
    });
    return looking;
  };
  const timer = setInterval(() => void look(), everyMs);
  timer.unref();
  return {
    look,
    async close() {
      closed = true;
      clearInterval(timer);
      await looking;
      await close();
    },
  };
}

/**
 * Opens what is bound to an address of ours: now, or, while an interface is to have it and none has, when the address is there.
 * @param open is called again after it failed, and leaves nothing open then
 */
export async function onceOurs(
  of: {
    readonly address: string;
    readonly ifaces: readonly string[];
    /** For the log. */
    readonly what: string;
    readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
    readonly closers: (() => unknown)[];
    readonly ours?: (address: string) => boolean;
    readonly everyMs?: number;
  },
  open: () => Promise<void>,
): Promise<void> {
  const { address, ifaces, what, log, closers } = of;
  const { ours = isOurs, everyMs = limit('interfaceLookMs') } = of;
  if (ifaces.length === 0 || ours(address)) return open();
  log.warn({ what, address, ifaces }, 'its address is not ours yet: it waits for the interface');
  let closed = false;
  let told: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const tried = async (): Promise<void> => {
    try {
      if (!ours(address)) return wait();
      await open();
      log.info({ what, address }, 'its address is there: it is served');
    } catch (err) {
      const { message } = err as Error;
      if (told !== message) log.error({ err, what, address }, 'it cannot be served yet');
      told = message;
      if (!closed) wait();
    }
  };
  const wait = (): void => {
    timer = setTimeout(() => void tried(), everyMs);
    timer.unref();
  };
  wait();
  closers.push(() => {
    closed = true;
    clearTimeout(timer);
  });
}
