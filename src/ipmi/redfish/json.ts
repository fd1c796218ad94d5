/**
 * Reading JSON that a BMC sent without believing its shape: whatever is not what it should be is absent.
 */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [name: string]: Json };

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What is behind these names, one inside the other. */
export function at(value: Json | undefined, ...names: readonly string[]): Json | undefined {
  let inner = value;
  for (const name of names) inner = isObject(inner) ? inner[name] : undefined;
  return inner;
}

export function textAt(value: Json | undefined, ...names: readonly string[]): string {
  const inner = at(value, ...names);
  return typeof inner === 'string' ? inner.trim() : '';
}

export function numberAt(value: Json | undefined, ...names: readonly string[]): number | undefined {
  const inner = at(value, ...names);
  return typeof inner === 'number' ? inner : undefined;
}

export function listAt(value: Json | undefined, ...names: readonly string[]): readonly Json[] {
  const inner = at(value, ...names);
  return Array.isArray(inner) ? (inner as readonly Json[]) : [];
}

export function textsAt(value: Json | undefined, ...names: readonly string[]): readonly string[] {
  return listAt(value, ...names).filter((each): each is string => typeof each === 'string');
}

/** The path that a link (`@odata.id`) names; empty when there is none. */
export function linkAt(value: Json | undefined, ...names: readonly string[]): string {
  return textAt(value, ...names, '@odata.id');
}
