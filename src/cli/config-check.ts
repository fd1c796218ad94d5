/**
 * `reveille config check`: the file as the daemon would read it, and what it names. Errors end with a status of their own; of
 * warnings only whoever is at the machine knows, and says so with `--strict`.
 */
import { readConfig } from '../config.ts';
import { type ConfigRemark, checkConfig } from '../daemon/config-check.ts';
import type { AppError } from '../errors.ts';
import {
  invalidSettings,
  readSettingsFile,
  type SettingsFault,
} from '../platform/settings-text.ts';
import type { Millis } from '../wire/time.ts';

export interface ConfigCheckOptions {
  readonly json?: boolean;
  readonly strict?: boolean;
}

const NO_FILE = '; no file was named: these are the defaults, for the virtual lab';

/**
 * @returns what to print, and the error to end with, if it is to
 * @throws AppError CONFIG_UNREADABLE
 */
export function checkConfigFile(
  file: string | undefined,
  { json = false, strict = false }: ConfigCheckOptions,
  now: Millis,
): { readonly text: string; readonly failure: AppError | undefined } {
  const { value: config, faults } = readConfig(file === undefined ? '' : readSettingsFile(file));
  const remarks = config ? checkConfig(config, now) : [];
  const isError = (one: ConfigRemark) => strict || one.isError;
  const errors: readonly Said[] = config ? remarks.filter(isError).map(plain) : faults;
  const warnings = remarks.filter((one) => !isError(one)).map(plain);
  const valid = errors.length === 0;
  const failure = valid ? undefined : invalidSettings(errors.map(inOneLine));
  const site = config?.site ?? null;
  const segments = config?.dhcp.segments.length ?? null;
  if (json) {
    const document = { valid, file: file ?? null, site, segments, errors, warnings };
    return { text: `${JSON.stringify(document)}\n`, failure };
  }
  const first = valid
    ? `valid: site ${site}, ${segments} segment(s)${file === undefined ? NO_FILE : ''}\n`
    : '';
  const lines = warnings
    .map(inOneLine)
    .map(({ path, problem }) => `warning: ${path}: ${problem}\n`);
  return { text: `${first}${lines.join('')}`, failure };
}

interface Said extends SettingsFault {
  readonly mend?: string;
}

const plain = ({ path, problem, mend }: ConfigRemark): Said => ({ path, problem, mend });

const inOneLine = ({ path, problem, mend }: Said): SettingsFault => ({
  path,
  problem: mend === undefined ? problem : `${problem}; ${mend}`,
});
