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
import type { Hardwarename } from '../wire/ids.ts';
import { createDialler, type Privilege, type SecureHttp } from './dial.ts';
import { createLoginTrials, type Tag } from './login-trials.ts';
import { createRefusals, isRefusal } from './logins.ts';
import { createPool } from './pool.ts';
import { type BmcProfile, profileFor } from './profiles.ts';
import { turnOf } from './turn.ts';

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
  /** Nothing has proven yet whose it is. */
  readonly stranger?: boolean;
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
   * @throws AppError BMC_MISSING, NOT_FOUND, CONSOLE_NONE for one that speaks Redfish alone, and the refusal when every
   * login has been refused before
   */
  settings(target: BmcTarget): {
    readonly bmc: { readonly address: string; readonly port: number };
    readonly settings: SessionSettings;
    /** What came of it: a login that was refused is not handed out again. */
    failed(error: unknown): void;
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
  /** Names of those that BMCs come with, in order: they are in manuals, and may be shown to anybody. */
  readonly factoryCredentials?: readonly string[] | undefined;
  /** Wall clock, milliseconds. */
  clock(): number;
  /** A change that nobody is told of and that may be committed a little later. */
  soon(change: () => void): void;
  /** Runs a change and returns when it is committed. */
  transaction(change: () => void): void;
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

export function createBmcAccess(parts: BmcAccessParts): BmcAccess {
  const { bmcs, credentials, records, ports, clock } = parts;
  const refusals = createRefusals({ bmcs, clock, commit: parts.transaction });
  const dial = createDialler(parts);
  const pool = createPool<Bmc, Tag>({
    timers: ports.timers,
    closeSession: (bmc) => bmc.close(),
    proveAlive: (bmc) => bmc.powerOn(),
  });
  const profileOf = (target: BmcTarget): BmcProfile => profileFor(target, records.list('bmc'));
  const { namesFor, openWithAny, usable } = createLoginTrials(parts, { dial, refusals, profileOf });
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
      // A login of the site was set through this connection: whoever is at its end has it.
      accountGiven: () => {
        if (held.session.protocol === 'redfish' && profileOf(target).certificate !== 'authority')
          parts.transaction(() => bmcs.write(target.id, { trusted: true }));
      },
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
      const profile = profileOf(target);
      const redfish = (known: string | undefined) => known === 'redfish';
      if (
        redfish(profile.driver) ||
        (profile.driver === 'auto' && redfish(bmcs.get(target.id)?.protocol))
      )
        throw new AppError('CONSOLE_NONE', {
          detail: `${target.hardwarename || target.id} is spoken to over Redfish.`,
        });
      const name = usable(target);
      const version = credentials.get(name)?.version ?? 0;
      return {
        ...dial.settingsFor(target, { profile, credential: name }),
        failed(error) {
          if (!(error instanceof AppError) || !isRefusal(error)) return;
          refusals.add(target, { name, version, privilege: 'operator' }, error.code);
        },
      };
    },
    sessions: pool.count,
    close: pool.close,
  };
}
