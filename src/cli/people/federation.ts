/** `reveille federation status`: asked of the appliance, also of one that central has not heard of for a while. */
import type { Command } from 'commander';
import type { Removal } from '../../central/removing.ts';
import type { FleetLine } from '../../client/operations.generated.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { done, time } from './output.ts';
import { askCentral } from './sites.ts';

export function addFederationStatus(program: Command, context: CliContext): void {
  const federation =
    program.commands.find((one) => one.name() === 'federation') ?? program.command('federation');
  withCommon(federation.command('remove'))
    .description(
      'remove a site that has closed, at central: its machines count no more, and what is open at it ends',
    )
    .argument('<site>', 'it is shut out before: `reveille sites revoke`')
    .requiredOption('--confirm <SITE>', 'its name once more')
    .action(async (site: string, options: CommonOptions & { confirm: string }) => {
      const call = 'POST /sites/{site}/remove';
      for (;;) {
        const of = { call, path: { site }, body: { confirm: options.confirm } };
        const removal = await askCentral<Removal>(context, options, of);
        const { machines, events } = removal.left;
        const counts = Object.entries(removal.removed).map(([what, count]) => `${what} ${count}`);
        const text = counts.join(', ') || 'it had nothing';
        if (removal.endedAt !== null)
          return done(context, options, `${site} is removed: ${text}`, removal);
        context.tell(`${site}: ${machines} machines and ${events} events are left\n`);
      }
    });
  withCommon(federation.command('status'))
    .description('how the line to central stands, and what central does not have yet')
    .action(async (options: CommonOptions) => {
      const { body } = await clientFor(context, options).call('GET /federation', {});
      context.write(options.json ? `${JSON.stringify(body)}\n` : render(body));
    });
}

function render(of: FleetLine): string {
  const { line, site, central, since, heardAt, behind, code, why, certificateEndsAt } = of;
  if (line === 'none') return 'it has joined no fleet: `reveille federation join` does that\n';
  const reason = [code, why].filter(Boolean).join(', ');
  return [
    `site         ${site}`,
    `central      ${central}`,
    `line         ${line} since ${time(since)}${reason === '' ? '' : `: ${reason}`}`,
    `heard        ${heardAt === 0 ? 'not since the start' : time(heardAt)}`,
    `events       ${behind === null ? 'what central has is not known since the start' : behind === 0 ? 'central has all' : `central has not said to have the last ${behind}`}`,
    `certificate  until ${time(certificateEndsAt)}`,
    ...(line === 'refused' ? [`to do        ${MENDS[code] ?? MENDS.OTHER}`] : []),
    '',
  ].join('\n');
}

const AGAIN = 'a code of `reveille sites join-code`, made at central, lets it join again';

/** By the code of the refusal. */
const MENDS: Readonly<Record<string, string>> = {
  ...{ CERTIFICATE_UNKNOWN: AGAIN, CERTIFICATE_REFUSED: AGAIN, SITE_MISMATCH: AGAIN },
  APPLIANCE_MISMATCH: `another appliance, or another database, is this site now; ${AGAIN}`,
  SITE_REMOVED: `this site was removed from the fleet, and works on alone; ${AGAIN}`,
  PROTOCOL: 'central is upgraded first, then its sites',
  OTHER: '`reveille notices` at central says more',
};
