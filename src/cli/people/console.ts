/**
 * `reveille console HARDWARENAME`: the serial console of a machine in this terminal, through the appliance, with ipmitool's
 * escapes: at the beginning of a line `~.` leaves, `~B` sends a break, `~~` a tilde; `~w` takes the pen from whoever types.
 * `--last` prints what the machine printed when it last booted.
 */
import type { Command } from 'commander';
import { WebSocket } from 'ws';
import type { ConsoleMessage } from '../../console/ports.ts';
import { AppError, ERRORS, type ErrorCode } from '../../errors.ts';
import { createEscapes } from '../bmc-console.ts';
import {
  type CliContext,
  type CommonOptions,
  clientFor,
  reachOf,
  withCommon,
} from './connection.ts';
import { show } from './output.ts';

interface ConsoleOptions extends CommonOptions {
  readonly last?: boolean;
  readonly boot?: string;
  readonly list?: boolean;
  readonly watch?: boolean;
  readonly takeOver?: boolean;
}

/** What was piped in has been sent; the machine's answer still comes until it is quiet for this long. */
const QUIET_MS = 1000;
const HANDSHAKE_MS = 10_000;

export function addConsoleCommand(program: Command, context: CliContext): void {
  withCommon(program.command('console'))
    .description("open a machine's serial console; ~. at the beginning of a line leaves it")
    .argument('<machine>', 'hardwarename')
    .option('--watch', 'look on without typing')
    .option('--take-over', "end another program's session with it at the BMC")
    .option('--last', 'print what the machine printed when it last booted')
    .option('--boot <ID>', 'print what it printed in that boot')
    .option('--list', 'list what was recorded')
    .action(async (hardwarename: string, options: ConsoleOptions) => {
      if (options.list) return list(context, options, hardwarename);
      if (options.last || options.boot !== undefined)
        return transcript(context, options, hardwarename);
      await live(context, options, hardwarename);
    });
}

async function list(context: CliContext, options: ConsoleOptions, hardwarename: string) {
  const { body } = await clientFor<'machines/{hardwarename}/console'>(context, options).call(
    'GET /machines/{hardwarename}/console',
    { path: { hardwarename } },
  );
  const time = (at: number) => (at === 0 ? '' : new Date(at).toISOString().slice(0, 19));
  show(context, options, {
    document: body,
    rows: body.recordings,
    columns: [
      { title: 'NUMBER', of: ({ number }) => String(number) },
      { title: 'BOOT', of: ({ boot }) => boot },
      { title: 'WHY', of: ({ why }) => why },
      { title: 'BEGAN', of: ({ startedAt }) => time(startedAt) },
      { title: 'LAST BYTE', of: ({ lastAt }) => time(lastAt) },
      { title: 'BYTES', of: ({ heardBytes }) => String(heardBytes) },
      { title: 'KEPT', of: ({ keptBytes }) => String(keptBytes) },
      { title: 'ENDED', of: ({ endedAt, ended }) => (endedAt === 0 ? 'goes on' : ended) },
    ],
  });
}

async function transcript(context: CliContext, options: ConsoleOptions, hardwarename: string) {
  const api = clientFor<'machines/{hardwarename}/console'>(context, options);
  const { boot: which } = options;
  const { body } =
    which === undefined
      ? await api.call('GET /machines/{hardwarename}/console/last', { path: { hardwarename } })
      : await api.call('GET /machines/{hardwarename}/console/boots/{which}', {
          path: { hardwarename, which },
        });
  context.write(options.json ? `${JSON.stringify(body)}\n` : `${body.text}\n`);
}

type Said = ConsoleMessage | { readonly type: 'skipped'; readonly bytes: number };

