/**
 * The command line. The only file that reads arguments and signals; daemon.ts does the wiring.
 */
import './platform/require-node.ts';
import { text as textOf } from 'node:stream/consumers';
import { Command } from 'commander';
import { type BmcOptions, runBmc } from './cli/bmc.ts';
import { addFleetCommands, type RunningService } from './cli/central.ts';
import { type ConfigCheckOptions, checkConfigFile } from './cli/config-check.ts';
import { type DecodeOptions, decode } from './cli/decode.ts';
import { addBeforeAfterCommands } from './cli/people/before-after.ts';
import { addBmcCommands, namesMachine, runMachineBmc } from './cli/people/bmcs.ts';
import { addPeopleCommands } from './cli/people/commands.ts';
import { addStandbyCommands } from './cli/standby.ts';
import { ApiProblem } from './client/client.ts';
import { loadConfig } from './config.ts';
import { systemClock, VERSION } from './daemon/core.ts';
import { startPair } from './daemon/standby.ts';
import { startDaemon } from './daemon.ts';
import { AppError } from './errors.ts';
import { forbidCoreDumps } from './platform/core-dumps.ts';
import { openLog } from './platform/log.ts';
import { notifyService } from './platform/service-notify.ts';

/** sysexits.h: a command line that is not understood, a configuration error, and everything else that could not be done. */
const EXIT_USAGE = 64;
const EXIT_CONFIG = 78;
const EXIT_FAILED = 70;
/** `decode --problems`, as grep and diff do it. */
const EXIT_FOUND = 1;

const UNTOLD = 'the service manager could not be told that we serve: see docs/service.md';

const program = new Command('reveille')
  .description('Bare-metal boot and provisioning appliance')
  .version(VERSION)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : EXIT_USAGE))
  .configureHelp({ sortSubcommands: true });

program
  .command('serve')
  .description('run the daemon: DHCP, TFTP, HTTP boot, the inventory and the board')
  .option('-c, --config <FILE>', 'YAML configuration; without it, the virtual lab is served')
  .action(async (options: { config?: string }) => {
    const config = loadConfig(options.config);
    const log = openLog(config.log);
    if (!forbidCoreDumps())
      log.warn('core dumps of this process cannot be switched off here: see docs/security.md');
    const daemon = config.standby
      ? await startPair(config, log, options.config)
      : await startDaemon(config, log, { file: options.config });
    runUntilStopped({ status: `site ${config.site}`, log, stop: (why) => daemon.stop(why) });
  });

