/** What is told of what was asked at central, whose sites may not have answered yet. Pure: a test holds it. */
interface Asked {
  readonly site: string;
  readonly status?: string;
}

/**
 * What is told of a change; of one at central whose sites have not answered, that it is asked, and of one that is done and not shown yet, that
 * it is.
 */
export function changeWords(answer: unknown, words: string): string {
  const { asked = [] } = (answer ?? {}) as { readonly asked?: Asked | readonly Asked[] };
  const told = [asked].flat() as Asked[];
  const named = (of: readonly Asked[]) => of.map(({ site }) => site).join(', ');
  const waiting = told.filter(({ status }) => status !== 'done');
  const of = waiting.length > 0 ? waiting : told;
  const [has, is] = of.length > 1 ? ['have', 'they are'] : ['has', 'it is'];
  if (waiting.length > 0)
    return `${named(of)} ${has} not answered yet: it is asked for when ${is} heard of.`;
  if (told.length > 0) return `${named(of)} ${has} done it; what is shown is from before.`;
  return words;
}

interface Sized {
  readonly asked?: unknown;
  readonly sites?: readonly (Asked & { readonly freshness: string })[] | undefined;
}

/** Of the size of a pool: of one of the fleet `sites` say which have been asked, of one of the sites' own `asked` does. */
export function sizeWords({ asked, sites = [] }: Sized, words: string): string {
  const away = sites.filter(
    ({ status, freshness }) => status === 'waiting' && freshness !== 'current',
  );
  return changeWords({ asked: asked ?? away }, words);
}
