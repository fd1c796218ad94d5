/**
 * `reveille bmc HARDWARENAME ...`: a machine's BMC through the appliance, which knows its address, its login and its quirks,
 * with the words of ipmitool. Reading asks the BMC now; what changes the machine is a job, which is followed to its end.
 */
import type { Command } from 'commander';
import type { Bmc } from '../../client/operations.generated.ts';
import { AppError } from '../../errors.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { watchJob } from './jobs.ts';
import { type Column, done, show, showRecord } from './output.ts';

type MachineBmcPath = 'machines' | 'jobs';

interface Asked {
  readonly context: CliContext;
  readonly options: CommonOptions & { readonly release?: boolean };
  readonly hardwarename: string;
  /** What follows the command. */
  readonly rest: readonly string[];
}

type Act = (asked: Asked) => Promise<void>;

/** Command words to what they do. */
const COMMANDS: Readonly<Record<string, Act>> = {
  show: showKnown,
  confirm: decide('confirm'),
  retry: decide('retry'),
  'power status': powerStatus,
  'power on': job('power-on'),
  'power off': job('power-off', { graceSeconds: 0 }),
  'power soft': job('power-off'),
  'power cycle': job('power-cycle'),
  'power reset': job('reset'),
  'chassis identify': identify,
  'sensor list': sensors,
  'sdr list': sensors,
  'sel list': log,
  'fru print': fru,
};

/**
 * Whether these words mean a machine on record rather than a BMC's own address: without a login of one's own, and with
 * a name that is no address and has no domain.
 */
export function namesMachine(host: string, user: string | undefined): boolean {
  return user === undefined && !host.includes('.');
}

/** @throws AppError REQUEST_INVALID for words that mean nothing here */
export async function runMachineBmc(
  context: CliContext,
  [hardwarename, ...words]: readonly [string, ...string[]],
  options: Asked['options'],
): Promise<void> {
  // `chassis power on` and `power on` are the same, as with ipmitool.
  const plain = words[0] === 'chassis' && words[1] === 'power' ? words.slice(1) : words;
  for (const length of [2, 1]) {
    const act = COMMANDS[plain.slice(0, length).join(' ')];
    if (act) return act({ context, options, hardwarename, rest: plain.slice(length) });
  }
  const names = Object.keys(COMMANDS).join(', ');
  const detail = `'${words.join(' ')}' cannot be asked through the appliance; there are: ${names}. With -U, the BMC itself is asked.`;
  throw new AppError('REQUEST_INVALID', { detail });
}

const clientOf = ({ context, options }: Asked) => clientFor<MachineBmcPath>(context, options);
const pathOf = ({ hardwarename }: Asked) => ({ path: { hardwarename } });

async function showKnown(asked: Asked): Promise<void> {
  const { body } = await clientOf(asked).call('GET /machines/{hardwarename}/bmc', pathOf(asked));
  showRecord(asked.context, asked.options, body);
}

/** What a person decides: that the BMC it reports is its own, or that refused logins are tried again. */
function decide(word: 'confirm' | 'retry'): Act {
  return async (asked) => {
    const path = `POST /machines/{hardwarename}/bmc/${word}` as const;
    const { body } = await clientOf(asked).call(path, pathOf(asked));
    showRecord(asked.context, asked.options, body);
  };
}

async function powerStatus(asked: Asked): Promise<void> {
  const { body } = await clientOf(asked).call(
    'GET /machines/{hardwarename}/bmc/power',
    pathOf(asked),
  );
  const text = `Chassis Power is ${body.on ? 'on' : 'off'}\n`;
  asked.context.write(asked.options.json ? `${JSON.stringify(body)}\n` : text);
}

async function sensors(asked: Asked): Promise<void> {
  const { body } = await clientOf(asked).call(
    'GET /machines/{hardwarename}/bmc/sensors',
    pathOf(asked),
  );
  show(asked.context, asked.options, {
    document: body,
    rows: body.sensors,
    columns: [
      { title: 'SENSOR', of: ({ name }) => name },
      {
        title: 'READING',
        of: ({ value, unit, states }) =>
          value === undefined
            ? states.join(', ')
            : `${Number(value.toPrecision(6))} ${unit ?? ''}`.trim(),
      },
      { title: 'HEALTH', of: ({ health }) => health },
    ],
  });
}

async function log(asked: Asked): Promise<void> {
  const { body } = await clientOf(asked).call(
    'GET /machines/{hardwarename}/bmc/sel',
    pathOf(asked),
  );
  show(asked.context, asked.options, {
    document: body,
    rows: body.entries,
    columns: [
      { title: 'ID', of: ({ id }) => id },
      {
        title: 'TIME',
        of: ({ seconds }) =>
          seconds === undefined
            ? ''
            : new Date(seconds * 1000).toISOString().replace('T', ' ').replace('.000Z', ' UTC'),
      },
      { title: 'EVENT', of: ({ text }) => text },
    ],
  });
}

