/**
 * Interfaces that come and go while the daemon runs: VLANs above all, which are made when the trunk is configured, and made anew.
 *
 * What is bound to an interface is bound to its number, and hears nothing once another one has its name. So every interface is looked at
 * once in a while; what is open on one that is gone is closed, and opened again when something has its name and is up. One that is only
 * down keeps what is open on it. The others are served meanwhile, also at the start: nothing but an appliance without any interface
 * refuses to start.
 */
import { AppError } from '../errors.ts';
import { limit } from '../limits.ts';
import { absence, isOurs, isUp, type SeenInterface, seeInterface } from '../platform/interfaces.ts';
import type { Log } from '../platform/log.ts';

export interface InterfaceUse {
  /** Opens what is needed there. @returns how to close it */
  open(iface: string): Promise<() => Promise<unknown>>;
  /** After it was not: not at the start. */
  onServed(iface: string): void;
  onLost(iface: string, why: string): void;
  readonly look?: (iface: string) => SeenInterface | undefined;
  readonly everyMs?: number;
}

export interface Following {
  /** Looks now. */
  look(): Promise<void>;
  close(): Promise<void>;
}

interface Followed {
  readonly iface: string;
  /** The number of what is open, and how to close it. */
  open: { readonly number: number; close(): Promise<unknown> } | undefined;
  /** Why it was not served when it was last looked at. */
  told: string | undefined;
}

/** @throws AppError INTERFACE_MISSING when none of them is there; LISTEN_FAILED when one that is cannot be served */
export async function followInterfaces(
  ifaces: readonly string[],
  use: InterfaceUse,
): Promise<Following> {
  const { look: see = seeInterface, everyMs = limit('interfaceLookMs') } = use;
  const all = ifaces.map((iface): Followed => ({ iface, open: undefined, told: undefined }));
  const lost = (one: Followed, why: string): void => {
    if (one.told !== why) use.onLost(one.iface, why);
    one.told = why;
  };
  const openAs = async (one: Followed, number: number): Promise<void> => {
    one.open = { number, close: await use.open(one.iface) };
  };
  const follow = async (one: Followed): Promise<void> => {
    const seen = see(one.iface);
    if (one.open && one.open.number !== seen?.number) {
      const { close } = one.open;
      one.open = undefined;
      await close();
      if (seen) lost(one, 'another interface has its name now');
    }
    if (!seen?.isUp) return lost(one, absence(one.iface));
    if (one.open && one.told === undefined) return;
    try {
      if (!one.open) await openAs(one, seen.number);
      one.told = undefined;
      use.onServed(one.iface);
    } catch (error) {
      // It may have gone between the look and the opening: the next look tells.
      lost(one, (error as AppError).detail ?? (error as Error).message);
    }
  };
  const close = async (): Promise<void> => {
    const open = all.flatMap((one) => one.open ?? []);
    for (const one of all) one.open = undefined;
    await Promise.all(open.map((one) => one.close()));
  };
  const seen = all.map(({ iface }) => see(iface));
  const [first] = all;
  if (first && !seen.some((one) => one?.isUp))
    throw new AppError('INTERFACE_MISSING', { detail: absence(first.iface) });
  try {
    for (const [index, one] of all.entries()) {
      const found = seen[index];
      if (found?.isUp) await openAs(one, found.number);
      else lost(one, absence(one.iface));
    }
  } catch (error) {
    await close();
    throw error;
  }
  let closed = false;
  let looking: Promise<void> = Promise.resolve();
  const look = (): Promise<void> => {
    looking = looking.then(async () => {
      for (const one of all) if (!closed) await follow(one);
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
 * Opens what is bound to an address of ours: now, or, while none of the interfaces that are to have it is up, when the address
 * is there. An address that is missing on an interface that is up is a mistake, and throws as ever.
 */
export async function onceOurs(
  of: {
    readonly address: string;
    readonly ifaces: readonly string[];
    /** For the log. */
    readonly what: string;
    readonly log: Log;
    readonly closers: (() => unknown)[];
  },
  open: () => Promise<void>,
): Promise<void> {
  const { address, ifaces, what, log, closers } = of;
  if (ifaces.length === 0 || ifaces.some(isUp)) return open();
  log.warn({ what, address, ifaces }, 'its address is not ours yet: it waits for the interface');
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    timer = setTimeout(async () => {
      if (closed) return;
      if (!isOurs(address)) return wait();
      await open().then(
        () => log.info({ what, address }, 'its address is there: it is served'),
        (err: unknown) => {
          log.error({ err, what, address }, 'its address is there, and it cannot be served');
          if (!closed) wait();
        },
      );
    }, limit('interfaceLookMs'));
    timer.unref();
  };
  wait();
  closers.push(() => {
    closed = true;
    clearTimeout(timer);
  });
}
