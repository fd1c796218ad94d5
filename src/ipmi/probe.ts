/**
 * Which protocol a BMC is driven with. IPMI comes first: one-time boot overrides and power are what it does most reliably on
 * old and new boards alike. Redfish is taken where IPMI over LAN is off, as it is by default on new HPE, Dell, Lenovo and
 * Supermicro machines, or where a site prefers it. A refused password is final: the other protocol is not tried with it.
 * A login that may not be shown to an unproven certificate stops at the service root, which needs none.
 */
import { AppError } from '../errors.ts';
import type { Bmc } from './bmc.ts';
import { openIpmiBmc } from './ipmi-bmc.ts';
import type { SessionSettings } from './options.ts';
import type { Address, IpmiPorts } from './ports.ts';
import { type HttpPort, RedfishHttp } from './redfish/http.ts';
import { openRedfishBmc } from './redfish/redfish-bmc.ts';

export interface ProbeTarget {
  readonly bmc: Address;
  readonly settings: SessionSettings;
  readonly ports: IpmiPorts;
  /** Requests to this BMC over HTTPS; absent where Redfish is not wanted. */
  readonly http?: HttpPort | undefined;
  /** Whether the login may be sent over Redfish, where whoever has the certificate reads it; true when absent. */
  readonly mayShow?: boolean;
  readonly prefer?: 'ipmi' | 'redfish';
  /** Known to speak this, and asked nothing else. */
  readonly only?: 'ipmi' | 'redfish' | undefined;
  readonly systemId?: string | undefined;
}

/** Failures that say "not this protocol" rather than "not you". */
const OTHER_PROTOCOL = ['BMC_UNREACHABLE', 'BMC_SUITE', 'BMC_PROTOCOL', 'BMC_TIMEOUT'];
/** The login does not fit in IPMI; Redfish knows longer ones. */
const DOES_NOT_FIT = 'REQUEST_INVALID';

/** @throws AppError of the protocol that came last */
export async function openBmc(target: ProbeTarget): Promise<Bmc> {
  const { bmc, settings, ports, http } = target;
  const credentials = { user: settings.user, password: settings.password };
  const { systemId } = target;
  const openers = {
    ipmi: () => openIpmiBmc(ports, bmc, settings),
    redfish:
      http &&
      (target.mayShow === false
        ? () => refuseUntrusted(http, bmc)
        : () => openRedfishBmc({ http, timers: ports.timers, credentials, systemId })),
  };
  const { only } = target;
  const order = only
    ? [openers[only]]
    : target.prefer === 'redfish'
      ? [openers.redfish, openers.ipmi]
      : [openers.ipmi, openers.redfish];
  let last: unknown;
  let unfit: AppError | undefined;
  for (const open of order) {
    if (!open) continue;
    try {
      return await open();
    } catch (error) {
      last = error;
      if (!(error instanceof AppError)) break;
      if (error.code === DOES_NOT_FIT) unfit ??= error;
      else if (!OTHER_PROTOCOL.includes(error.code)) break;
      // That nobody answers over the other one says less.
      else if (unfit) last = unfit;
    }
  }
  throw last ?? new AppError('BMC_PROTOCOL', { detail: `${only} is not in use here.` });
}

/** @throws AppError BMC_UNTRUSTED where there is a Redfish service, else what says that there is none */
async function refuseUntrusted(http: HttpPort, { address }: Address): Promise<never> {
  if (!(await RedfishHttp.root(http)))
    throw new AppError('BMC_PROTOCOL', { detail: 'There is no Redfish service root.' });
  throw new AppError('BMC_UNTRUSTED', { detail: `${address} answers over Redfish alone.` });
}
