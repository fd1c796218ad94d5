/**
 * What a bench starts and must end: processes, namespaces, folders.
 *
 * A scope closes what was deferred to it in reverse order, whether the bench ended, failed or was interrupted. Nothing is
 * ended by name: a scope knows its own processes by their handles.
 */

export interface Scope {
  /** Runs `close` when the scope closes; the last deferred runs first. */
  defer(close: () => unknown): void;
  close(): Promise<void>;
}

const open = new Set<Scope>();

export function openScope(): Scope {
  const closers: (() => unknown)[] = [];
  const scope: Scope = {
    defer: (close) => void closers.push(close),
    async close() {
      open.delete(scope);
      for (let close = closers.pop(); close; close = closers.pop()) {
        try {
          await close();
        } catch (error) {
          process.stderr.write(`cleaning up: ${(error as Error).message}\n`);
        }
      }
    },
  };
  open.add(scope);
  return scope;
}

/** Runs `work` in a scope of its own, which is closed however it ends. */
export async function withScope<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = openScope();
  try {
    return await work(scope);
  } finally {
    await scope.close();
  }
}

/** Closes every scope that is still open: for the end of the program. */
export async function closeScopes(): Promise<void> {
  for (const scope of [...open].reverse()) await scope.close();
}
