/**
 * One case of the corpus: a flight record, or a capture beside it, and the name that it has to get (docs/diagnoses.md). Strict, so that
 * a case with a misspelled key is refused, and not judged as if the key were not there.
 */
import { z } from 'zod';
import { flightSchema } from './flight.ts';
import { DIAGNOSES } from './table.ts';

const caseSchema = z
  .strictObject({
    about: z.string().min(1),
    /** `null`: nothing is wrong with it. */
    expect: z
      .string()
      .refine((name) => DIAGNOSES.includes(name), 'no diagnosis has this name')
      .nullable(),
    /** Nothing more was heard after its end. */
    final: z.boolean().default(false),
    flight: flightSchema.optional(),
    /** The file name of a pcap or pcapng in the same folder. */
    capture: z
      .string()
      .regex(/^[^/]+$/, 'a file beside it')
      .optional(),
  })
  .refine(
    ({ flight, capture }) => (flight === undefined) !== (capture === undefined),
    'a case has a flight or a capture',
  );
export type CorpusCase = z.output<typeof caseSchema>;

/** @throws ZodError naming the path that is wrong */
export function parseCase(document: unknown): CorpusCase {
  return caseSchema.parse(document);
}

/** A case says what it expects; a record does not. */
export function isCase(document: unknown): boolean {
  return typeof document === 'object' && document !== null && 'expect' in document;
}
