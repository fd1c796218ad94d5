/**
 * `--watch` and `--follow`: what has ended is what the appliance says has ended, however many jobs there are; and the appliance
 * is asked for those alone that its feed says have changed.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { followJobs } from '../../../src/cli/people/jobs-live.ts';
import { pollJobs } from '../../../src/cli/people/jobs-poll.ts';

const PAGE = 2;

/** An appliance with small pages, whose jobs do what the test says. */
async function appliance(names: readonly string[]) {
  /** Newest first. `gone` is on no page and has no answer. */
  const jobs = new Map(names.map((id) => [id, { status: 'running', step: '' }]));
  const asked: string[] = [];
  const feeds = new Set<ServerResponse>();
  let number = 0;
  let refusals = 0;
  const show = (id: string) => {
    const { status = 'gone', step = '' } = jobs.get(id) ?? {};
    const at = status === 'running' ? null : '2026-01-01 00:00:00';
    const fixed = { target: `hardwarename=${id}`, action: 'reset', created_at: id };
    return { ...fixed, id, status, step, started_at: id, ended_at: at };
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://appliance');
    if (pathname.endsWith('/events')) {
      asked.push(`feed ${searchParams.get('names')}`);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('id: 1.e\n\n');
      feeds.add(response);
      return;
    }
    if (pathname.endsWith('/queue')) return void response.end('{}');
    const ids = searchParams.get('ids');
    if (refusals > 0) {
      refusals -= 1;
      response.statusCode = 503;
      return void response.end();
    }
    asked.push(ids === null ? `page ${searchParams.get('cursor') ?? ''}` : `ids ${ids}`);
    const all = [...jobs.keys()];
    const running = all.filter((id) => jobs.get(id)?.status === 'running');
    const from = Number(searchParams.get('cursor') ?? 0);
    const some =
      ids === null ? running.slice(from, from + PAGE) : all.filter((id) => ids.includes(id));
    const next = ids === null && from + PAGE < running.length ? { next: from + PAGE } : {};
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ jobs: some.map(show), ...next }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const tell = (event: string, id: number, data: object) => {
    for (const feed of feeds)
      feed.write(`id: ${id}.e\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  return {
    asked,
    url: `http://127.0.0.1:${port}`,
    /** Something of a job changes, and an event says so. */
    change(id: string, to: { status?: string; step?: string }) {
      jobs.set(id, { status: 'running', step: '', ...jobs.get(id), ...to });
      number += 1;
      tell('job.step', number, { id: number, at: 0, name: 'job.step', data: { job: id } });
    },
    /** Without a word. */
    silently: (id: string, status: string) => void jobs.set(id, { status, step: '' }),
    forget: (id: string) => void jobs.delete(id),
    /** It is started anew, and answers nothing so many times. */
    refuse: (times: number) => {
      refusals = times;
    },
    resync: () => tell('resync', 99, { oldest: 99, why: 'compacted' }),
    close: () => {
      for (const feed of feeds) feed.destroy();
      server.close();
    },
  };
}

type Appliance = Awaited<ReturnType<typeof appliance>>;

/** @param act what happens, one after the other, each as soon as `written` has what the one before led to */
async function follow(
  names: readonly string[],
  ids: readonly string[] | undefined,
  act: (site: Appliance, until: (line: string) => Promise<unknown>) => Promise<void>,
) {
  const site = await appliance(names);
  const written: string[] = [];
  const context = {
    environment: {},
    write: (text: string) => void written.push(text.trim()),
    tell: () => undefined,
    readInput: async () => '',
  };
  const until = (line: string) =>
    expect.poll(() => written, { timeout: 10_000 }).toContain(line) as unknown as Promise<unknown>;
  try {
    const following = followJobs(context, { url: site.url }, { pauseMs: 100, ...(ids && { ids }) });
    await act(site, until);
    return { unfinished: await following, written, asked: site.asked };
  } finally {
    site.close();
  }
}

describe('following all jobs', () => {
  it('asks for all of them once, and then for those that have changed', async () => {
    const names = ['j5', 'j4', 'j3', 'j2', 'j1'];
    const { unfinished, written, asked } = await follow(names, undefined, async (site, until) => {
      await until('j1  reset  running');
      site.change('j3', { step: 'power-off' });
      await until('j3  reset  running  power-off');
      // A new one, and one that begins and ends between two looks.
      site.change('j6', { step: 'mark' });
      site.change('j7', { status: 'finished' });
      await until('j7  reset  finished');
      for (const id of ['j1', 'j2', 'j3', 'j4']) site.change(id, { status: 'finished' });
      site.change('j5', { status: 'failed' });
      await until('j5  reset  failed');
      site.change('j6', { status: 'finished' });
    });
    expect(unfinished).toBe(1);
    expect([...written].sort()).toEqual(
      [
        ...names.map((id) => `${id}  reset  running`),
        ...['j3  reset  running  power-off', 'j6  reset  running  mark', 'j7  reset  finished'],
        ...['j1  reset  finished', 'j2  reset  finished', 'j3  reset  finished  power-off'],
        ...['j4  reset  finished', 'j5  reset  failed', 'j6  reset  finished  mark'],
      ].sort(),
    );
    expect(asked.slice(0, 5)).toEqual(['feed job.,jobs.', 'page ', 'page 2', 'page 4', 'ids j3']);
    expect(asked.slice(5).every((each) => each.startsWith('ids '))).toBe(true);
    // One that has not changed is not asked for.
    expect(asked.slice(4, 6).join()).not.toContain('j1');
  });

  it('asks for all again after a gap in the feed, and how those ended that are gone', async () => {
    const { unfinished, written, asked } = await follow(
      ['j2', 'j1'],
      undefined,
      async (site, until) => {
        await until('j1  reset  running');
        site.silently('j1', 'cancelled');
        site.silently('j2', 'finished');
        site.resync();
      },
    );
    expect(unfinished).toBe(1);
    expect(written.slice(2).sort()).toEqual(['j1  reset  cancelled', 'j2  reset  finished']);
    expect(asked).toEqual(['feed job.,jobs.', 'page ', 'page ', 'ids j2,j1']);
  });
});

describe('an appliance that is away', () => {
  it('is waited for, and nothing is missed meanwhile', async () => {
    const { written, asked } = await follow(['j2', 'j1'], undefined, async (site, until) => {
      await until('j1  reset  running');
      site.refuse(2);
      site.change('j2', { status: 'finished' });
      await until('j2  reset  finished');
      site.change('j1', { status: 'finished' });
    });
    expect(written.slice(2)).toEqual(['j2  reset  finished', 'j1  reset  finished']);
    expect(asked).toEqual(['feed job.,jobs.', 'page ', 'page ', 'ids j2', 'ids j1']);
  });

  it('from the beginning is said to be so, at once', async () => {
    const context = { environment: {}, write: () => undefined, tell: () => undefined };
    const following = followJobs(
      { ...context, readInput: async () => '' },
      { url: 'http://127.0.0.1:1' },
      {},
    );
    await expect(following).rejects.toMatchObject({ code: 'UNREACHABLE' });
  });
});

describe('following some jobs', () => {
  it('asks for no others, and counts those that did not finish', async () => {
    const names = Array.from({ length: 7 }, (_, index) => `j${7 - index}`);
    const { unfinished, written, asked } = await follow(
      names,
      ['j5', 'j1', 'lost'],
      async (site, until) => {
        await until('j1  reset  running');
        site.change('j2', { step: 'mark' });
        site.change('j1', { status: 'failed' });
        await until('j1  reset  failed');
        site.change('j5', { status: 'finished' });
      },
    );
    expect(unfinished).toBe(2);
    expect([...written].sort()).toEqual([
      ...['j1  reset  failed', 'j1  reset  running', 'j5  reset  finished', 'j5  reset  running'],
      'lost  is not there any more',
    ]);
    expect(asked).toEqual(['feed job.,jobs.', 'ids j5,j1,lost', 'ids j1', 'ids j5']);
  });
});

describe('following jobs at central', () => {
  it('counts those that it does not list as not finished', async () => {
    const central = await appliance(['j1']);
    central.silently('j1', 'finished');
    const written: string[] = [];
    const context = { environment: {}, write: (text: string) => void written.push(text.trim()) };
    const unfinished = await pollJobs(
      { ...context, tell: () => undefined, readInput: async () => '' },
      { url: central.url },
      { ids: ['j1', 'lost'], pauseMs: 1 },
    ).finally(central.close);
    expect(unfinished).toBe(1);
    expect(written).toEqual(['j1  j1  reset  finished', 'lost  is not there any more']);
  });

  it('ends with what is known of one that is listed no more', async () => {
    const central = await appliance(['j1', 'j2']);
    const written: string[] = [];
    const write = (text: string) => {
      written.push(text.trim());
      if (written.length === 2) central.forget('j1');
      if (text.includes('any more')) central.silently('j2', 'finished');
    };
    const context = { environment: {}, write, tell: () => undefined, readInput: async () => '' };
    const unfinished = await pollJobs(context, { url: central.url }, { pauseMs: 1 }).finally(
      central.close,
    );
    expect(unfinished).toBe(1);
    expect(written.slice(2)).toEqual([
      'j1  j1  reset  running  is not there any more',
      'j2  j2  reset  finished',
    ]);
  });

  it('says as JSON, too, that one is not there any more', async () => {
    const central = await appliance([]);
    const written: string[] = [];
    const context = { environment: {}, write: (text: string) => void written.push(text) };
    const unfinished = await pollJobs(
      { ...context, tell: () => undefined, readInput: async () => '' },
      { url: central.url, json: true },
      { ids: ['gone'], pauseMs: 1 },
    ).finally(central.close);
    expect([unfinished, written.map((text) => JSON.parse(text))]).toEqual([
      ...[1, [{ id: 'gone', lost: true }]],
    ]);
  });
});
