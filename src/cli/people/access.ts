/** `reveille users|tokens|credentials|webhooks ...`. Passwords come from standard input, never from arguments. */
import type { Command } from 'commander';
import type { Operations } from '../../client/operations.generated.ts';
import { pairs } from './arguments.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { done, show, time } from './output.ts';

export type Role = 'viewer' | 'technician' | 'operator' | 'admin';

interface GrantOptions extends CommonOptions {
  readonly role?: Role;
  readonly squad?: readonly string[];
  readonly password?: boolean;
  readonly disabled?: boolean;
  readonly enabled?: boolean;
}

const several = (value: string, before: readonly string[] = []) => [...before, value];
const squadsOf = (words: readonly string[] = []) =>
  Object.fromEntries(pairs(words)) as Record<string, Role>;
const grants = (squads: Readonly<Record<string, string>>) =>
  Object.entries(squads)
    .map(([squad, role]) => `${squad}=${role}`)
    .join(' ');

export function addAccessCommands(program: Command, context: CliContext): void {
  addUsers(program.command('users').description('people who log in'), context);
  addTokens(program, context);
  addCredentials(
    program.command('credentials').description('passwords of BMCs, kept sealed'),
    context,
  );
  addWebhooks(program.command('webhooks').description('events pushed to other systems'), context);
}

function addUsers(users: Command, context: CliContext): void {
  withCommon(users.command('list'))
    .description('list users')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'users'>(context, options).call('GET /users');
      show(context, options, {
        document: body,
        rows: body.users,
        columns: [
          { title: 'NAME', of: ({ name }) => name },
          { title: 'ROLE', of: ({ role }) => role },
          { title: 'SQUADS', of: ({ squads }) => grants(squads) },
          {
            title: 'LOGIN',
            of: ({ hasPassword, disabled }) => (disabled ? 'disabled' : hasPassword ? 'yes' : 'no'),
          },
        ],
      });
    });
  withCommon(users.command('put'))
    .description('make or change a user; what is not given stays as it is')
    .argument('<name>')
    .option(
      '--role <ROLE>',
      'on machines of no squad: viewer, technician, operator, admin; a new user is a viewer',
    )
    .option(
      '--squad <SQUAD=ROLE>',
      'on machines of a squad; may be repeated; SQUAD= takes it away',
      several,
    )
    .option('--password', 'read a new password from standard input')
    .option('--disabled', 'no login')
    .option('--enabled', 'may log in again')
    .action(async (name: string, options: GrantOptions) => {
      const password = options.password ? (await context.readInput()).trim() : undefined;
      const api = clientFor<'users'>(context, options);
      const there = await foundOr(api.call('GET /users/{name}', { path: { name } }));
      const { role = 'viewer', squads = {}, disabled = false } = there?.body ?? {};
      const { body } = await api.call('PUT /users/{name}', {
        path: { name },
        version: there?.body.version ?? 0,
        body: {
          role: options.role ?? role,
          squads: granted(squads, squadsOf(options.squad)),
          disabled: options.disabled === true || (disabled && options.enabled !== true),
          password,
        },
      });
      done(context, options, `${body.name}: ${body.role} ${grants(body.squads)}`.trim(), body);
    });
  withCommon(users.command('remove'))
    .description('remove a user, with sessions and tokens')
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await clientFor<'users'>(context, options).call('DELETE /users/{name}', { path: { name } });
      done(context, options, `${name} is removed`);
    });
}

/** What is there, or nothing. */
function foundOr<Answer>(call: Promise<Answer>): Promise<Answer | undefined> {
  return call.catch((error: { code?: string }) => {
    if (error.code !== 'NOT_FOUND') throw error;
    return undefined;
  });
}

function granted(before: Readonly<Record<string, Role>>, given: Readonly<Record<string, string>>) {
  const all = Object.entries({ ...before, ...given }).filter(([, role]) => role !== '');
  return Object.fromEntries(all) as Record<string, Role>;
}

function addTokens(program: Command, context: CliContext): void {
  const tokens =
    program.commands.find((one) => one.name() === 'tokens') ?? program.command('tokens');
  tokens.description('API tokens');
  withCommon(tokens.command('list'))
    .description('list tokens, without their secrets')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'tokens'>(context, options).call('GET /tokens');
      show(context, options, {
        document: body,
        rows: body.tokens,
        columns: [
          { title: 'ID', of: ({ id }) => id },
          { title: 'NAME', of: ({ name }) => name },
          { title: 'ACTS AS', of: ({ user }) => user },
          { title: 'MADE BY', of: ({ parent, createdBy }) => parent ?? createdBy },
          { title: 'ROLE', of: ({ role, squads }) => `${role} ${grants(squads)}`.trim() },
          { title: 'LAST USED', of: ({ lastUsedAt }) => time(lastUsedAt) },
          {
            title: 'ENDS',
            of: ({ expiresAt, revokedAt }) => (revokedAt ? 'revoked' : time(expiresAt)),
          },
        ],
      });
    });
  withCommon(tokens.command('revoke'))
    .description('end a token')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) => {
      await clientFor<'tokens'>(context, options).call('DELETE /tokens/{id}', { path: { id } });
      done(context, options, `${id} has ended`);
    });
}

interface CredentialOptions extends CommonOptions {
  readonly squad?: string;
  readonly notes?: string;
}

