/** Serial consoles put together: lines over IPMI sessions of their own, and the recorder behind the event feed. */

import { Gauge } from 'prom-client';
import { type BmcAccess, targetOf } from '../bmc/access.ts';
import { isRefusal } from '../bmc/logins.ts';
import type { Config } from '../config.ts';
import { type ConsoleHub, createConsoleHub } from '../console/hub.ts';
import type { ConsoleTimers, LineHandlers, OpenLine } from '../console/ports.ts';
import { ConsoleRecorder } from '../console/recorder.ts';
import { AppError } from '../errors.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { openSession } from '../ipmi/client.ts';
import { COMPLETION, CompletionError } from '../ipmi/completion.ts';
import type { SessionSettings } from '../ipmi/options.ts';
import type { Address, IpmiPorts } from '../ipmi/ports.ts';
import { openSol } from '../ipmi/sol-console.ts';
import type { Log } from '../platform/log.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock } from '../wire/time.ts';
import type { Metrics } from './metrics.ts';

export interface ConsoleParts {
  readonly inventory: Inventory;
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'registry'>;
  readonly closers: (() => unknown)[];
}

const DAY_MS = 86_400_000;
const PRUNE_EVERY_MS = 600_000;

export function startConsoles(
  parts: ConsoleParts,
  { access, ports }: { readonly access: BmcAccess; readonly ports: IpmiPorts },
): ConsoleHub {
  const { inventory, config, clock, log, metrics, closers } = parts;
  const { record, keepDays } = config.consoles;
  const machineOf = (hardwarename: Hardwarename) => inventory.machines.record(hardwarename);
  const hub = createConsoleHub({
    timers,
    async open(hardwarename, handlers) {
      const machine = machineOf(hardwarename);
      if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename });
      const { bmc, settings, failed } = access.settings(targetOf(machine));
      try {
        return await openLine(ports, bmc, { ...handlers, settings });
      } catch (error) {
        failed(error);
        throw error;
      }
    },
  });
  closers.push(() => hub.close());
  registerMetrics(metrics, hub);
  const forget = setInterval(() => {
    try {
      inventory.transaction(() => inventory.consoles.prune(clock() - keepDays * DAY_MS));
    } catch (err) {
      log.error({ err }, 'old recordings of consoles could not be forgotten');
    }
  }, PRUNE_EVERY_MS);
  closers.push(() => clearInterval(forget));
  if (!record) return hub;
  const { events, consoles: store, soon, transaction } = inventory;
  const recorder = new ConsoleRecorder({
    ...{ hub, store, timers, events, soon, transaction },
    hasBmc: (hardwarename) => mayRecord(inventory, hardwarename),
    onError: (err) => log.warn({ err }, 'a console is not recorded'),
    onKept(number) {
      const kept = store.get(number);
      if (!kept) return;
      const { hardwarename, boot, heardBytes, keptBytes, ended } = kept;
      events.append({
        name: 'console.recorded',
        hardwarename,
        ...(boot === '' ? {} : { boot: boot as never }),
        data: { recording: number, heardBytes, keptBytes, ended },
      });
    },
  });
  closers.push(() => recorder.stop());
  return hub;
}

/**
 * Whether a machine has a BMC that let us in when it was last asked: a login that it refuses is not tried again at each boot,
 * because BMCs lock an account after a few wrong passwords.
 */
function mayRecord({ machines, serverdb }: Inventory, hardwarename: Hardwarename): boolean {
  const machine = machines.record(hardwarename);
  if (!machine || machine.bmcAddress === '') return false;
  const known = serverdb.bmcs.get(targetOf(machine).id);
  return !known || !(isRefusal(known) || known.code === 'BMC_LOCKOUT');
}

function registerMetrics({ registry }: Pick<Metrics, 'registry'>, hub: ConsoleHub): void {
  new Gauge({
    name: 'reveille_consoles',
    help: 'Serial consoles: open lines, those that are recorded, and whoever watches',
    labelNames: ['what'],
    registers: [registry],
    collect() {
      const { lines, recorded, watchers } = hub.counts();
      this.set({ what: 'lines' }, lines);
      this.set({ what: 'recorded' }, recorded);
      this.set({ what: 'watchers' }, watchers);
    },
  });
}

const timers: ConsoleTimers = {
  nowMs: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * A session of its own, kept alive, with Serial over LAN active in it. An operator is enough for most BMCs; where it is not,
 * the same login is asked for administrator rights.
 * @throws AppError CONSOLE_TAKEN when somebody else's session has it, BMC_*
 */
export async function openLine(
  ports: IpmiPorts,
  bmc: Address,
  line: LineHandlers & { readonly settings: SessionSettings },
): Promise<OpenLine> {
  try {
    return await openWith(ports, bmc, line);
  } catch (error) {
    if (!(error instanceof CompletionError)) throw error;
    if (error.completion === ALREADY_ACTIVE) throw new AppError('CONSOLE_TAKEN', { cause: error });
    const { settings } = line;
    if (error.completion !== COMPLETION.privilege || settings.privilege !== undefined) throw error;
    return openLine(ports, bmc, { ...line, settings: { ...settings, privilege: 'administrator' } });
  }
}

const ALREADY_ACTIVE = 0x80;

async function openWith(
  ports: IpmiPorts,
  bmc: Address,
  { settings, takeOver, ...handlers }: LineHandlers & { readonly settings: SessionSettings },
): Promise<OpenLine> {
  const session = await openSession(ports, bmc, { ...settings, keepAlive: true });
  try {
    const sol = await openSol(session, {
      ...{ timers: ports.timers, takeOver, quirks: new Set(settings.quirks) },
      onData: (bytes) => handlers.onData(bytes),
      onBreakRefused: () => handlers.onRefused('The BMC refused the serial break.'),
      onEnd(error) {
        void session.close();
        handlers.onEnd(error);
      },
    });
    return {
      write: (bytes) => sol.write(bytes),
      break: () => sol.break(),
      async close() {
        await sol.close();
        await session.close();
      },
    };
  } catch (error) {
    await session.close();
    throw error;
  }
}
