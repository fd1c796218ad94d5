/**
 * `reveille bmc HOST ...`: one machine's BMC by hand, with the words of ipmitool, so that nobody has to learn others.
 *
 * Passwords and K_G are never arguments, because arguments are in every process list: they come from the environment or from
 * files. Each command is a row of a table that gives a value and how a person reads it; `--json` prints the value.
 */
import { readFileSync } from 'node:fs';
import { AppError } from '../errors.ts';
import { type BmcSession, ping, withSession } from '../ipmi/client.ts';
import { parseKeyText } from '../ipmi/key-text.ts';
import type { SessionSettings } from '../ipmi/options.ts';
import { isQuirkName, QUIRKS, type QuirkName } from '../ipmi/quirks.ts';
import { PRIVILEGE, type Privilege } from '../ipmi/rakp.ts';
import { type BmcPorts, openBmcPorts, resolveBmc } from '../platform/bmc-udp.ts';
import type { CommandOutput } from './bmc-command.ts';
import { COMMANDS } from './bmc-commands.ts';
import { runConsole } from './bmc-console.ts';

export interface BmcOptions {
  readonly user?: string;
  readonly passwordFile?: string;
  readonly port?: string;
  readonly suite?: string;
  readonly privilege?: string;
  readonly keyFile?: string;
  readonly newPasswordFile?: string;
  readonly quirk?: readonly string[];
  readonly ipmi15?: boolean;
  readonly json?: boolean;
}

/** Environment variables, as ipmitool calls them. */
export interface BmcEnvironment {
  readonly IPMI_PASSWORD?: string | undefined;
  readonly IPMI_KGKEY?: string | undefined;
  readonly IPMI_NEW_PASSWORD?: string | undefined;
}

const DEFAULT_PORT = 623;

/**
 * Runs one command and returns what to print.
 * @throws AppError REQUEST_INVALID for words that mean nothing, and whatever the BMC is the reason of
 */
export async function runBmc(
  host: string,
  words: readonly string[],
  from: { readonly options: BmcOptions; readonly environment: BmcEnvironment },
): Promise<string> {
  const { options } = from;
  if (words[0] === 'ping' && words.length === 1) return presence(host, options);
  const known = findCommand(words);
  const settings = settingsOf(options, from.environment, words);
  const bmc = { address: await resolveBmc(host), port: portOf(options.port) };
  const newPassword = () =>
    secretOf(options.newPasswordFile, from.environment.IPMI_NEW_PASSWORD) ?? '';
  const ports = await openBmcPorts();
  try {
    return await withSession(ports, { bmc, settings }, (session) =>
      known
        ? run(known, { session, ports, settings, newPassword, json: options.json === true })
        : runConsole(session, { ports, settings, words }),
    );
  } finally {
    await ports.close();
  }
}

/** The presence ping of RMCP (section 13.2.3), which needs no login. */
async function presence(host: string, options: BmcOptions): Promise<string> {
  const bmc = { address: await resolveBmc(host), port: portOf(options.port) };
  const ports = await openBmcPorts();
  try {
    const answer = await ping(ports, bmc);
    const value = { present: answer !== undefined, ipmi: answer?.ipmi ?? false };
    if (options.json) return `${JSON.stringify(value)}\n`;
    if (!answer) return `${bmc.address} does not answer; many BMCs have the ping switched off\n`;
    return `${bmc.address} is there${answer.ipmi ? ', and speaks IPMI' : ''}\n`;
  } finally {
    await ports.close();
  }
}

interface Found {
  readonly act: (typeof COMMANDS)[string]['act'];
  readonly rest: readonly string[];
}

interface Running {
  readonly session: BmcSession;
  readonly ports: BmcPorts;
  readonly settings: SessionSettings;
  readonly json: boolean;
  newPassword(): string;
}

async function run({ act, rest }: Found, running: Running): Promise<string> {
  const { session, ports, settings, json, newPassword } = running;
  const quirks = new Set<QuirkName>(settings.quirks);
  const nowSeconds = () => Math.floor(Date.now() / 1000);
  const asked = { session, timers: ports.timers, quirks, words: rest, newPassword, nowSeconds };
  const output: CommandOutput = await act(asked);
  return json ? `${JSON.stringify(output.value)}\n` : `${output.text}\n`;
}

/** `undefined` for the interactive console, which is no row of the table. */
function findCommand(words: readonly string[]): Found | undefined {
  if (words[0] === 'sol' && words[1] === 'activate') return undefined;
  // `chassis power on` and `power on` are the same, as with ipmitool.
  const plain = words[0] === 'chassis' && words[1] === 'power' ? words.slice(1) : words;
  for (const length of [2, 1]) {
    const command = COMMANDS[plain.slice(0, length).join(' ')];
    if (command) return { act: command.act, rest: plain.slice(length) };
  }
  const names = ['ping', ...Object.keys(COMMANDS), 'sol activate'].join(', ');
  const detail = `'${words.join(' ')}' is no BMC command; there are: ${names}.`;
  throw new AppError('REQUEST_INVALID', { detail });
}

function settingsOf(
  options: BmcOptions,
  environment: BmcEnvironment,
  words: readonly string[],
): SessionSettings {
  const quirks = (options.quirk ?? []).map((name) => {
    if (isQuirkName(name)) return name;
    const detail = `'${name}' is no quirk; there are: ${Object.keys(QUIRKS).join(', ')}.`;
    throw new AppError('REQUEST_INVALID', { detail });
  });
  const key = secretOf(options.keyFile, environment.IPMI_KGKEY);
  return {
    user: options.user ?? '',
    password: secretOf(options.passwordFile, environment.IPMI_PASSWORD) ?? '',
    kg: key === undefined ? undefined : parseKeyText(key),
    privilege: privilegeOf(options.privilege ?? 'administrator'),
    suites: options.suite === undefined ? undefined : [Number(options.suite)],
    allowIpmi15: options.ipmi15 === true,
    keepAlive: words[0] === 'sol',
    quirks,
  };
}

/** From a file or from the environment, never from an argument. */
function secretOf(file: string | undefined, fromEnvironment: string | undefined) {
  if (file === undefined) return fromEnvironment;
  try {
    // One line, as editors leave it.
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    const detail = `The file '${file}' cannot be read.`;
    throw new AppError('REQUEST_INVALID', { detail, cause });
  }
}

function privilegeOf(text: string): Privilege {
  const name = text.toLowerCase();
  if (name in PRIVILEGE) return name as Privilege;
  const detail = `'${text}' is no privilege; there are: ${Object.keys(PRIVILEGE).join(', ')}.`;
  throw new AppError('REQUEST_INVALID', { detail });
}

function portOf(text: string | undefined): number {
  const port = text === undefined ? DEFAULT_PORT : Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new AppError('REQUEST_INVALID', { detail: `'${text}' is no port.` });
}
