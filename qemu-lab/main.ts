/** The lab's command line: `npm run lab -- COMMAND`. */
import '../src/platform/require-node.ts';
import { connect as connectTcp, createConnection, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { closeScopes } from '../bench/support/scope.ts';
import { createClient } from './client.ts';
import { askControl, serveControl } from './control.ts';
import { createLab, type Lab } from './lab.ts';
import { destroyNetwork } from './network.ts';
import { accountWords, openAccount } from './people.ts';
import { requirePrerequisites } from './prerequisites.ts';
import { loadRack } from './rack.ts';
import { runScenario, type ScenarioResult } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';
import { isAlive, listLabs, reapDeadLabs } from './state.ts';
import { drawBoard } from './table.ts';

const DEMO_RACK = resolve(import.meta.dirname, 'racks/demo.yaml');
const out = (text: string) => void process.stdout.write(`${text}\n`);

const program = new Command('lab').description('Virtual racks that really boot');

program
  .command('create')
  .description('start the appliance and a rack, and show the machines as they come; Ctrl-C ends it')
  .option('--rack <FILE>', 'YAML description of the rack', DEMO_RACK)
  .option('--pxeimage <DIR>', 'the image to boot', 'build/pxeimage/lab')
  .option('--until-registered', 'end when every machine is registered, with status 0')
  .option('--port <PORT>', 'where the board is on this host', '8081')
  .action(
    async (options: {
      rack: string;
      pxeimage: string;
      untilRegistered?: boolean;
      port: string;
    }) => {
      requirePrerequisites();
      const lab = await createLab(loadRack(options.rack), { pxeimage: options.pxeimage });
      endWith(lab);
      const url = await forward(lab, Number(options.port));
      serveControl(lab);
      for (const vm of lab.vms) if (vm.machine.power === 'on') lab.powerOn(vm);
      out(`The board: ${url}   (files: ${lab.dir})`);
      if (!options.untilRegistered) out(accountWords(await openAccount(lab), url));
      out('Ctrl-C ends the lab.\n');
      await watchLab(lab, { url, untilRegistered: options.untilRegistered === true });
      await lab.destroy();
      process.exit(0);
    },
  );

interface ScenarioOptions {
  readonly json?: boolean;
  readonly keep?: boolean;
  readonly pxeimage: string;
  readonly rounds?: string;
}

program
  .command('scenario')
  .description('run one scenario and judge it')
  .argument('<name>', `one of: ${SCENARIOS.map(({ name }) => name).join(', ')}`)
  .option('--json', 'print one JSON object last')
  .option('--keep', 'keep the files of the lab (serial logs, capture, database)')
  .option('--pxeimage <DIR>', 'the image to boot', 'build/pxeimage/lab')
  .option('--rounds <COUNT>', 'how often to hurt, for a scenario that does so again and again')
  .action(async (name: string, options: ScenarioOptions) => {
    const scenario = SCENARIOS.find((one) => one.name === name);
    if (!scenario)
      throw new Error(
        `there is no scenario '${name}'; there are: ${SCENARIOS.map((one) => one.name).join(', ')}`,
      );
    requirePrerequisites(scenario);
    const say = options.json ? (text: string) => void process.stderr.write(`${text}\n`) : out;
    if (scenario.alone) endWith({ destroy: closeScopes });
    const result = await runScenario(scenario, {
      say,
      keepFiles: options.keep === true,
      pxeimage: options.pxeimage,
      ...(options.rounds === undefined ? {} : { rounds: Number(options.rounds) }),
      onLab: (lab) => {
        endWith(lab);
        if (options.keep) say(`files: ${lab.dir}`);
      },
    });
    out(options.json ? JSON.stringify(result) : readableResult(result));
    process.exit(result.passed ? 0 : 1);
  });

program
  .command('scenarios')
  .description('list the scenarios')
  .action(() => {
    for (const { name, about } of SCENARIOS) out(`${name.padEnd(16)} ${about}`);
  });

program
  .command('list')
  .description('list running labs, and clean up after dead ones')
  .option('--json', 'print JSON')
  .action((options: { json?: boolean }) => {
    const reaped = reapDeadLabs();
    const labs = listLabs().map(({ id, pid, url, dir }) => ({ id, pid, url, dir }));
    if (options.json) return out(JSON.stringify({ labs, reaped }));
    for (const lab of labs) out(`${lab.id}  pid ${lab.pid}  ${lab.url}  ${lab.dir}`);
    if (labs.length === 0) out('no lab is running');
  });

program
  .command('power')
  .description('switch a machine of the running lab')
  .argument('<name>', 'machine of the rack')
  .argument('<action>', 'on, off or reset')
  .action(async (name: string, action: string) =>
    out(await askControl(theLab().dir, `power ${name} ${action}`)),
  );

program
  .command('console')
  .description('the serial console of a machine; Ctrl-] leaves it')
  .argument('<name>', 'machine of the rack')
  .action((name: string) => {
    const socket = createConnection(join(theLab().dir, name, 'console'));
    socket.on('error', (error) => {
      process.stderr.write(`lab: the console of ${name} is not there: ${error.message}\n`);
      process.exit(1);
    });
    socket.on('end', () => process.exit(0));
    if (process.stdin.isTTY) process.stdin.setRawMode(true);
    process.stdin.on('data', (keys) => {
      if (keys.includes(0x1d)) process.exit(0);
      socket.write(keys);
    });
    socket.pipe(process.stdout);
  });

program
  .command('destroy')
  .description('end labs and remove everything that they made')
  .argument('[id]', 'one lab')
  .option('--all', 'every lab')
  .action((id: string | undefined, options: { all?: boolean }) => {
    reapDeadLabs();
    const labs = listLabs().filter((lab) => options.all || lab.id === id);
    if (labs.length === 0) out(id ? `there is no lab ${id}` : 'no lab is running');
    for (const lab of labs) {
      if (isAlive(lab)) process.kill(lab.pid, 'SIGTERM');
      destroyNetwork(lab.network);
      out(`${lab.id} is gone`);
    }
  });

/** Ctrl-C, a closed terminal and SIGTERM leave nothing behind. */
function endWith(lab: Pick<Lab, 'destroy'>): void {
  let ending = false;
  const end = () => {
    process.stderr.write(
      `\nlab: ${ending ? 'still ending' : 'ending'}, nothing is left behind …\n`,
    );
    // Whoever is impatient presses Ctrl-C again; it must not end the one that clears away.
    if (ending) return;
    ending = true;
    lab.destroy().then(
      () => process.exit(130),
      (error: Error) => {
        process.stderr.write(`lab: ${error.message}; \`npm run lab -- list\` clears away\n`);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
}

function theLab() {
  const [lab, ...others] = listLabs().filter(isAlive);
  if (!lab) throw new Error('no lab is running: start one with `npm run lab -- create`');
  if (others.length > 0) throw new Error('several labs are running: end all but one');
  return lab;
}

/** Puts the board on a port of this host's loopback; another one is taken when the wanted one is in use. */
function forward(lab: Lab, wanted: number): Promise<string> {
  const server = createServer((near) => {
    const far = connectTcp(8081, lab.network.appAddress);
    near.pipe(far).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  return new Promise((done, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' || wanted === 0) failed(error);
      else server.listen(0, '127.0.0.1');
    });
    server.listen(wanted, '127.0.0.1');
    server.once('listening', () => {
      const address = server.address();
      done(`http://127.0.0.1:${typeof address === 'object' && address ? address.port : wanted}/`);
    });
  });
}

/** A line that a terminal breaks counts twice, and the board would be drawn below itself; a file takes any. */
const widthOf = ({ isTTY, columns }: NodeJS.WriteStream): number =>
  isTTY && columns > 0 ? columns - 1 : Number.POSITIVE_INFINITY;

async function watchLab(
  lab: Lab,
  { url, untilRegistered }: { url: string; untilRegistered: boolean },
): Promise<void> {
  const client = createClient(lab.api);
  const startedAt = Date.now();
  let drawnLines = 0;
  let told = false;
  let lastCount = -1;
  for (;;) {
    const board = await client.board();
    const text = drawBoard(board.rows, board.now, widthOf(process.stdout));
    const registered = board.rows.filter(
      ({ machine, timeline }) => machine && timeline.state === 'done',
    ).length;
    // Redrawn in place for a person; once for each machine that has come when the output goes to a file.
    if (!process.stdout.isTTY && registered !== lastCount) out(`${text}\n`);
    lastCount = registered;
    if (process.stdout.isTTY) {
      if (drawnLines > 0) process.stdout.write(`\x1b[${drawnLines}A\x1b[J`);
      out(text);
      drawnLines = text.split('\n').length;
    }
    if (registered === lab.vms.length && !told) {
      told = true;
      const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
      out(
        `${registered} of ${lab.vms.length} machines registered after ${seconds} s. The board: ${url}`,
      );
      drawnLines = 0;
      if (untilRegistered) return;
    }
    await new Promise((next) => setTimeout(next, 500));
  }
}

function readableResult({ scenario, passed, machines, seconds, failures }: ScenarioResult): string {
  return [
    ...machines.map(({ name, hardwarename, state, seconds: steps }) => {
      const times = Object.entries(steps).map(([step, s]) => `${step} ${s}`);
      return `${name.padEnd(12)} ${(hardwarename ?? '-').padEnd(24)} ${state.padEnd(10)} ${times.join(', ')}`;
    }),
    ...failures.map((failure) => `FAILED: ${failure}`),
    `${scenario}: ${passed ? 'passed' : 'failed'} in ${seconds.total?.toFixed(1)} s`,
  ].join('\n');
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`lab: ${(error as Error).message}\n`);
  process.exit(1);
}
