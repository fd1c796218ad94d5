/**
 * The serial console: live over a WebSocket, with what was printed in the last boots behind it. One types, the others watch;
 * the terminal is fetched only when somebody opens this.
 */
import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'preact/hooks';
import { withStyleRules } from './console-style.ts';
import '@xterm/xterm/css/xterm.css';
import { read } from '../api.ts';
import { Empty, Panel, When } from '../parts/common.tsx';
import { useRead } from '../resource.ts';
import type { MachineView } from './types.ts';

type Message =
  | { readonly type: 'state'; readonly state: string; readonly detail?: string }
  | { readonly type: 'writer'; readonly who: string; readonly you: boolean }
  | { readonly type: 'closed'; readonly code: string; readonly detail: string }
  | { readonly type: 'skipped'; readonly bytes: number };

interface Recording {
  readonly number: number;
  readonly boot: string;
  readonly why: string;
  readonly startedAt: number;
  readonly keptBytes: number;
}

interface Status {
  readonly said: string;
  readonly writer: string;
  readonly you: boolean;
  readonly over: boolean;
  /** Another program has the one console that the BMC gives. */
  readonly taken: boolean;
}

const BEGIN: Status = { said: 'connecting', writer: '', you: false, over: false, taken: false };

export function Console({ machine }: { machine: MachineView }) {
  const path = `machines/${encodeURIComponent(machine.hardwarename)}/console`;
  const [shown, setShown] = useState<Recording | undefined>();
  const known = useRead<{ recordings: readonly Recording[] }>(path);
  const recordings = known.value?.recordings ?? [];
  return (
    <>
      <Panel title={shown ? 'As recorded' : 'Console'} wide>
        {shown ? (
          <Transcript key={shown.number} path={path} recording={shown} />
        ) : (
          <Live key={path} path={path} />
        )}
      </Panel>
      <Panel title="Recordings" wide>
        {known.problem && <p class="stale">{known.problem.message}</p>}
        {known.value && recordings.length === 0 && <Empty>Nothing was recorded yet.</Empty>}
        <div class="buttons">
          {shown && (
            <button type="button" class="primary" onClick={() => setShown(undefined)}>
              Back to the live console
            </button>
          )}
          {recordings.map((one) => (
            <button
              key={one.number}
              type="button"
              aria-pressed={one.number === shown?.number}
              onClick={() => setShown(one)}
            >
              <When at={one.startedAt} /> {one.why}
            </button>
          ))}
        </div>
      </Panel>
    </>
  );
}

function openTerminal(
  box: HTMLElement,
  disableStdin: boolean,
): { terminal: Terminal; close(): void } {
  const terminal = new Terminal({
    cursorBlink: !disableStdin,
    disableStdin,
    fontSize: 14,
    scrollback: 5000,
    screenReaderMode: true,
    theme: { background: '#0b0e14', foreground: '#e6ebf2' },
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  withStyleRules(document, () => terminal.open(box));
  fit.fit();
  const refit = () => fit.fit();
  addEventListener('resize', refit);
  return {
    terminal,
    close() {
      removeEventListener('resize', refit);
      terminal.dispose();
    },
  };
}

function Live({ path }: { path: string }) {
  const box = useRef<HTMLDivElement>(null);
  const wayOut = useRef<HTMLParagraphElement>(null);
  const socket = useRef<WebSocket | undefined>(undefined);
  const [status, setStatus] = useState(BEGIN);
  const [{ round, takeOver }, setRound] = useState({ round: 0, takeOver: false });
  const again = (wish: boolean) => setRound({ round: round + 1, takeOver: wish });
  useEffect(() => {
    if (!box.current) return;
    const { terminal, close } = openTerminal(box.current, false);
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const line = new WebSocket(
      `${scheme}://${location.host}/api/v1/${path}?mode=write&takeOver=${takeOver}`,
    );
    line.binaryType = 'arraybuffer';
    socket.current = line;
    setStatus(BEGIN);
    line.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (typeof data !== 'string') terminal.write(new Uint8Array(data));
      else setStatus((old) => told(old, JSON.parse(data) as Message));
    };
    line.onclose = ({ reason }) =>
      setStatus((old) => ({ ...old, said: old.over ? old.said : reason || 'closed', over: true }));
    const encoder = new TextEncoder();
    const typing = terminal.onData((text) => {
      if (line.readyState === WebSocket.OPEN) line.send(encoder.encode(text));
    });
    // Tab is a key of the machine's: whoever has no mouse leaves by another.
    terminal.attachCustomKeyEventHandler(({ key, shiftKey }) => {
      if (key !== 'Escape' || !shiftKey) return true;
      wayOut.current?.focus();
      return false;
    });
    // Who goes along the tabs by arrows passes this one: what they press is not the machine's.
    if (!document.activeElement?.matches('[role=tab]:focus-visible')) terminal.focus();
    return () => {
      typing.dispose();
      line.close();
      close();
    };
  }, [path, round]);
  const say = (message: object) => socket.current?.send(JSON.stringify(message));
  return (
    <>
      <div class="panel-head">
        <span role="status">{wordsOf(status)}</span>
        <span class="buttons">
          {!status.you && !status.over && (
            <button type="button" onClick={() => say({ type: 'write', force: true })}>
              Type here
            </button>
          )}
          {status.you && !status.over && (
            <button type="button" onClick={() => say({ type: 'break' })}>
              Send break
            </button>
          )}
          {status.over && (
            <button type="button" class="primary" onClick={() => again(false)}>
              Open again
            </button>
          )}
          {status.over && status.taken && (
            <button type="button" class="danger" onClick={() => again(true)}>
              End the other one
            </button>
          )}
        </span>
      </div>
      <div ref={box} class="console-box" />
      <p ref={wayOut} class="dim" tabIndex={-1}>
        Shift+Escape leaves the terminal.
      </p>
    </>
  );
}

function told(old: Status, message: Message): Status {
  switch (message.type) {
    case 'state':
      return { ...old, said: [message.state, message.detail].filter(Boolean).join(': ') };
    case 'writer':
      return { ...old, writer: message.who, you: message.you };
    case 'closed':
      return {
        ...{ ...old, said: `${message.code} ${message.detail}`, over: true },
        taken: message.code === 'CONSOLE_TAKEN',
      };
    case 'skipped':
      return { ...old, said: `${message.bytes} bytes were left out: this device is slow` };
  }
}

function wordsOf({ said, writer, you, over }: Status): string {
  if (over) return `Closed: ${said}`;
  if (you) return `${said}; you type`;
  return writer === '' ? said : `${said}; ${writer} types`;
}

function Transcript({ path, recording }: { path: string; recording: Recording }) {
  const box = useRef<HTMLDivElement>(null);
  const [failed, setFailed] = useState('');
  useEffect(() => {
    if (!box.current) return;
    const { terminal, close } = openTerminal(box.current, true);
    read<{ text: string }>(`${path}/recordings/${recording.number}`).then(
      ({ text }) => terminal.write(text),
      (error: Error) => setFailed(error.message),
    );
    return close;
  }, [path, recording.number]);
  return (
    <>
      {failed !== '' && <p class="note bad">{failed}</p>}
      <div ref={box} class="console-box" />
    </>
  );
}
