/**
 * Who is using the page, and what that person may do. The rules themselves are the appliance's: this only decides which
 * buttons are worth showing, and every one of them is checked again where it is carried out.
 */
import { computed, signal } from '@preact/signals';
import type { Role } from '../inventory/access.ts';
import { call, csrf, Problem, read, signInNeeded } from './api.ts';
import { forgetKept } from './kept.ts';

export interface Session {
  readonly who: string;
  readonly kind: string;
  readonly role: Role;
  readonly squads: Readonly<Record<string, Role>>;
  readonly csrf?: string;
  /** Of central: what is shown is of all sites. */
  readonly fleet?: boolean;
  /** The site has two appliances. */
  readonly paired?: boolean;
}

const RANKS: Readonly<Record<Role, number>> = { viewer: 0, technician: 1, operator: 2, admin: 3 };

export const session = signal<Session | undefined>(undefined);
export const isSignedIn = computed(() => session.value?.kind === 'session');
/** The page is served by central, and shows a fleet. */
export const isFleet = computed(() => session.value?.fleet === true);
/** The sign-in form was asked for, or is needed. */
export const signInOpen = signal(false);

/** @returns whether this page may read at all */
export async function loadSession(patience?: AbortSignal): Promise<boolean> {
  try {
    take(await read<Session>('session', patience));
    return true;
  } catch (error) {
    if (error instanceof Problem && error.code === 'UNAUTHENTICATED') return false;
    throw error;
  }
}

export interface Provider {
  readonly label: string;
  readonly url: string;
}

/** The site's own identity provider, where it has one. */
export async function providerOf(): Promise<Provider | undefined> {
  return (await read<{ oidc: Provider | null }>('login')).oidc ?? undefined;
}

/** @throws Problem LOGIN_FAILED, RATE_LIMITED */
export async function signIn(user: string, password: string): Promise<void> {
  take((await call<Session>('POST', 'login', { body: { user, password } })).body);
  signInOpen.value = false;
  signInNeeded.value = false;
}

export async function signOut(): Promise<void> {
  await call('POST', 'logout');
  // From here on nothing is kept, either.
  session.value = undefined;
  await forgetKept();
  location.assign('/');
}

function take(next: Session): void {
  csrf.value = next.csrf ?? '';
  session.value = next;
}

/** Whether this person has at least this role where a machine of this squad is concerned. */
export function may(role: Role, squad = ''): boolean {
  const current = session.value;
  if (!current) return false;
  const own =
    current.role === 'admin' || squad === '' ? current.role : (current.squads[squad] ?? 'viewer');
  return RANKS[own] >= RANKS[role];
}

/** Whether this person has at least this role for the site or in any squad: enough to offer what asks for a squad. */
export function mayAnywhere(role: Role): boolean {
  const squads = Object.values(session.value?.squads ?? {});
  return may(role) || squads.some((own) => RANKS[own] >= RANKS[role]);
}