/** Returns when the user leaves. @throws AppError with the appliance's code when it ends the visit */
async function live(
  { environment, tell }: CliContext,
  options: ConsoleOptions,
  hardwarename: string,
): Promise<void> {
  const { url, token } = reachOf(environment, options);
  const socket = dial({ url, token, hardwarename, options });
  const { stdin, stdout } = process;
  const escapes = createEscapes(['w']);
  const say = (message: object) => socket.send(JSON.stringify(message));
  const onKeys = (typed: Buffer): void => {
    for (const action of escapes(typed)) {
      switch (action.kind) {
        case 'quit':
          socket.close();
          break;
        case 'break':
          say({ type: 'break' });
          break;
        case 'letter':
          say({ type: 'write', force: true });
          break;
        case 'send':
          socket.send(action.bytes, { binary: true });
          break;
      }
    }
  };
  let quiet: NodeJS.Timeout | undefined;
  const stayWhileHeard = () => {
    clearTimeout(quiet);
    quiet = setTimeout(() => socket.close(), QUIET_MS);
  };
  try {
    await new Promise<void>((resolve, reject) => {
      const refused = refusals(socket, reject);
      socket.on('open', () => {
        if (stdin.isTTY) stdin.setRawMode(true);
        stdin.on('data', onKeys);
        stdin.once('end', stayWhileHeard);
      });
      socket.on('message', (data: Buffer, isBinary: boolean) => {
        if (isBinary) stdout.write(data);
        else refused.hear(JSON.parse(data.toString('utf8')) as Said, tell);
        if (quiet) stayWhileHeard();
      });
      socket.on('close', () => refused.close(resolve));
    });
    stdout.write('\r\n[left]\n');
  } finally {
    clearTimeout(quiet);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    stdin.removeAllListeners('data');
  }
}

function dial(to: {
  url: string;
  token: string | undefined;
  hardwarename: string;
  options: ConsoleOptions;
}): WebSocket {
  const { url, token, hardwarename, options } = to;
  const path = `/api/v1/machines/${encodeURIComponent(hardwarename)}/console`;
  const target = new URL(`${url.replace(/\/+$/, '')}${path}`);
  target.protocol = target.protocol === 'https:' ? 'wss:' : 'ws:';
  target.searchParams.set('mode', options.watch ? 'watch' : 'write');
  if (options.takeOver) target.searchParams.set('takeOver', 'true');
  return new WebSocket(target, {
    handshakeTimeout: HANDSHAKE_MS,
    perMessageDeflate: false,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
}

/** Turns what the appliance says into sentences, and its refusals into errors with their codes. */
function refusals(socket: WebSocket, reject: (error: Error) => void) {
  let ended: AppError | undefined;
  socket.on('unexpected-response', (_request, response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      text += part;
    });
    response.on('end', () => reject(errorOf(problemIn(text))));
  });
  socket.on('error', (cause) =>
    reject(new AppError('REQUEST_INVALID', { detail: cause.message, cause })),
  );
  return {
    hear(said: Said, tell: (text: string) => void): void {
      switch (said.type) {
        case 'state':
          tell(`[${said.state}${said.detail ? `: ${said.detail}` : ''}]\r\n`);
          break;
        case 'writer':
          tell(
            `[${said.you ? 'you type; ~. leaves' : `${said.who || 'nobody'} types; ~w takes the pen`}]\r\n`,
          );
          break;
        case 'skipped':
          tell(`[${said.bytes} bytes were not shown]\r\n`);
          break;
        case 'closed':
          ended = errorOf(said);
          break;
      }
    },
    close: (resolve: () => void) => (ended ? reject(ended) : resolve()),
  };
}

function problemIn(text: string): { code: string; detail: string } {
  try {
    const { code, detail } = JSON.parse(text) as { code?: string; detail?: string };
    return { code: String(code), detail: detail ?? '' };
  } catch {
    return { code: 'INTERNAL', detail: text.slice(0, 200) };
  }
}

function errorOf({ code, detail }: { readonly code: string; readonly detail: string }): AppError {
  const known = code in ERRORS ? (code as ErrorCode) : 'INTERNAL';
  const { message } = ERRORS[known];
  return new AppError(known, { detail: detail.replace(message, '').trim() });
}
