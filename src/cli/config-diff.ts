/**
 * `reveille config diff FILE`: what would change for every machine on record if this file were the configuration.
 *
 * Both configurations answer the same made-up questions over the same database, in transactions that are rolled back: the
 * address and the boot file that each NIC would be offered as each kind of client, and the script it would be handed. What
 * differs is shown; zones are not compared yet.
 */
import type { Config } from '../config.ts';
import { openCore } from '../daemon/core.ts';
import type { BootToken } from '../wire/ids.ts';
import { type Mac, parseMac } from '../wire/mac.ts';
import { type Stage, stagesOf } from './explain.ts';

export interface Difference {
  readonly machine: string;
  readonly mac: string;
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

/** Stands for the token that a real boot would have: it is the same before and after. */
const TOKEN = 'x'.repeat(32) as BootToken;

/** The database is the one of `current`, whatever `next` says of it. */
export function diffConfigs(current: Config, next: Config): Difference[] {
  const before = answersOf(current);
  const after = answersOf({ ...next, database: current.database });
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].flatMap((key): Difference[] => {
    const [machine = '', mac = '', what = ''] = key.split('\t');
    const [was, is] = [before.get(key) ?? 'nothing', after.get(key) ?? 'nothing'];
    return was === is ? [] : [{ machine, mac, what, before: was, after: is }];
  });
}

/** Every answer by machine, NIC and question. */
function answersOf(config: Config): Map<string, string> {
  const core = openCore(config);
  try {
    const answers = new Map<string, string>();
    for (const { hardwarename, nics } of core.inventory.machines.list()) {
      for (const { mac } of nics) {
        const parsed = parseMac(mac);
        if (!parsed) continue;
        for (const stage of stagesOf(core, parsed)) {
          answers.set(
            `${hardwarename}\t${mac}\t${stage.client} on ${stage.segment}`,
            offerText(stage),
          );
        }
        answers.set(`${hardwarename}\t${mac}\tscript`, scriptOf(core, parsed));
      }
    }
    return answers;
  } finally {
    core.close();
  }
}

function offerText({ outcome, address, bootFile }: Stage): string {
  // A token is new with each offer.
  const file = bootFile.replace(/\/boot\/[A-Za-z0-9_-]{32}\//, '/boot/…/');
  return outcome === 'offer' ? `${address} ${file}`.trim() : outcome;
}

function scriptOf({ inventory, desk }: ReturnType<typeof openCore>, mac: Mac): string {
  return inventory.rehearse(() => {
    const machine = inventory.machines.stateByMac(mac);
    const sighting = {
      mac,
      client: 'ipxe',
      arch: 'bios',
      hardwarename: machine?.hardwarename,
    } as const;
    const sighted = inventory.boots.sight(sighting);
    return sighted ? desk.scriptFor(sighted.boot, TOKEN, 'http://appliance').script : '';
  });
}

export function diffText(differences: readonly Difference[], json: boolean): string {
  if (json) return `${JSON.stringify({ differences })}\n`;
  if (differences.length === 0) return 'nothing changes for any machine on record\n';
  const machines = new Set(differences.map(({ machine }) => machine)).size;
  const lines = differences.map(
    ({ machine, mac, what, before, after }) =>
      `${machine} ${mac}, ${what}\n${sides('-', before)}${sides('+', after)}`,
  );
  return `${lines.join('')}${differences.length} answers change for ${machines} machine(s)\n`;
}

const sides = (sign: string, text: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${sign} ${line}\n`)
    .join('');
