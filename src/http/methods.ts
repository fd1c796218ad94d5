/**
 * Which methods an address answers, for who asks by another one: 405 with `Allow` (RFC 9110 15.5.6), where 404 says that nothing is
 * there. The router forgets what it is no match for, so the paths of all routes are kept as they are added. Asked only when nothing
 * has matched.
 */
import type { FastifyInstance } from 'fastify';

/** @returns the methods of a path, without its query, in alphabetical order; none where nothing is */
export type MethodsOf = (path: string) => string[];

/** To be called before routes are added. */
export function keepMethods(app: FastifyInstance): MethodsOf {
  /** By path, most of which have no parameter: the files of the portal. */
  const plain = new Map<string, Set<string>>();
  const others = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();
  const entered = (url: string): Set<string> => {
    if (!/[:*]/.test(url)) {
      const methods = plain.get(url) ?? new Set();
      plain.set(url, methods);
      return methods;
    }
    const known = others.get(url) ?? { pattern: patternOf(url), methods: new Set() };
    others.set(url, known);
    return known.methods;
  };
  app.addHook('onRoute', ({ method, url }) => {
    const all = [method].flat();
    // What is there for every method (`all`) is there to refuse.
    if (all.includes('TRACE')) return;
    const methods = entered(url);
    for (const one of all) methods.add(one);
  });
  return (path) => {
    const found = new Set(plain.get(path));
    for (const { pattern, methods } of others.values())
      if (pattern.test(path)) for (const one of methods) found.add(one);
    return [...found].sort();
  };
}

/** A parameter is one part of a path, and is not empty; a star is the rest of it. */
function patternOf(url: string): RegExp {
  const parts = url.split('/').map((part) => {
    if (part.startsWith(':')) return '[^/]+';
    return part === '*' ? '.*' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('/')}$`);
}
