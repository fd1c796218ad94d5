/**
 * Where the appliance is and who is asking. The address is an option or REVEILLE_URL; the token is REVEILLE_TOKEN or a file,
 * never an argument, because arguments are in every process list. Everything here is handed in by main.ts.
 */
import type { Command } from 'commander';
import { type ApiClient, type CallsBelow, createApiClient } from '../../client/client.ts';
import { AppError } from '../../errors.ts';
import { readText } from './files.ts';

export interface CliEnvironment {
  readonly REVEILLE_URL?: string | undefined;
  readonly REVEILLE_TOKEN?: string | undefined;
  readonly REVEILLE_TOKEN_FILE?: string | undefined;
}

/** What a command is given beside its own words. */
export interface CliContext {
  readonly environment: CliEnvironment;
  /** Standard output. */
  write(text: string): void;
  /** Standard error: questions and progress. */
  tell(text: string): void;
  /** Whether a person watches: a line may be written over. */
  readonly isTerminal?: boolean;
  /** All of standard input, for `-`. */
  readInput(): Promise<string>;
}

export interface CommonOptions {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json?: boolean;
}

const DEFAULT_URL = 'http://127.0.0.1:8081';

/** Adds what every command that asks the appliance has. */
export function withCommon(command: Command): Command {
  return command
    .option('--url <URL>', `the people's listener; else REVEILLE_URL, else ${DEFAULT_URL}`)
    .option('--token-file <FILE>', 'holds the API token; else REVEILLE_TOKEN')
    .option('--json', 'print JSON for programs');
}

/** @throws AppError CONFIG_UNREADABLE when the token's file cannot be read */
export function clientFor<Path extends string = ''>(
  { environment }: CliContext,
  options: CommonOptions,
): ApiClient<CallsBelow<Path>> {
  const client: unknown = createApiClient(reachOf(environment, options));
  return client as ApiClient<CallsBelow<Path>>;
}

/** @throws AppError REQUEST_INVALID for what is no URL, CONFIG_UNREADABLE when the token's file cannot be read */
export function reachOf(
  environment: CliEnvironment,
  options: CommonOptions,
): { readonly url: string; readonly token: string | undefined } {
  const url = options.url ?? environment.REVEILLE_URL ?? DEFAULT_URL;
  if (!URL.canParse(url))
    throw new AppError('REQUEST_INVALID', {
      detail: `'${url}' is no URL such as https://reveille.example:8081.`,
    });
  return { url: url.replace(/\/+$/, ''), token: tokenOf(environment, options) };
}

function tokenOf(environment: CliEnvironment, options: CommonOptions): string | undefined {
  const file = options.tokenFile ?? environment.REVEILLE_TOKEN_FILE;
  if (file === undefined) return environment.REVEILLE_TOKEN?.trim();
  return readText(file).trim();
}
