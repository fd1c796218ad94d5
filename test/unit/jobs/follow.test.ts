/** `--watch` and `--follow`: what has ended is what the appliance says has ended, however many jobs there are. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { followJobs } from '../../../src/cli/people/jobs-live.ts';

const RUNNING = ['j5', 'j4', 'j3', 'j2', 'j1'];
const PAGE = 2;

/** An appliance with few jobs and small pages. `hidden` is on no page, and runs all the same. */
async function appliance(facts: { running: string[]; hidden: string[]; failed: string[] }) {
  const asked: string[] = [];
  const show = (id: string) => {
    const ended = !facts.running.includes(id) && !facts.hidden.includes(id);
    const status = ended ? (facts.failed.includes(id) ? 'failed' : 'finished') : 'running';
    const at = ended ? '2026-01-01T00:00:00.000Z' : null;
    return { id, target: `hardwarename=${id}`, action: 'reset', status, step: '', ended_at: at };
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://appliance');
    const id = /\/jobs\/(.+)$/.exec(pathname)?.[1];
    asked.push(id ?? `page ${searchParams.get('cursor') ?? ''}`);
    const from = Number(searchParams.get('cursor') ?? 0);
    const page = facts.running.slice(from, from + PAGE).map(show);
    const next = from + PAGE < facts.running.length ? { next: from + PAGE } : {};
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(id === undefined ? { jobs: page, ...next } : { job: show(id) }));
    if (id === undefined && !next.next) turn();
  });
  let turns = 0;
  /** After the first look at all of them, everything ends. */
  const turn = () => {
    turns += 1;
    if (turns > 1) facts.hidden.length = 0;
    facts.running.length = 0;
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { asked, url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

async function follow(ids: readonly string[], hidden: string[] = [], failed: string[] = []) {
  const site = await appliance({ running: [...RUNNING], hidden, failed });
  const written: string[] = [];
  const context = {
    environment: {},
    write: (text: string) => void written.push(text.trim()),
    tell: () => undefined,
    readInput: async () => '',
  };
  try {
    const unfinished = await followJobs(context, { url: site.url }, { ids });
    return { unfinished, written, asked: site.asked };
  } finally {
    site.close();
  }
}

describe('following jobs', () => {
  it('reads every page before it takes one for ended', async () => {
    const { unfinished, written, asked } = await follow(['j5', 'j1']);
    expect(asked.slice(0, 3)).toEqual(['page ', 'page 2', 'page 4']);
    expect(unfinished).toBe(0);
    expect(written).toEqual([
      'j5  reset  running',
      'j1  reset  running',
      'j5  reset  finished',
      'j1  reset  finished',
    ]);
  });

  it('counts one that has failed, and none that has not ended', async () => {
    const { unfinished, written } = await follow(['j2', 'h1'], ['h1'], ['j2']);
    expect(unfinished).toBe(1);
    expect(written.filter((line) => line.startsWith('h1'))).toEqual(['h1  reset  finished']);
  });
});