/** Tells the service manager that it serves, and ends it at the first signal. */
function runUntilStopped({ status, log, stop }: RunningService): void {
  const { NOTIFY_SOCKET: manager } = process.env;
  const why = notifyService(manager, { state: 'ready', status });
  if (why !== undefined) log.warn({ why }, UNTOLD);
  let stopping = false;
  const end = (signal: NodeJS.Signals) => {
    if (stopping) return;
    stopping = true;
    notifyService(manager, { state: 'stopping', status: signal });
    stop(signal).then(
      () => process.exit(0),
      (err) => {
        log.fatal({ err }, 'stopping failed');
        process.exit(EXIT_FAILED);
      },
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

program
  .command('decode')
  .description('read a capture of DHCP and TFTP, machine by machine, and say what is wrong in it')
  .argument('<file>', 'pcap or pcapng; - reads standard input')
  .option('--json', 'print one JSON document')
  .option('--mac <MAC>', 'only this machine')
  .option('--problems', 'print problems only; the status is 1 when one is an error')
  .action(async (file: string, options: DecodeOptions) => {
    const { text, errors } = await decode(file, options);
    process.stdout.write(text);
    if (options.problems && errors) process.exitCode = EXIT_FOUND;
  });

const configCommand = program.command('config').description('work with the configuration file');
configCommand
  .command('check')
  .description('check a configuration file, and the files and addresses that it names')
  .argument('[file]', 'YAML configuration')
  .option('-c, --config <FILE>', 'the same')
  .option('--strict', 'on the machine itself: what is missing here is an error')
  .option('--json', 'print JSON for programs')
  .action((given: string | undefined, options: ConfigCheckOptions & { config?: string }) => {
    const { text, failure } = checkConfigFile(given ?? options.config, options, systemClock());
    process.stdout.write(text);
    if (failure === undefined) return;
    if (!options.json) throw failure;
    process.exitCode = EXIT_CONFIG;
  });

/** All of standard input; a person who types it is told, because nothing else happens until it ends. */
function readInput(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write('reading from the terminal; Ctrl-D ends it\n');
  return textOf(process.stdin);
}

addFleetCommands(program, {
  write: (text) => void process.stdout.write(text),
  tell: (text) => void process.stderr.write(text),
  readInput,
  run: runUntilStopped,
});

addStandbyCommands(program, { write: (text) => void process.stdout.write(text) });

const { REVEILLE_URL, REVEILLE_TOKEN, REVEILLE_TOKEN_FILE } = process.env;
const people = {
  environment: { REVEILLE_URL, REVEILLE_TOKEN, REVEILLE_TOKEN_FILE },
  write: (text: string) => void process.stdout.write(text),
  tell: (text: string) => void process.stderr.write(text),
  isTerminal: process.stderr.isTTY === true,
  readInput,
};

addBeforeAfterCommands(program, configCommand, people);

const several = (value: string, before: readonly string[] = []) => [...before, value];
const bmc = program
  .command('bmc')
  .description(
    "talk to a machine's BMC, in ipmitool's words: power, chassis, mc, sel, sensor, fru, ...",
  )
  .argument('<host>', 'a hardwarename, asked through the appliance; or, with -U, the BMC itself')
  .argument('<words...>', 'e.g. power status, chassis bootdev pxe options=efiboot, sol activate')
  .option('--url <URL>', "the people's listener; else REVEILLE_URL")
  .option('--token-file <FILE>', 'holds the API token; else REVEILLE_TOKEN')
  .option('--release', 'also a machine that is in use: with the word of its owner')
  .option('-U, --user <NAME>', 'user name at the BMC')
  .option(
    '-f, --password-file <FILE>',
    'its password; without it, IPMI_PASSWORD of the environment',
  )
  .option('-p, --port <PORT>', 'UDP port', '623')
  .option('-C, --suite <ID>', 'cipher suite; without it, 17 and then 3')
  .option('-L, --privilege <LEVEL>', 'user, operator or administrator', 'administrator')
  .option('-k, --key-file <FILE>', 'holds K_G; without it, IPMI_KGKEY of the environment')
  .option(
    '--new-password-file <FILE>',
    'for user set password and user test; else IPMI_NEW_PASSWORD',
  )
  .option('--quirk <NAME>', 'work around a deviation (docs/bmc.md); may be repeated', several)
  .option('--ipmi15', 'fall back to IPMI 1.5 with MD5, which is not encrypted')
  .option('--json', 'print one JSON document')
  .action(async (host: string, words: string[], options: BmcOptions & { release?: boolean }) => {
    if (namesMachine(host, options.user)) return runMachineBmc(people, [host, ...words], options);
    const { IPMI_PASSWORD, IPMI_KGKEY, IPMI_NEW_PASSWORD } = process.env;
    const environment = { IPMI_PASSWORD, IPMI_KGKEY, IPMI_NEW_PASSWORD };
    process.stdout.write(await runBmc(host, words, { options, environment }));
  });

addBmcCommands(bmc, people);
addPeopleCommands(program, people);

/** Each command's errors lead to its own help: that of the whole program says nothing of its arguments. */
function pointToHelp(command: Command, words: string): void {
  command.showHelpAfterError(`(${words} --help says more)`);
  for (const child of command.commands) pointToHelp(child, `${words} ${child.name()}`);
}
pointToHelp(program, 'reveille');

/** What a person at a terminal can do, where the answer speaks to programs. */
const HINTS: Readonly<Record<string, string>> = {
  UNAUTHENTICATED:
    'Name a token by REVEILLE_TOKEN_FILE, REVEILLE_TOKEN or --token-file; on the appliance itself ' +
    '`reveille tokens create NAME --local` makes one.\n',
  UNREACHABLE:
    'Where it is, is said by REVEILLE_URL or --url; on the appliance itself `reveille doctor` says what is wrong.\n',
};

try {
  await program.parseAsync();
} catch (error) {
  const known = error instanceof AppError || error instanceof ApiProblem;
  process.stderr.write(
    known
      ? `reveille: ${error.message} [${error.code}]\n${HINTS[error.code] ?? ''}`
      : `reveille: ${String((error as Error).stack)}\n`,
  );
  process.exit(known ? statusOf(error) : EXIT_FAILED);
}

/** What an appliance refuses is no matter of the command line's words: those we refuse ourselves. */
function statusOf(error: AppError | ApiProblem): number {
  if (error.code.startsWith('CONFIG_')) return EXIT_CONFIG;
  return error instanceof AppError && error.code === 'REQUEST_INVALID' ? EXIT_USAGE : EXIT_FAILED;
}
