/**
 * Which jobs have changed, out of the event feed: whoever shows jobs asks for those alone. What was changed while nobody
 * asked is told once; a gap in the feed, its beginning and a turn of the queue say that all of them may have changed.
 */
import { followFeed } from '../../client/feed.ts';

export interface JobChanges {
  readonly all: boolean;
  readonly ids: readonly string[];
}

export interface JobFeed {
  /**
   * What has changed since the last call, as soon as something has, and after so long at the latest.
   * @throws ApiProblem when the appliance refuses the feed
   */
  next(mostMs: number): Promise<JobChanges>;
  close(): void;
}

export interface JobFeedOptions {
  readonly url: string;
  readonly token: string | undefined;
  /** Of these alone. */
  readonly ids?: ReadonlySet<string> | undefined;
  onLost(why: string, againInMs: number): void;
}

export function followJobEvents({ ids, ...reach }: JobFeedOptions): JobFeed {
  const ends = new AbortController();
  const changed = new Set<string>();
  let all = false;
  let refused: { readonly error: unknown } | undefined;
  let wake = (): void => undefined;
  let begun = false;
  const everything = (): void => {
    all = true;
    wake();
  };
  const read = async (): Promise<void> => {
    const feed = followFeed({
      ...{ ...reach, query: { names: 'job.,jobs.' }, signal: ends.signal },
      // Connected again, it goes on where it was.
      onBegun: () => {
        if (!begun) everything();
        begun = true;
      },
    });
    for await (const item of feed) {
      if (item.kind === 'resync' || item.event.name.startsWith('jobs.')) {
        everything();
        continue;
      }
      const { job } = item.event.data;
      if (typeof job !== 'string' || (ids && !ids.has(job))) continue;
      changed.add(job);
      wake();
    }
  };
  read().catch((error: unknown) => {
    refused = { error };
    wake();
  });
  return {
    async next(mostMs) {
      if (!all && changed.size === 0 && !refused)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, mostMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      if (refused) throw refused.error;
      const changes = { all, ids: [...changed] };
      all = false;
      changed.clear();
      return changes;
    },
    close: () => ends.abort(),
  };
}
