/**
 * The outcome of every decoder: a value, or a stable code and the byte offset where decoding stopped.
 * Decoders never throw on hostile input; absence and failure never share a path.
 */
export type Decoded<T, Code extends string = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly code: Code; readonly at: number };

export function decoded<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

export function malformed<Code extends string>(
  code: Code,
  at: number,
): { readonly ok: false; readonly code: Code; readonly at: number } {
  return { ok: false, code, at };
}

/** Makes a `switch` over a closed union exhaustive at compile time, and loud at run time. */
export function unreachable(value: never): never {
  throw new Error(`unreachable variant: ${JSON.stringify(value)}`);
}
