/**
 * `reveille diagnose FILE`: the diagnosis of boots in a capture, or of a flight record that was exported. Needs no daemon,
 * no configuration and no network.
 */
import { readFileSync } from 'node:fs';
import { ZodError } from 'zod';
import { type Diagnosis, diagnose } from '../diagnose/diagnose.ts';
import { readFacts } from '../diagnose/facts.ts';
import { type Flight, parseFlight } from '../diagnose/flight.ts';
import { flightsOf } from '../diagnose/from-capture.ts';
import { AppError } from '../errors.ts';
import { readCapture } from './decode.ts';

export interface DiagnoseOptions {
  readonly json?: boolean;
  /** Judge as if nothing more was heard after the end of the file. */
  readonly final?: boolean;
}

export interface Judged {
  readonly flight: Flight;
  readonly diagnosis: Diagnosis | undefined;
}

/** @throws AppError CAPTURE_UNREADABLE for what is neither a capture nor a record */
export async function judgeFile(file: string, final: boolean): Promise<Judged[]> {
  const flights = /\.json$/.test(file) ? [readRecord(file)] : flightsOf(await readCapture(file));
  return flights.map((flight) => ({ flight, diagnosis: diagnose(flight, final) }));
}

function readRecord(file: string): Flight {
  try {
    return parseFlight(JSON.parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    const why =
      cause instanceof ZodError
        ? cause.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
        : (cause as Error).message;
    throw new AppError('CAPTURE_UNREADABLE', { detail: `(${file}: ${why})`, cause });
  }
}

export async function diagnoseFile(file: string, options: DiagnoseOptions): Promise<string> {
  const judged = await judgeFile(file, options.final === true);
  if (options.json) {
    const boots = judged.map(({ flight: { entries, ...flight }, diagnosis }) => ({
      ...flight,
      entries: entries.length,
      diagnosis: diagnosis ?? null,
    }));
    return `${JSON.stringify({ file, boots })}\n`;
  }
  return judged.length === 0 ? 'no boots in this file\n' : judged.map(readable).join('\n');
}

function readable({ flight, diagnosis }: Judged): string {
  const { place, lastAt } = readFacts(flight);
  const head = `${flight.boot}, ${flight.arch || flight.client}: reached "${place}" after ${((lastAt - flight.startedAt) / 1000).toFixed(1)} s\n`;
  return diagnosis ? head + diagnosisText(diagnosis) : `${head}  nothing is wrong with it so far\n`;
}

/** The same words for a file, a machine and a boot. */
export function diagnosisText(diagnosis: Omit<Diagnosis, 'place' | 'remedy'>): string {
  const { name, title, confidence, evidence, says, next, not, also } = diagnosis;
  const others = Object.entries(not).map(([other, why]) => `  not ${other}: ${why}\n`);
  return [
    `  ${title} (${name}, ${confidence})\n`,
    ...evidence.map((line) => `    - ${line}\n`),
    `  ${says}\n`,
    `  Next: ${next}\n`,
    ...others,
    ...(also.length > 0 ? [`  Would fit, too: ${also.join(', ')}\n`] : []),
  ].join('');
}
