/**
 * What this device keeps for a time without network, in IndexedDB: the fleet as it was last known, and the last answers that
 * pages have read. A page that is opened or reloaded while the Wi-Fi is down shows these and says how old they are; nothing of
 * them is shown where the appliance answers.
 *
 * It is what its person could read, and goes with that person: signing out, and an appliance that does not know the session
 * any more, empty it. Secrets are in no answer of the API but the one that makes them, which no page keeps. A device that keeps
 * nothing (a private window) works as before, until it is reloaded.
 */

const DATABASE = 'reveille';
const STATE = 'state';
const ANSWERS = 'answers';
/** Answers kept: the pages that somebody in the aisle goes to and fro between. The one that was read first goes first. */
const ANSWERS_MAX = 60;
const FLUSH_MS = 5000;

interface KeptAnswer<Body = unknown> {
  readonly path: string;
  readonly body: Body;
  /** When it was read, by this device's clock. */
  readonly at: number;
}

const opened: { database?: Promise<IDBDatabase> } = {};
const fresh = new Map<string, KeptAnswer>();
const timer: { flush?: ReturnType<typeof setTimeout> | undefined } = {};

function open(): Promise<IDBDatabase> {
  opened.database ??= new Promise((done, failed) => {
    const asked = indexedDB.open(DATABASE, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore(STATE);
      asked.result.createObjectStore(ANSWERS, { keyPath: 'path' }).createIndex('at', 'at');
    };
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(asked.error);
  });
  return opened.database;
}

/** Does something in one transaction; nothing comes of it where the device keeps nothing. */
async function within<Result>(
  mode: IDBTransactionMode,
  act: (transaction: IDBTransaction) => IDBRequest<Result> | undefined,
): Promise<Result | undefined> {
  try {
    const transaction = (await open()).transaction([STATE, ANSWERS], mode);
    const over = new Promise<void>((done, failed) => {
      transaction.oncomplete = () => done();
      transaction.onabort = () => failed(transaction.error);
    });
    const asked = act(transaction);
    await over;
    return asked?.result;
  } catch {
    return undefined;
  }
}

export async function keep(entries: Readonly<Record<string, unknown>>): Promise<void> {
  await within('readwrite', (transaction) => {
    const store = transaction.objectStore(STATE);
    for (const [key, value] of Object.entries(entries)) store.put(value, key);
    return undefined;
  });
}

export const kept = <Value>(key: string): Promise<Value | undefined> =>
  within('readonly', (transaction) => transaction.objectStore(STATE).get(key));

/** Of a page that may be left at any moment: written together, now and then. */
export function keepAnswer(path: string, body: unknown): void {
  fresh.set(path, { path, body, at: Date.now() });
  timer.flush ??= setTimeout(() => void flushAnswers(), FLUSH_MS);
}

export async function flushAnswers(): Promise<void> {
  clearTimeout(timer.flush);
  timer.flush = undefined;
  if (fresh.size === 0) return;
  const answers = [...fresh.values()];
  fresh.clear();
  await within('readwrite', (transaction) => {
    const store = transaction.objectStore(ANSWERS);
    for (const answer of answers) store.put(answer);
    const byAge = store.index('at').getAllKeys();
    byAge.onsuccess = () => {
      for (const path of byAge.result.slice(0, -ANSWERS_MAX)) store.delete(path);
    };
    return undefined;
  });
}

export async function keptAnswer<Body>(path: string): Promise<KeptAnswer<Body> | undefined> {
  const found = fresh.get(path) as KeptAnswer<Body> | undefined;
  return found ?? within('readonly', (transaction) => transaction.objectStore(ANSWERS).get(path));
}

/** Whoever comes next is somebody else. */
export async function forgetKept(): Promise<void> {
  clearTimeout(timer.flush);
  timer.flush = undefined;
  fresh.clear();
  await within('readwrite', (transaction) => {
    transaction.objectStore(ANSWERS).clear();
    return transaction.objectStore(STATE).clear();
  });
}
