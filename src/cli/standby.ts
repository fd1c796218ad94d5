/** `reveille standby …`, on one of the two appliances of a site: asked of its daemon, whatever part that has. */
import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { askControl, controlFileOf } from '../daemon/standby-control.ts';
import type { FleetCliContext } from './central.ts';

interface Options {
  readonly config?: string;
  readonly json?: boolean;
  readonly why?: string;
  readonly fenced?: string;
}

type Status = Awaited<ReturnType<typeof askControl>>;

export function addStandbyCommands(
  program: Command,
  { write }: Pick<FleetCliContext, 'write'>,
): void {
  const standby = program
    .command('standby')
    .description('two appliances of one site: state, take over, hand back');
  const command = (name: string, description: string) =>
    standby
      .command(name)
      .description(description)
      .option('-c, --config <FILE>', "the daemon's configuration")
      .option('--json', 'print one JSON document');
  const run = async ({ config, json }: Options, path: string, body?: object): Promise<void> => {
    const status = await askControl(controlFileOf(loadConfig(config)), path, body);
    write(json ? `${JSON.stringify(status)}\n` : render(status));
  };
  command('status', 'which one is active, and how current the other one is').action(
    (options: Options) => run(options, '/status'),
  );
  command('take-over', 'make this appliance the active one')
    .requiredOption('--why <TEXT>', 'why; it is written down')
    .option('--fenced <TEXT>', 'how it is known that the other one is off: then nobody is asked')
    .action((options: Options) => {
      const { why, fenced = '' } = options;
      return run(options, '/take-over', { why, fenced });
    });
  command('hand-back', 'make the other appliance the active one')
    .requiredOption('--why <TEXT>', 'why; it is written down')
    .action((options: Options) => run(options, '/hand-back', { why: options.why }));
}

function render(status: Status): string {
  const { member, mode, epoch, partner, addresses, unwritten } = status;
  const { wholeFrom, witness, why, version } = status;
  const touch = partner.inTouch
    ? `in touch${partner.behind > 0 ? `, ${partner.behind} changes behind` : ''}`
    : `out of touch since ${partner.touchAt === 0 ? 'ever' : new Date(partner.touchAt).toISOString()}`;
  const until = wholeFrom === null ? '' : ` (all from ${new Date(wholeFrom).toISOString()})`;
  const other = partner.version === '' || partner.version === version;
  return [
    `member     ${member}, ${mode}, epoch ${epoch}${why === '' ? '' : ` (${why})`}`,
    `partner    ${partner.address}, ${touch}${other ? '' : `, version ${partner.version}, and not ${version}`}`,
    `standby    ${standbyText(status)}`,
    `addresses  ${addresses}${addresses === 'half' ? until : ''}${unwritten === '' ? '' : ` (${unwritten})`}`,
    `witness    ${witness}`,
    '',
  ].join('\n');
}

/** In the words of the portal. */
function standbyText({ standby }: Status): string {
  const { current, behindMs, images } = standby;
  const age = behindMs === null ? 'of unknown age' : `${(behindMs / 1000).toFixed(1)} s behind`;
  const left = `, ${images.missing} files of images to copy (${(images.bytes / 1e6).toFixed(1)} MB)`;
  return `${current ? 'current' : 'not current'}, ${age}${images.missing > 0 ? left : ''}`;
}
