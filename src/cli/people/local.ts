/**
 * What is done on the appliance itself, over its own files: a token without a token, backups, and putting one back. It
 * works whether the daemon runs or not; only a restore wants it stopped.
 */
import type { Command } from 'commander';
import { loadConfig } from '../../config.ts';
import { backupFolderOf, backupNow, openCore } from '../../daemon/core.ts';
import { acceptRestored } from '../../inventory/feed-epoch.ts';
import { backupsIn, checkDatabase } from '../../platform/backup.ts';
import { restoreDatabase } from '../../platform/restore.ts';
import type { Role } from './access.ts';
import { pairs } from './arguments.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { doctor } from './doctor.ts';
import { done, show } from './output.ts';

interface LocalOptions extends CommonOptions {
  readonly config?: string;
}

interface TokenOptions extends LocalOptions {
  readonly role: Role;
  readonly squad?: readonly string[];
  readonly user?: string;
  readonly days?: string;
  readonly local?: boolean;
}

const DAY_MS = 86_400_000;

export function addLocalCommands(program: Command, context: CliContext): void {
  const tokens =
    program.commands.find((one) => one.name() === 'tokens') ?? program.command('tokens');
  const several = (value: string, before: readonly string[] = []) => [...before, value];
  withCommon(tokens.command('create'))
    .description('make a token and print it, this once')
    .argument('<name>', 'what it is for')
    .option('--role <ROLE>', 'viewer, technician, operator, admin', 'viewer')
    .option('--squad <SQUAD=ROLE>', 'on machines of a squad; may be repeated', several)
    .option('--user <NAME>', 'the user that it acts as')
    .option('--days <COUNT>', 'its life; else it has no end')
    .option('--local', 'on the appliance itself, over its database')
    .option('-c, --config <FILE>', "with --local: the daemon's configuration")
    .action((name: string, options: TokenOptions) => createToken(context, name, options));
  withCommon(program.command('backup'))
    .description('write a consistent copy of the database, on the appliance itself')
    .option('-c, --config <FILE>', "the daemon's configuration")
    .option('--list', 'name the copies that there are')
    .action((options: LocalOptions & { list?: boolean }) => backup(context, options));
  withCommon(program.command('restore'))
    .description('replace the database with a backup; stop the daemon first')
    .argument('<file>', 'a copy that backup wrote')
    .option('-c, --config <FILE>', "the daemon's configuration")
    .action((file: string, options: LocalOptions) => {
      const config = loadConfig(options.config);
      const { kept } = restoreDatabase(file, config.database.file, {
        accept: acceptRestored,
      });
      const before = kept ? `; what was there is ${kept}` : '';
      const jobs = '; jobs are paused: what the copy takes for free may be in use by now';
      done(context, options, `${config.database.file} is ${file}${before}${jobs}`, {
        restored: file,
        kept,
      });
    });
  withCommon(program.command('doctor'))
    .description('check the appliance, and say how to repair what is wrong')
    .option('-c, --config <FILE>', "the daemon's configuration")
    .action(async (options: LocalOptions) => {
      const findings = await doctor(loadConfig(options.config));
      show(context, options, {
        document: { findings },
        rows: findings,
        columns: [
          { title: '', of: ({ ok }) => (ok ? 'ok' : 'WRONG') },
          { title: 'CHECK', of: ({ check }) => check },
          { title: 'FOUND', of: ({ found }) => found },
          { title: 'MEND', of: ({ mend }) => mend ?? '' },
        ],
      });
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
    });
}

async function createToken(context: CliContext, name: string, options: TokenOptions) {
  const squads = Object.fromEntries(pairs(options.squad ?? [])) as Record<string, Role>;
  const life = options.days === undefined ? undefined : Number(options.days) * DAY_MS;
  const expiresAt = life === undefined ? undefined : Date.now() + life;
  const entry = { name, role: options.role, squads, user: options.user, expiresAt };
  if (!options.local) {
    const { body } = await clientFor<'tokens'>(context, options).call('POST /tokens', {
      body: entry,
    });
    return done(context, options, body.secret, body);
  }
  const core = openCore(loadConfig(options.config));
  try {
    const { access } = core.inventory.serverdb;
    const made = core.inventory.transaction(() => access.createToken(entry, 'the appliance'));
    return done(context, options, made.secret, made);
  } finally {
    core.close();
  }
}

async function backup(context: CliContext, options: LocalOptions & { list?: boolean }) {
  const config = loadConfig(options.config);
  if (options.list) {
    const rows = backupsIn(backupFolderOf(config));
    return show(context, options, {
      document: { backups: rows },
      rows,
      columns: [{ title: 'COPY', of: (name) => name }],
    });
  }
  const made = await backupNow(config);
  const faults = checkDatabase(made.file);
  const verdict = faults.length === 0 ? 'sound' : `NOT SOUND: ${faults.join('; ')}`;
  if (faults.length > 0) process.exitCode = 1;
  return done(context, options, `${made.file}, ${made.sizeBytes} bytes, ${verdict}`, {
    ...made,
    faults,
  });
}
