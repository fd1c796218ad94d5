/**
 * `reveille diagnose FILE`: the diagnosis of boots in a capture, of a flight record that was exported, or of a case of the corpus beside
 * what that expects. Needs no daemon, no configuration and no network.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ZodError } from 'zod';
import { type CorpusCase, isCase, parseCase } from '../diagnose/case.ts';
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

interface FileOfBoots {
  readonly flights: readonly Flight[];
  /** What a case of the corpus says beside its record. */
  readonly said?: Pick<CorpusCase, 'expect' | 'final'>;
}

/** @throws AppError CAPTURE_UNREADABLE for what is neither a capture nor a record nor a case */
export async function readBoots(file: string): Promise<FileOfBoots> {
  if (!/\.json$/.test(file)) return { flights: flightsOf(await readCapture(file)) };
  const document = parsed(file, (text) => JSON.parse(text));
  if (!isCase(document)) return { flights: [parsed(file, () => parseFlight(document))] };
  const { flight, capture = '', ...said } = parsed(file, () => parseCase(document));
  if (flight) return { flights: [flight], said };
  return { flights: flightsOf(await readCapture(join(dirname(file), capture))), said };
}

/** @throws AppError as `readBoots` */
export async function judgeFile(file: string, final: boolean): Promise<Judged[]> {
  const { flights, said } = await readBoots(file);
  const over = final || said?.final === true;
  return flights.map((flight) => ({ flight, diagnosis: diagnose(flight, over) }));
}

/** What a case expects of its file, and what it is called: the first diagnosis counts. @throws AppError as `readBoots` */
export async function judgeCase(
  file: string,
): Promise<{ readonly expect: string | null; readonly found: string | null }> {
  const { said } = await readBoots(file);
  if (!said) throw new AppError('CAPTURE_UNREADABLE', { detail: `(${file} is no case)` });
  const judged = await judgeFile(file, false);
  const found = judged.find(({ diagnosis }) => diagnosis)?.diagnosis?.name ?? null;
  return { expect: said.expect, found };
}

function parsed<T>(file: string, parse: (text: string) => T): T {
  try {
    return parse(readFileSync(file, 'utf8'));
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
  const { said } = await readBoots(file);
  if (options.json) {
    const boots = judged.map(({ flight: { entries, ...flight }, diagnosis }) => ({
      ...flight,
      entries: entries.length,
      diagnosis: diagnosis ?? null,
    }));
    return `${JSON.stringify({ file, ...(said && { expect: said.expect }), boots })}\n`;
  }
  const expected = said ? `\nexpected: ${said.expect ?? 'nothing wrong'}\n` : '';
  const boots = judged.length === 0 ? 'no boots in this file\n' : judged.map(readable).join('\n');
  return `${boots}${expected}`;
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
