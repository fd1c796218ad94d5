/**
 * Opening a BMC with whichever login it takes: names in order, each at most once, and one that it has refused before not at
 * all. What came of it is noted: which login opened it, since when none does, which it refused.
 */
import { AppError } from '../errors.ts';
import type { Bmc } from '../ipmi/bmc.ts';
import { limit } from '../limits.ts';
import type { BmcAccessParts, BmcTarget, OpenOptions } from './access.ts';
import type { Dialler, Privilege } from './dial.ts';
import { isRefusal, loginOrder, type Refusals } from './logins.ts';
import type { BmcProfile } from './profiles.ts';

/** What a session was opened with. */
export interface Tag {
  readonly credential: string;
  readonly version: number;
  readonly privilege: Privilege;
  readonly profile: string;
}

export interface LoginTrials {
  /** Names of stored credentials, in order. @throws AppError BMC_MISSING without an address or a login */
  namesFor(target: BmcTarget, named: string | undefined): string[];
  /** @throws AppError BMC_* */
  openWithAny(target: BmcTarget, options: OpenOptions): Promise<{ session: Bmc; tag: Tag }>;
  /** The first name that has not been refused. @throws AppError BMC_MISSING, or the refusal */
  usable(target: BmcTarget): string;
}

export function createLoginTrials(
  parts: BmcAccessParts,
  tools: {
    readonly dial: Dialler;
    readonly refusals: Refusals;
    profileOf(target: BmcTarget): BmcProfile;
  },
): LoginTrials {
  const { bmcs, credentials, siteCredentials: site, factoryCredentials: factory = [] } = parts;
  const { dial, refusals, profileOf } = tools;
  const versionOf = (name: string) => credentials.get(name)?.version ?? 0;
  const namesFor = (target: BmcTarget, named: string | undefined): string[] => {
    const last = bmcs.get(target.id)?.credential ?? '';
    const { stranger = false } = target;
    const own = target.credential;
    const order = loginOrder({ stranger, last, own, site, factory });
    // The site's list may name what nobody has stored yet.
    const stored = order.filter((name) => credentials.get(name) !== undefined);
    const names = named === undefined ? stored : [named];
    if (target.address === '' || names.length === 0)
      throw new AppError('BMC_MISSING', { detail: target.hardwarename || target.id });
    return names;
  };
  /** Why a login is not to be tried now. The one that opened the BMC last is no guess, and has no share in what is spent. */
  const refusedBefore = ({ id }: BmcTarget, attempted: Parameters<Refusals['of']>[1]) => {
    const known = refusals.of(id, attempted);
    if (known !== undefined) return known;
    const isGuess = attempted.name !== bmcs.get(id)?.credential;
    return isGuess && refusals.spent(id) ? 'BMC_LOCKOUT' : undefined;
  };
  const openWithAny: LoginTrials['openWithAny'] = async (
    target,
    { credential: named, privilege = 'operator' },
  ) => {
    const profile = profileOf(target);
    const refused: Refused[] = [];
    for (const name of namesFor(target, named)) {
      const attempted = { name, version: versionOf(name), privilege };
      const code = refusedBefore(target, attempted);
      if (code !== undefined) {
        refused.push({ name, code });
        continue;
      }
      try {
        const session = await dial(target, { profile, credential: name, privilege });
        noteOpened(parts, target, { credential: name, protocol: session.protocol });
        const { version } = attempted;
        const tag = { credential: name, version, privilege, profile: JSON.stringify(profile) };
        return { session, tag };
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        if (!isRefusal(error) && !NOT_THIS_ONE.includes(error.code)) {
          noteFailure(parts, target, error);
          throw error;
        }
        if (isRefusal(error)) refusals.add(target, attempted, error.code);
        refused.push({ name, code: error.code, error });
      }
    }
    const error = refusalOf(refused);
    noteFailure(parts, target, error);
    throw error;
  };
  return {
    namesFor,
    openWithAny,
    usable(target) {
      const refused: Refused[] = [];
      for (const name of namesFor(target, undefined)) {
        const attempted = { name, version: versionOf(name), privilege: 'operator' as const };
        const code = refusedBefore(target, attempted);
        if (code === undefined) return name;
        refused.push({ name, code });
      }
      throw refusalOf(refused);
    },
  };
}

function noteFailure(
  { bmcs, clock, soon }: BmcAccessParts,
  { id, address }: BmcTarget,
  { code, message }: AppError,
): void {
  soon(() => {
    const failedAt = bmcs.get(id)?.failedAt || clock();
    bmcs.write(id, { address, failedAt, code, detail: message.slice(0, 500) });
  });
}

/** A row that would say the same again is not written at each use. */
function noteOpened(
  { bmcs, clock, soon }: BmcAccessParts,
  { id, address }: BmcTarget,
  opened: { readonly credential: string; readonly protocol: Bmc['protocol'] },
): void {
  const [before, openedAt] = [bmcs.get(id), clock()];
  const known =
    before?.credential === opened.credential &&
    before.protocol === opened.protocol &&
    before.failedAt === 0 &&
    openedAt - before.openedAt < limit('bmcReprobeMs');
  if (known) return;
  const well = { failedAt: 0, code: '', detail: '' };
  soon(() => bmcs.write(id, { address, ...opened, ...well, openedAt }));
}

/** It was not sent: the certificate is not proven, or its name or password is longer than the protocol has room for. */
const NOT_THIS_ONE: readonly string[] = ['BMC_UNTRUSTED', 'REQUEST_INVALID'];

interface Refused {
  readonly name: string;
  readonly code: string;
  /** Absent for one that was not tried. */
  readonly error?: AppError;
}

/** The first refusal is that of the login which should have worked; the others are named. */
function refusalOf(refused: readonly Refused[]): AppError {
  const told = refused
    .map(({ name, code, error }) =>
      code === 'REQUEST_INVALID' ? `${name} (${error?.detail})` : `${name} (${code})`,
    )
    .join(', ');
  const [first] = refused;
  const again = refused.some(({ error }) => error === undefined)
    ? ' Those refused before are tried again when they change, or by `reveille bmc NAME retry`.'
    : '';
  const code = first?.code as AppError['code'];
  return new AppError(code, { detail: `Refused: ${told}.${again}`, cause: first?.error });
}
