/** The calls that the dialogs of a machine make. */
import { call, post } from '../api.ts';
import { go } from '../router.ts';
import type { MachineView } from './types.ts';

/** @returns the answer. @throws Problem VERSION_CONFLICT when somebody else was faster */
export async function patchMachine(
  { hardwarename, version }: MachineView,
  changes: Readonly<Record<string, unknown>>,
  why: string,
): Promise<unknown> {
  const reason = why.trim() === '' ? '' : `?why=${encodeURIComponent(why.trim())}`;
  const path = `machines/${encodeURIComponent(hardwarename)}${reason}`;
  return (await call('PATCH', path, { body: changes, version })).body;
}

/** Asks for a job and goes to it. @throws Problem */
export async function askFor(body: Readonly<Record<string, unknown>>): Promise<void> {
  const { body: job } = await post<{ id: string }>('jobs', body);
  go(`/jobs/${job.id}`);
}

/** `power-cycle` as people read it. */
export function jobWords(action: string): string {
  const words = action.replaceAll('-', ' ');
  return (words.charAt(0).toUpperCase() + words.slice(1)).replace(/^Bmc/, 'BMC');
}
