/**
 * `reveille central …` on the machine that federates, and `reveille federation …` on an appliance. What runs central is loaded
 * when it is asked for: no other command waits for it.
 */
import type { Command } from 'commander';
import { loadCentral } from '../central/settings.ts';
import { loadConfig } from '../config.ts';
import { federationFolderOf, systemClock } from '../daemon/core.ts';
import { joinFleet } from '../daemon/join-fleet.ts';
import { AppError } from '../errors.ts';
import { ROLES, type Role } from '../inventory/access.ts';
import { type Log, openLog } from '../platform/log.ts';

/** What runs until it is told to stop, by a signal. */
export interface RunningService {
  /** What the service manager shows beside it. */
  readonly status: string;
  readonly log: Log;
  stop(signal: string): Promise<void>;
}

export interface FleetCliContext {
  write(text: string): void;
  tell(text: string): void;
  readInput(): Promise<string>;
  run(service: RunningService): void;
}

const JSON_OPTION = 'print JSON for programs';

interface TokenOptions {
  readonly config?: string;
  readonly role: string;
  readonly squad?: string[];
  readonly json?: boolean;
}

export function addFleetCommands(program: Command, context: FleetCliContext): void {
  const central = program
    .command('central')
    .description('federate the appliances of several datacenters');
  central
    .command('serve')
    .description('run central: appliances dial in, people ask about the fleet')
    .option('-c, --config <FILE>', 'YAML configuration; without it, SQLite in var/')
    .action(async ({ config }: { config?: string }) => {
      const { startCentral } = await import('../central/service.ts');
      const settings = loadCentral(config);
      const log = openLog(settings.log);
      const running = await startCentral(settings, { log, clock: systemClock });
      if (running.firstToken !== undefined) {
        context.tell(
          `\nA token for the first administrator, shown this once:\n\n    ${running.firstToken}\n\n`,
        );
      }
      const { appliancesPort: appliances, peoplePort: people } = running;
      log.info({ appliances, people }, 'central is ready');
      context.run({ status: 'central', log, stop: running.close });
    });
  central
    .command('token')
    .description("make an API token, over central's own database")
    .argument('<name>')
    .option('-c, --config <FILE>', 'YAML configuration')
    .option('--role <ROLE>', ROLES.join(', '), 'viewer')
    .option('--squad <NAMES...>', 'it acts for these alone')
    .option('--json', JSON_OPTION)
    .action(async (name: string, options: TokenOptions) => {
      const { config, role, squad } = options;
      if (!ROLES.includes(role as Role))
        throw new AppError('REQUEST_INVALID', { detail: `Roles are ${ROLES.join(', ')}.` });
      const { reachFleetDatabase } = await import('../central/sql.ts');
      const { migrateFleet } = await import('../central/schema.ts');
      const { openFleetAccess } = await import('../central/access.ts');
      const db = await reachFleetDatabase(loadCentral(config).database);
      try {
        await migrateFleet(db);
        const secret = await openFleetAccess(db, systemClock).makeToken(name, role as Role, squad);
        const document = { name, role, squads: squad ?? [], token: secret };
        context.write(`${options.json ? JSON.stringify(document) : secret}\n`);
      } finally {
        await db.close();
      }
    });
  (program.commands.find((one) => one.name() === 'federation') ?? program.command('federation'))
    .description('this appliance as a site of the fleet')
    .command('join')
    .description('join with a code made at central, read from standard input')
    .argument('<url>', "where central's appliances dial in, as in https://central.example:8444")
    .option('-c, --config <FILE>', "the daemon's configuration")
    .option('--json', JSON_OPTION)
    .action(async (url: string, { config, json }: { config?: string; json?: boolean }) => {
      if (!URL.canParse(url) || !url.startsWith('https:'))
        throw new AppError('REQUEST_INVALID', { detail: `'${url}' is no https URL.` });
      const folder = federationFolderOf(loadConfig(config));
      const site = await joinFleet(folder, url, await context.readInput());
      const text = `joined as ${site}; a running daemon takes part after its restart`;
      context.write(`${json ? JSON.stringify({ site }) : text}\n`);
    });
}
