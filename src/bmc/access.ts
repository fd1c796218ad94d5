/**
 * The one way to a BMC: jobs, the API, discovery and the console all come here.
 *
 * Whoever names a machine gets a session with its BMC. How it is spoken to follows from data: the profile that the site has
 * written down, the protocol that it answered before, the certificate that it showed; with which login, from names of
 * stored credentials tried in order. What was learnt is noted in ServerDb. Each BMC is asked one thing at a time, and a
 * session serves the next caller when it suits (pool.ts). Nothing in here opens a socket: UDP, HTTPS and time are handed in.
 */
import { AppError } from '../errors.ts';
import type { BmcStore } from '../inventory/bmcs.ts';
import type { Credentials } from '../inventory/credentials.ts';
import type { MachineRecord } from '../inventory/machine-fields.ts';
import type { Records } from '../inventory/records.ts';
import type { Bmc } from '../ipmi/bmc.ts';
import type { SessionSettings } from '../ipmi/options.ts';
import type { IpmiPorts } from '../ipmi/ports.ts';
import { limit } from '../limits.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { createDialler, type Privilege, type SecureHttp } from './dial.ts';
import { createRefusals, isRefusal, loginOrder } from './logins.ts';
import { createPool } from './pool.ts';
import { type BmcProfile, profileFor } from './profiles.ts';

/** A BMC, and what decides how it is spoken to. */
export interface BmcTarget {
  /** Its MAC, else its address: where ServerDb keeps what was learnt. */
  readonly id: string;
  readonly address: string;
  /** '' for one whose machine is not known. */
  readonly hardwarename: Hardwarename | '';
  readonly hardwareType: string;
  readonly vendor: string;
  /** The machine's own credential, or ''. */
  readonly credential: string;
}

export interface OpenOptions {
  /** This login and no other; without it the machine's own, then the site's. */
  readonly credential?: string | undefined;
  /** Operator is enough for power, boot and reading. */
  readonly privilege?: Privilege | undefined;
}

export interface BmcAccess {
  /**
   * Waits for its turn and opens a session; `close` gives it back.
   * @throws AppError BMC_MISSING without an address or a login, BMC_*, NOT_FOUND for a credential that is not there
   */
  open(target: BmcTarget, options?: OpenOptions): Promise<Bmc>;
  /** Opens, uses and gives back. */
  use<T>(target: BmcTarget, act: (bmc: Bmc) => Promise<T>, options?: OpenOptions): Promise<T>;
  /**
   * Where and how a session of one's own is opened over IPMI, for a console, which lasts for hours and takes no turn.
   * @throws AppError BMC_MISSING, NOT_FOUND
   */
  settings(target: BmcTarget): {
    readonly bmc: { readonly address: string; readonly port: number };
    readonly settings: SessionSettings;
  };
  sessions(): { readonly used: number; readonly kept: number };
  close(): Promise<void>;
}

export interface BmcAccessParts {
  readonly bmcs: BmcStore;
  readonly credentials: Credentials;
  readonly records: Pick<Records, 'list'>;
  readonly ports: IpmiPorts;
  /** Absent: Redfish is not used. */
  readonly secure?: SecureHttp | undefined;
  /** Names of credentials that a BMC of this site may have, in order. */
  readonly siteCredentials: readonly string[];
  /** Wall clock, milliseconds. */
  clock(): number;
  /** A change that nobody is told of and that may be committed a little later. */
  soon(change: () => void): void;
  /** Another port than the profile's, for tests. */
  readonly bmcPort?: number | undefined;
}

/** The BMC of a machine on record. */
export function targetOf(
  machine: Pick<
    MachineRecord,
    | 'hardwarename'
    | 'hardwareType'
    | 'manufacturer'
    | 'bmcAddress'
    | 'bmcMac'
    | 'bmcVendor'
    | 'bmcCredential'
  >,
): BmcTarget {
  const { hardwarename, hardwareType, bmcAddress: address, bmcCredential: credential } = machine;
  const vendor = machine.bmcVendor || machine.manufacturer;
  return { id: machine.bmcMac || address, address, hardwarename, hardwareType, vendor, credential };
}

/** What a session was opened with. */
interface Tag {
  readonly credential: string;
  readonly version: number;
  readonly privilege: Privilege;
  readonly profile: string;
}

