/**
 * The appliance's event feed as an endless list: Server-Sent Events (WHATWG HTML, section 9.2) read by fetch, resumed by
 * `Last-Event-ID` whenever the connection ends, so that nothing is missed and nothing comes twice.
 *
 * A feed that says nothing for a while is taken for dead: the appliance sends a line every fifteen seconds. What cannot be
 * mended by trying again (a token that is not valid) is thrown; everything else is waited for, a little longer each time.
 */
import { ApiProblem } from './client.ts';
import type { Event } from './operations.generated.ts';

export type FeedItem =
  | { readonly kind: 'event'; readonly event: Event }
  /**
   * Something was missed: read the state anew. Either what came before `oldest` was compacted away, or the feed is another
   * since the database was put back from a copy, and goes on behind `oldest`.
   */
  | { readonly kind: 'resync'; readonly oldest: number; readonly why: string };

export interface FeedOptions {
  /** Where the people's listener is, as in `http://reveille.example:8081`. */
  readonly url: string;
  readonly token?: string | undefined;
  /** The cursor, a number or `NUMBER.EPOCH`: events behind it; without one, from now on. */
  readonly after?: number | string | undefined;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** The appliance has said where it begins: what happens from now on is told. Each time that it is connected. */
  onBegun?(): void;
  /** The connection was lost, and will be tried again. */
  onLost?(why: string, againInMs: number): void;
}

const SILENT_MS = 45_000;
const AGAIN_MS = 1000;
const AGAIN_MS_MAX = 30_000;
/** An event is a few hundred bytes; this is a listener that is no appliance. */
const LINE_CHARS_MAX = 1_000_000;

/** @throws ApiProblem when the appliance refuses, ends silently when `signal` is aborted */
export async function* followFeed(options: FeedOptions): AsyncGenerator<FeedItem> {
  const { signal, onBegun, onLost } = options;
  let cursor = options.after === undefined ? undefined : String(options.after);
  for (let pauseMs = AGAIN_MS; !signal?.aborted; pauseMs = Math.min(pauseMs * 2, AGAIN_MS_MAX)) {
    let why = 'the appliance ended it';
    let begun = false;
    try {
      for await (const { id, event, data } of connect(options, cursor)) {
        pauseMs = AGAIN_MS;
        if (!begun) onBegun?.();
        begun = true;
        if (id !== undefined) cursor = id;
        if (event === 'resync') yield resyncOf(data);
        else if (data !== '') yield { kind: 'event', event: JSON.parse(data) as Event };
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error instanceof ApiProblem && error.status >= 400 && error.status < 500) throw error;
      why = (error as Error).message;
    }
    if (signal?.aborted) return;
    onLost?.(why, pauseMs);
    await pause(pauseMs, signal);
  }
}

function resyncOf(data: string): FeedItem {
  const { oldest, why } = JSON.parse(data) as { oldest?: unknown; why?: unknown };
  return { kind: 'resync', oldest: Number(oldest), why: String(why ?? 'compacted') };
}

interface Message {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

async function* connect(
  { url, token, query = {}, signal }: FeedOptions,
  after: string | undefined,
): AsyncGenerator<Message> {
  const silence = new AbortController();
  const ends = AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]);
  let watch = setTimeout(() => silence.abort(), SILENT_MS);
  try {
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const target = new URL(`${url.replace(/\/+$/, '')}/api/v1/events`);
    target.search = new URLSearchParams(given as [string, string][]).toString();
    const answer = await fetch(target, {
      signal: ends,
      headers: {
        accept: 'text/event-stream',
        ...(after === undefined ? {} : { 'last-event-id': after }),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
    });
    if (!answer.ok || !answer.body) throw await problemOf(answer);
    const parser = createSseParser();
    for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
      clearTimeout(watch);
      watch = setTimeout(() => silence.abort(), SILENT_MS);
      yield* parser(chunk);
    }
  } catch (error) {
    throw silence.signal.aborted ? new Error('nothing was heard from the appliance') : error;
  } finally {
    clearTimeout(watch);
    silence.abort();
  }
}

async function problemOf(answer: Response): Promise<ApiProblem> {
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.includes('json') === true;
  return new ApiProblem(answer.status, isJson ? JSON.parse(text) : { detail: text.slice(0, 200) });
}

/** Text in, messages out, wherever the text was cut. @throws Error when a line has no end */
export function createSseParser(): (text: string) => Message[] {
  let rest = '';
  let id: string | undefined;
  let event = '';
  let data: string[] = [];
  return (text) => {
    const messages: Message[] = [];
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARS_MAX) throw new Error('a line of the feed has no end');
    for (const line of lines.map((one) => one.replace(/\r$/, ''))) {
      if (line === '') {
        if (id !== undefined || data.length > 0 || event !== '')
          messages.push({ id, event, data: data.join('\n') });
        [id, event, data] = [undefined, '', []];
        continue;
      }
      const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (field === 'id' && /^\d{1,15}(\.[0-9a-f]{1,32})?$/.test(value)) id = value;
      else if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
    return messages;
  };
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}