function addCredentials(credentials: Command, context: CliContext): void {
  withCommon(credentials.command('list'))
    .description('list credentials by name, without passwords')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'credentials'>(context, options).call('GET /credentials');
      show(context, options, {
        document: body,
        rows: body.credentials,
        columns: [
          { title: 'NAME', of: ({ name }) => name },
          { title: 'SQUAD', of: ({ squad }) => squad },
          { title: 'USER', of: ({ username }) => username },
          { title: 'NOTES', of: ({ notes }) => notes },
        ],
      });
    });
  withCommon(credentials.command('put'))
    .description('store a credential; its password is read from standard input')
    .argument('<name>')
    .argument('<username>')
    .option('--squad <SQUAD>', 'its owner; else the site', '')
    .option('--notes <TEXT>', 'what it is for', '')
    .action(async (name: string, username: string, options: CredentialOptions) => {
      const password = (await context.readInput()).replace(/\r?\n$/, '');
      const { squad, notes } = options;
      const { body } = await clientFor<'credentials'>(context, options).call(
        'PUT /credentials/{name}',
        {
          path: { name },
          version: '*',
          body: { username, squad, notes, password },
        },
      );
      done(context, options, `${body.name} is stored`, body);
    });
  withCommon(credentials.command('remove'))
    .description('delete a credential that no machine uses')
    .argument('<name>')
    .action(async (name: string, options: CommonOptions) => {
      await clientFor<'credentials'>(context, options).call('DELETE /credentials/{name}', {
        path: { name },
      });
      done(context, options, `${name} is removed`);
    });
}

interface WebhookOptions extends CommonOptions {
  readonly squad?: string;
  readonly event?: readonly string[];
}

function addWebhooks(webhooks: Command, context: CliContext): void {
  withCommon(webhooks.command('list'))
    .description('list webhooks, and how far each has got')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor<'webhooks'>(context, options).call('GET /webhooks');
      type Row = Operations['GET /webhooks']['answer']['webhooks'][number];
      show<Row>(context, options, {
        document: body,
        rows: body.webhooks,
        columns: [
          { title: 'ID', of: ({ id }) => id },
          { title: 'URL', of: ({ url }) => url },
          { title: 'EVENTS', of: ({ names }) => names.join(' ') || 'all' },
          { title: 'SQUAD', of: ({ squad }) => squad },
          { title: 'AT', of: ({ cursor }) => String(cursor) },
          { title: 'TROUBLE', of: ({ enabled, lastError }) => (enabled ? lastError : 'stopped') },
        ],
      });
    });
  withCommon(webhooks.command('add'))
    .description('push events to a URL; prints the signing secret once')
    .argument('<target>', 'http or https')
    .option('--squad <SQUAD>', 'only events of its machines', '')
    .option(
      '--event <NAME>',
      'e.g. machine.state, or machine. for all of them; may be repeated',
      several,
    )
    .action(async (target: string, options: WebhookOptions) => {
      const { squad, event = [] } = options;
      const { body } = await clientFor<'webhooks'>(context, options).call('POST /webhooks', {
        body: { url: target, squad, names: [...event] },
      });
      done(context, options, `${body.webhook.id}, secret ${body.secret}`, body);
    });
  for (const [word, enabled] of [
    ['stop', false],
    ['start', true],
  ] as const)
    withCommon(webhooks.command(word))
      .description(enabled ? 'continue from where it stopped' : 'send nothing until it is started')
      .argument('<id>')
      .action(async (id: string, options: CommonOptions) => {
        const { body } = await clientFor<'webhooks'>(context, options).call(
          'PATCH /webhooks/{id}',
          { path: { id }, body: { enabled } },
        );
        done(context, options, `${id} is ${enabled ? 'started' : 'stopped'}`, body);
      });
  withCommon(webhooks.command('remove'))
    .description('remove a webhook with its dead letters')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) => {
      await clientFor<'webhooks'>(context, options).call('DELETE /webhooks/{id}', { path: { id } });
      done(context, options, `${id} is removed`);
    });
  withCommon(webhooks.command('dead'))
    .description('list dead letters: batches that were given up')
    .argument('<id>')
    .action(async (id: string, options: CommonOptions) => {
      const { body } = await clientFor<'webhooks'>(context, options).call(
        'GET /webhooks/{id}/dead-letters',
        {
          path: { id },
        },
      );
      show(context, options, {
        document: body,
        rows: body.deadLetters,
        columns: [
          { title: 'ID', of: ({ id }) => String(id) },
          { title: 'WHEN', of: ({ at }) => time(at) },
          { title: 'EVENTS', of: ({ firstEvent, lastEvent }) => `${firstEvent} to ${lastEvent}` },
          { title: 'ERROR', of: ({ error, again }) => (again ? 'is sent again' : error) },
        ],
      });
    });
  withCommon(webhooks.command('redeliver'))
    .description('send dead letters again, one or all; those that get through are removed')
    .argument('<id>')
    .argument('[letter]', 'its ID in the list of `dead`')
    .action(async (id: string, letter: string | undefined, options: CommonOptions) => {
      const { body } = await clientFor<'webhooks'>(context, options).call(
        'POST /webhooks/{id}/redeliver',
        { path: { id }, body: letter === undefined ? {} : { letter: Number(letter) } },
      );
      done(context, options, `${body.letters} will be sent again`, body);
    });
}