export function createBmcAccess(parts: BmcAccessParts): BmcAccess {
  const { bmcs, credentials, records, ports, siteCredentials, clock, soon } = parts;
  const refusals = createRefusals(clock);
  const dial = createDialler(parts);
  const pool = createPool<Bmc, Tag>({
    timers: ports.timers,
    closeSession: (bmc) => bmc.close(),
    proveAlive: (bmc) => bmc.powerOn(),
  });
  const profileOf = (target: BmcTarget): BmcProfile => profileFor(target, records.list('bmc'));
  const namesFor = (target: BmcTarget, named: string | undefined): string[] => {
    const last = bmcs.get(target.id)?.credential ?? '';
    const order = loginOrder({ last, own: target.credential, site: siteCredentials });
    // The site's list may name what nobody has stored yet.
    const stored = order.filter((name) => credentials.get(name) !== undefined);
    const names = named === undefined ? stored : [named];
    if (target.address === '' || names.length === 0)
      throw new AppError('BMC_MISSING', { detail: target.hardwarename || target.id });
    return names;
  };
  const noteFailure = (target: BmcTarget, { code, message }: AppError): void => {
    const { id, address } = target;
    soon(() => {
      const failedAt = bmcs.get(id)?.failedAt || clock();
      bmcs.write(id, { address, failedAt, code, detail: message.slice(0, 500) });
    });
  };

  /** A row that would say the same again is not written at each use. */
  const noteOpened = (
    { id, address }: BmcTarget,
    opened: { credential: string; protocol: Bmc['protocol'] },
  ): void => {
    const [before, openedAt] = [bmcs.get(id), clock()];
    const known =
      before?.credential === opened.credential &&
      before.protocol === opened.protocol &&
      before.failedAt === 0 &&
      openedAt - before.openedAt < limit('bmcReprobeMs');
    if (known) return;
    const well = { failedAt: 0, code: '', detail: '' };
    soon(() => bmcs.write(id, { address, ...opened, ...well, openedAt }));
  };

  /** Tries the logins in order; each at most once, and one that was refused lately not at all. */
  const openWithAny = async (
    target: BmcTarget,
    { credential: named, privilege = 'operator' }: OpenOptions,
  ) => {
    const profile = profileOf(target);
    const { id } = target;
    const refused: { name: string; code: string; error?: AppError }[] = [];
    for (const name of namesFor(target, named)) {
      const version = credentials.get(name)?.version ?? 0;
      const known = named === undefined ? refusals.of(id, name, version) : undefined;
      if (known !== undefined) {
        refused.push({ name, code: known });
        continue;
      }
      try {
        const bmc = await dial(target, { profile, credential: name, privilege });
        noteOpened(target, { credential: name, protocol: bmc.protocol });
        const tag = { credential: name, version, privilege, profile: JSON.stringify(profile) };
        return { session: bmc, tag };
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        if (!isRefusal(error)) {
          noteFailure(target, error);
          throw error;
        }
        refusals.add(id, name, { version, code: error.code });
        refused.push({ name, code: error.code, error });
      }
    }
    const error = refusalOf(refused);
    noteFailure(target, error);
    throw error;
  };

  const open = async (target: BmcTarget, options: OpenOptions = {}): Promise<Bmc> => {
    const { credential, privilege = 'operator' } = options;
    namesFor(target, credential);
    const profile = JSON.stringify(profileOf(target));
    const held = await pool.take({
      key: target.address,
      suits: (tag) =>
        (credential === undefined || tag.credential === credential) &&
        (privilege === 'operator' || tag.privilege === privilege) &&
        tag.profile === profile &&
        credentials.get(tag.credential)?.version === tag.version,
      open: () => openWithAny(target, options),
    });
    return turnOf(held.session, {
      giveBack: held.giveBack,
      accountsChanged: () => refusals.forget(target.id),
    });
  };

  return {
    open,
    async use(target, act, options) {
      const bmc = await open(target, options);
      try {
        return await act(bmc);
      } finally {
        await bmc.close();
      }
    },
    settings(target) {
      const [credential = ''] = namesFor(target, undefined);
      return dial.settingsFor(target, { profile: profileOf(target), credential });
    },
    sessions: pool.count,
    close: pool.close,
  };
}

/** The first refusal is that of the login which should have worked; the others are named. */
function refusalOf(refused: readonly { name: string; code: string; error?: AppError }[]): AppError {
  const told = refused.map(({ name, code }) => `${name} (${code})`).join(', ');
  const code = refused[0]?.code as AppError['code'];
  return new AppError(code, { detail: `Refused: ${told}.`, cause: refused[0]?.error });
}

/** A session for one turn: it is not kept when it has failed, or when its own account may have changed. */
function turnOf(
  bmc: Bmc,
  { giveBack, accountsChanged }: { giveBack(reusable: boolean): void; accountsChanged(): void },
): Bmc {
  let reusable = true;
  const watched =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      try {
        return await call(...args);
      } catch (error) {
        // What it refuses says that it is there; anything else does not.
        if (!(error instanceof AppError && error.code === 'BMC_REFUSED')) reusable = false;
        throw error;
      }
    };
  const { accounts, upkeep } = bmc;
  const changing = <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    watched(async (...args: Args) => {
      reusable = false;
      accountsChanged();
      return call(...args);
    });
  return {
    protocol: bmc.protocol,
    powerOn: watched(() => bmc.powerOn()),
    setPower: watched((action) => bmc.setPower(action)),
    startMark: watched(() => bmc.startMark()),
    startedSince: watched((mark) => bmc.startedSince(mark)),
    setBoot: watched((wish) => bmc.setBoot(wish)),
    identify: watched((seconds) => bmc.identify(seconds)),
    sensors: watched(() => bmc.sensors()),
    inventory: watched(() => bmc.inventory()),
    log: watched(() => bmc.log()),
    accounts: accounts && {
      put: changing((user) => accounts.put(user)),
      disable: changing((name) => accounts.disable(name)),
    },
    upkeep: upkeep && {
      restorePolicy: watched((wish) => upkeep.restorePolicy(wish)),
      setClock: watched((seconds) => upkeep.setClock(seconds)),
      useDhcp: watched(() => upkeep.useDhcp()),
      calmWatchdog: watched(() => upkeep.calmWatchdog()),
    },
    async close() {
      giveBack(reusable);
    },
  };
}