async function fru(asked: Asked): Promise<void> {
  const { body } = await clientOf(asked).call(
    'GET /machines/{hardwarename}/bmc/fru',
    pathOf(asked),
  );
  showRecord(asked.context, asked.options, body);
}

function job(action: string, params: Record<string, unknown> = {}): Act {
  return (asked) => runJob(asked, action, params);
}

async function identify(asked: Asked): Promise<void> {
  const seconds = Number(asked.rest[0] ?? 15);
  await runJob(asked, 'identify', { seconds });
}

async function runJob(
  asked: Asked,
  action: string,
  params: Record<string, unknown>,
): Promise<void> {
  const { context, options, hardwarename } = asked;
  const release = options.release ? { release: hardwarename } : {};
  const { body } = await clientOf(asked).call('POST /jobs', {
    body: { action, params, priority: 0, target: hardwarename, ...release },
  });
  await watchJob(context, options, body.id);
}

const COLUMNS: readonly Column<Bmc>[] = [
  { title: 'BMC', of: ({ id }) => id },
  { title: 'ADDRESS', of: ({ address }) => address },
  { title: 'MACHINE', of: ({ hardwarename }) => hardwarename },
  { title: 'BY', of: ({ matchedBy }) => matchedBy },
  { title: 'PROTOCOL', of: ({ protocol }) => protocol },
  { title: 'POWER', of: ({ power }) => power },
  {
    title: 'SAYS',
    of: ({ manufacturer, product, serial }) => `${manufacturer} ${product} ${serial}`.trim(),
  },
  {
    title: 'WHY',
    of: ({ why, code, wake }) =>
      [code, wake === 'wanted' ? 'may be woken' : '', why].filter(Boolean).join('; '),
  },
];

/** `bmc` itself has --json, --url and --token-file too, and commander gives them to it wherever they stand. */
const all = <More>(command: Command): CommonOptions & More => command.optsWithGlobals();

/** What belongs to no single machine, below `reveille bmc`. */
export function addBmcCommands(bmc: Command, context: CliContext): void {
  withCommon(bmc.command('list'))
    .description('list BMCs that were seen, and whose they are')
    .option('--unmatched', 'only those without a machine')
    .action(async (_: unknown, command: Command) => {
      const options = all<{ readonly unmatched?: boolean }>(command);
      const query = { limit: '1000', unmatched: options.unmatched === true ? 'true' : 'false' };
      const { body } = await clientFor<'bmcs'>(context, options).call('GET /bmcs', { query });
      show(context, options, { document: body, rows: body.items, columns: COLUMNS });
    });
  withCommon(bmc.command('match'))
    .description('say which machine a BMC belongs to')
    .argument('<bmc>', 'its MAC or address, as listed')
    .argument('<hardwarename>')
    .action(async (id: string, hardwarename: string, _: unknown, command: Command) => {
      const options = all(command);
      const { body } = await clientFor<'bmcs'>(context, options).call('POST /bmcs/{id}/match', {
        path: { id },
        body: { hardwarename },
      });
      done(context, options, `${id} is the BMC of ${body.hardwarename}`, body);
    });
  for (const [word, text] of [
    ['wake', 'switch on its machine, which was never seen, to boot from the network'],
    ['look', 'look at it now'],
    ['unpin', 'forget its certificate and pin the next one'],
  ] as const)
    withCommon(bmc.command(word))
      .description(text)
      .argument('<bmc>', 'its MAC or address, as listed')
      .action(async (id: string, _: unknown, command: Command) => {
        const options = all(command);
        const api = clientFor<'bmcs'>(context, options);
        const { body } = await api.call(`POST /bmcs/{id}/${word}`, { path: { id } });
        done(context, options, `${id}: ${word} is noted`, body);
      });
  withCommon(bmc.command('trust'))
    .description("confirm a BMC's certificate: the site's logins may be sent to it over Redfish")
    .argument('<bmc>', 'its MAC or address, as listed')
    .argument('<sha256>', 'fingerprint of the certificate, as its own screen or label has it')
    .action(async (id: string, certificate: string, _: unknown, command: Command) => {
      const options = all(command);
      const { body } = await clientFor<'bmcs'>(context, options).call('POST /bmcs/{id}/trust', {
        path: { id },
        body: { certificate },
      });
      done(context, options, `${id}: the certificate ${body.certificate} is trusted`, body);
    });
  withCommon(bmc.command('forget'))
    .description('forget a BMC until it is seen again')
    .argument('<bmc>', 'its MAC or address, as listed')
    .action(async (id: string, _: unknown, command: Command) => {
      const options = all(command);
      await clientFor<'bmcs'>(context, options).call('DELETE /bmcs/{id}', { path: { id } });
      done(context, options, `${id} is forgotten`, { id });
    });
}
