/**
 * `sol activate`: the serial console of a machine in this terminal. `~.` at the beginning of a line ends it, `~B` sends a
 * break, `~~` a tilde; keys go to the machine as they are.
 */
import { AppError } from '../errors.ts';
import type { BmcSession } from '../ipmi/client.ts';
import type { SessionSettings } from '../ipmi/options.ts';
import { openSol, type SolConsole } from '../ipmi/sol-console.ts';
import type { BmcPorts } from '../platform/bmc-udp.ts';

export type KeyAction =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'break' }
  /** Another letter that the caller gave a meaning to. */
  | { readonly kind: 'letter'; readonly letter: string }
  | { readonly kind: 'quit' };

const TILDE = 0x7e;

/**
 * Tells the escapes of a typed stream from the rest; keeps what it has to know between two calls.
 * @param letters that mean something after a tilde, beside `.`, `B` and the tilde itself
 */
export function createEscapes(
  letters: readonly string[] = [],
): (typed: Uint8Array) => readonly KeyAction[] {
  let lineStart = true;
  let tilde = false;
  return (typed) => {
    const actions: KeyAction[] = [];
    let plain: number[] = [];
    const flush = () => {
      if (plain.length > 0) actions.push({ kind: 'send', bytes: Uint8Array.from(plain) });
      plain = [];
    };
    for (const byte of typed) {
      if (tilde) {
        tilde = false;
        const letter = String.fromCharCode(byte);
        if (letter === '.') {
          flush();
          return [...actions, { kind: 'quit' }];
        }
        if (letter === 'B') {
          flush();
          actions.push({ kind: 'break' });
          continue;
        }
        if (letters.includes(letter)) {
          flush();
          actions.push({ kind: 'letter', letter });
          continue;
        }
        plain.push(TILDE);
        if (byte === TILDE) {
          lineStart = false;
          continue;
        }
      } else if (lineStart && byte === TILDE) {
        tilde = true;
        continue;
      }
      plain.push(byte);
      lineStart = byte === 0x0d || byte === 0x0a;
    }
    flush();
    return actions;
  };
}

/** Returns when the user leaves. @throws AppError when the line dies */
export async function runConsole(
  session: BmcSession,
  {
    ports,
    settings,
    words,
  }: { ports: BmcPorts; settings: SessionSettings; words: readonly string[] },
): Promise<string> {
  const { stdin, stdout } = process;
  let sol: SolConsole | undefined;
  const escapes = createEscapes();
  try {
    await new Promise<void>((resolve, reject) => {
      openSol(session, {
        timers: ports.timers,
        quirks: new Set(settings.quirks),
        takeOver: words.includes('force'),
        onData: (bytes) => stdout.write(bytes),
        onEnd: reject,
      }).then((opened) => {
        sol = opened;
        stdout.write('[SOL Session operational.  Use ~. to leave]\r\n');
        if (stdin.isTTY) stdin.setRawMode(true);
        stdin.on('data', (typed: Buffer) => {
          for (const action of escapes(typed)) {
            if (action.kind === 'quit') resolve();
            else if (action.kind === 'break') opened.break();
            else if (action.kind === 'send' && !opened.write(action.bytes)) stdout.write('\u0007');
          }
        });
        // What was piped in has been sent; the machine's answer still comes until it is quiet for a second.
        stdin.on('end', () => ports.timers.at(ports.timers.nowMs() + 1000, resolve));
      }, reject);
    });
    await sol?.close();
    return '\r\n[terminated]\n';
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('INTERNAL', { cause: error });
  } finally {
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    stdin.removeAllListeners('data');
  }
}
