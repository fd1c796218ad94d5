/** From what was scanned or typed to the machine: by exact match first, then by what the appliance finds. */
import type { FleetMachine } from '../http/people/routes/fleet.ts';
import { read } from './api.ts';
import { fleet } from './fleet.ts';
import { tell, tellProblem } from './notices.ts';
import { go, machinePath } from './router.ts';

interface Hits {
  readonly hits: readonly { readonly rank: number; readonly machine: FleetMachine }[];
}

const SURE_RANK = 2;

/** Labels carry "S/N: " and the like before the serial, and vendors prefix it in the code. */
function cleanScan(text: string): string {
  return text
    .trim()
    .replace(/^(?:s\/?n|serial(?: ?(?:no|number))?|service ?tag)\s*[:#.]?\s*/i, '')
    .replace(/^.*[?&/]/, '')
    .slice(0, 64);
}

/** Goes to the machine, or to the board with what was looked for. @returns whether exactly one was found */
export async function lookUp(text: string): Promise<boolean> {
  const wanted = cleanScan(text);
  if (wanted === '') return false;
  const key = wanted.toLowerCase();
  for (const { machine } of fleet.values()) {
    if (!machine) continue;
    const { hardwarename, serial, hostname, bootMac } = machine;
    const names = [hardwarename, serial, hostname, bootMac];
    if (!names.some((name) => name !== '' && name.toLowerCase() === key)) continue;
    go(machinePath(hardwarename));
    return true;
  }
  try {
    const { hits } = await read<Hits>(`machines/search?q=${encodeURIComponent(wanted)}&limit=5`);
    const sure = hits.filter(({ rank }) => rank >= SURE_RANK);
    if (sure.length === 1 && sure[0]) {
      go(machinePath(sure[0].machine.hardwarename));
      return true;
    }
    if (hits.length === 0) tell(`${wanted} is not on record. Power it on, or watch for it.`, 'bad');
    go(`/?q=${encodeURIComponent(wanted)}`);
  } catch (error) {
    tellProblem(error);
  }
  return false;
}
