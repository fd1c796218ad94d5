/**
 * Opens one session with one login: which protocol, on which port, with which key and trust.
 *
 * The protocol that a BMC answered before is asked alone; only when that has failed for a while are both asked again, as
 * after a firmware update that switched IPMI off.
 *
 * What a login tells whoever is at the other end decides where it may be shown. RAKP of IPMI 2.0 shows the name alone: the
 * BMC has to prove first that it knows the password, and nothing is computed from ours for one that does not. Redfish sends
 * the password itself, and MD5 of IPMI 1.5 a digest to guess it from. So over Redfish, a login other than those of factories
 * is sent only to a certificate that an authority has signed, that a person has confirmed, or through which the login was
 * given to the BMC; and over IPMI 1.5 only to the BMC of a known machine. A certificate is pinned when it is first seen,
 * which keeps it from being exchanged and proves nothing more.
 */
import type { BmcStore } from '../inventory/bmcs.ts';
import type { Credentials } from '../inventory/credentials.ts';
import type { Bmc } from '../ipmi/bmc.ts';
import { parseKeyText } from '../ipmi/key-text.ts';
import type { SessionSettings } from '../ipmi/options.ts';
import type { IpmiPorts } from '../ipmi/ports.ts';
import { openBmc } from '../ipmi/probe.ts';
import type { HttpPort } from '../ipmi/redfish/http.ts';
import { limit } from '../limits.ts';
import type { BmcProfile } from './profiles.ts';

export type Privilege = 'operator' | 'administrator';

export type Trust =
  | { readonly kind: 'pinned'; readonly sha256: string }
  | { readonly kind: 'authority' };

/** HTTPS to BMCs: platform/bmc-https.ts. */
export interface SecureHttp {
  /** SHA-256 of the certificate that it shows. @throws AppError BMC_UNREACHABLE, BMC_TIMEOUT */
  certificateOf(at: { readonly address: string; readonly port: number }): Promise<string>;
  connect(at: { readonly address: string; readonly port: number; readonly trust: Trust }): HttpPort;
}

export interface DialParts {
  readonly bmcs: BmcStore;
  readonly credentials: Credentials;
  readonly ports: IpmiPorts;
  readonly secure?: SecureHttp | undefined;
  clock(): number;
  soon(change: () => void): void;
  /** Credentials that may be shown to anybody. */
  readonly factoryCredentials?: readonly string[] | undefined;
  readonly bmcPort?: number | undefined;
}

interface Wanted {
  readonly profile: BmcProfile;
  readonly credential: string;
  readonly privilege?: Privilege;
}

interface Place {
  readonly id: string;
  readonly address: string;
  /** Nothing has proven yet whose BMC it is. */
  readonly stranger?: boolean;
}

export interface Dialler {
  /** @throws AppError BMC_*, NOT_FOUND for a credential that is not there */
  (place: Place, wanted: Wanted): Promise<Bmc>;
  settingsFor(
    place: Place,
    wanted: Wanted,
  ): {
    readonly bmc: { readonly address: string; readonly port: number };
    readonly settings: SessionSettings;
  };
}

export function createDialler(parts: DialParts): Dialler {
  const { bmcs, credentials, ports, secure, clock, bmcPort, factoryCredentials = [] } = parts;
  const settingsFor: Dialler['settingsFor'] = (
    { address, stranger = false },
    { profile, credential, privilege },
  ) => {
    const { username: user, password } = credentials.open(credential);
    const { keyCredential, suites, quirks, ipmi15 } = profile;
    const allowIpmi15 = ipmi15 && (!stranger || factoryCredentials.includes(credential));
    const key = keyCredential === '' ? undefined : credentials.open(keyCredential).password;
    return {
      bmc: { address, port: bmcPort ?? profile.port },
      settings: {
        ...{ user, password, privilege, quirks, allowIpmi15 },
        ...(key === undefined ? {} : { kg: parseKeyText(key) }),
        ...(suites.length === 0 ? {} : { suites }),
      },
    };
  };
  const dial = (place: Place, wanted: Wanted): Promise<Bmc> => {
    const { profile } = wanted;
    const { bmc, settings } = settingsFor(place, wanted);
    const known = bmcs.get(place.id);
    const silentMs = known?.failedAt ? clock() - known.failedAt : 0;
    const remembered = silentMs < limit('bmcReprobeMs') ? known?.protocol || undefined : undefined;
    const chosen = profile.driver === 'auto' ? remembered : profile.driver;
    const mayShow =
      factoryCredentials.includes(wanted.credential) ||
      profile.certificate === 'authority' ||
      // What was given to a BMC without a pinned certificate says nothing of the one that is seen first.
      (known?.trusted === true && known.certificate !== '');
    return openBmc({
      ...{ bmc, ports, settings, mayShow },
      http: secure && httpTo(parts, secure, { ...place, profile }),
      only: chosen === 'redfish' && !secure ? undefined : chosen,
      systemId: profile.systemId || undefined,
    });
  };
  return Object.assign(dial, { settingsFor });
}

/** Connects when it is first used: most BMCs speak IPMI and are never asked. */
function httpTo(
  { bmcs, soon }: DialParts,
  secure: SecureHttp,
  { id, address, profile }: Place & { readonly profile: BmcProfile },
): HttpPort {
  const at = { address, port: profile.redfishPort };
  let port: HttpPort | undefined;
  const connect = async (): Promise<HttpPort> => {
    if (profile.certificate === 'authority')
      return secure.connect({ ...at, trust: { kind: 'authority' } });
    const { certificate: pinned = '', trusted = false } = bmcs.get(id) ?? {};
    const sha256 = pinned || (await secure.certificateOf(at));
    const doubt = trusted ? { trusted: false } : {};
    if (!pinned) soon(() => bmcs.write(id, { address, certificate: sha256, ...doubt }));
    return secure.connect({ ...at, trust: { kind: 'pinned', sha256 } });
  };
  return async (request) => {
    port ??= await connect();
    return port(request);
  };
}
