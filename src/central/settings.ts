/** The configuration of central: a file of its own, because it is another machine's. */
import { z } from 'zod';
import { parseSettings, readSettingsFile } from '../platform/settings-text.ts';

const port = z.number().int().min(0).max(65_535);

export const centralSchema = z.strictObject({
  /** `postgresql://USER:PASSWORD@MACHINE/NAME`, or `sqlite:FILE` for a try on one machine. */
  database: z.string().min(1).default('sqlite:var/fleet.db'),
  /** The authority's key and certificate, and images; every instance has the same files. */
  folder: z.string().min(1).default('var/central'),
  /** Events, notices and answers are kept for so long. */
  keepDays: z.number().int().min(1).max(36_500).default(400),
  log: z
    .strictObject({
      level: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
      file: z.string().optional(),
    })
    .prefault({}),
  /** Where appliances dial in: TLS with certificates of the fleet's own authority. */
  appliances: z
    .strictObject({
      address: z.string().default('0.0.0.0'),
      port: port.default(8444),
      names: z.array(z.string().min(1).max(253)).min(1).default(['localhost', '127.0.0.1']),
    })
    .prefault({}),
  people: z
    .strictObject({
      address: z.string().default('127.0.0.1'),
      port: port.default(8445),
      /** The folder of the built portal. */
      ui: z.string().min(1).default('build/ui'),
    })
    .prefault({}),
});

export type CentralSettings = z.output<typeof centralSchema>;

/** @throws AppError CONFIG_UNREADABLE, CONFIG_INVALID naming each place */
export function loadCentral(file: string | undefined): CentralSettings {
  return parseSettings(centralSchema, file === undefined ? '' : readSettingsFile(file));
}
