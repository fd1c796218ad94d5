/** One machine's line: opened for whoever comes, one pen, and what breaks. */
import { describe, expect, it } from 'vitest';
import { createConsoleHub } from '../../../src/console/hub.ts';
import { AppError } from '../../../src/errors.ts';
import { limit } from '../../../src/limits.ts';
import type { Hardwarename } from '../../../src/wire/ids.ts';
import { createFakeLines, createFakeWatcher } from '../../support/consoles.ts';

const NAME = 'C0MPUT3' as Hardwarename;
const WRITE = { write: true, takeOver: false };
const WATCH = { write: false, takeOver: false };

function world() {
  const lines = createFakeLines();
  const hub = createConsoleHub({ open: lines.open, timers: lines.timers });
  return { lines, hub, line: () => hub.line(NAME) };
}
const states = (watcher: ReturnType<typeof createFakeWatcher>) =>
  watcher.told.flatMap((message) => (message.type === 'state' ? [message.state] : []));

describe('a line', () => {
  it('is opened for the first who comes, shared, and closed after the last has gone', async () => {
    const { lines, hub, line } = world();
    const [ann, bob] = [createFakeWatcher('ann'), createFakeWatcher('bob')];
    line().watch(ann, WRITE);
    line().watch(bob, WATCH);
    await lines.settle();
    expect(lines.opened).toHaveLength(1);
    lines.last().say('login: ');
    expect([ann.seen(), bob.seen()]).toEqual(['login: ', 'login: ']);
    expect(states(ann)).toEqual(['connecting', 'open']);
    line().leave(ann);
    await lines.pass(60_000);
    expect(lines.last().isClosed()).toBe(false);
    line().leave(bob);
    await lines.pass(limit('consoleLingerMs') - 1);
    expect(lines.last().isClosed()).toBe(false);
    await lines.pass(1);
    expect(lines.last().isClosed()).toBe(true);
    expect(hub.counts()).toEqual({ lines: 0, watchers: 0, recorded: 0 });
  });

  it('shows whoever comes later the last of what was printed', async () => {
    const { lines, line } = world();
    line().watch(createFakeWatcher('ann'), WATCH);
    await lines.settle();
    lines.last().say(`${'x'.repeat(limit('consoleReplayBytesMax'))}the end`);
    const bob = createFakeWatcher('bob');
    line().watch(bob, WATCH);
    expect(bob.seen()).toHaveLength(limit('consoleReplayBytesMax'));
    expect(bob.seen()).toMatch(/xthe end$/);
    expect(states(bob)).toEqual(['open']);
  });

  it('is closed at once when everybody has left while it was being opened', async () => {
    const { lines, line } = world();
    const ann = createFakeWatcher('ann');
    const it = line();
    it.watch(ann, WRITE);
    it.leave(ann);
    await lines.pass(limit('consoleLingerMs'));
    expect(lines.last().isClosed()).toBe(true);
  });
});

describe('the pen', () => {
  it('is not taken by one who has left, and nothing that they say afterwards is heard', async () => {
    const { lines, line } = world();
    const [ann, bob] = [createFakeWatcher('ann'), createFakeWatcher('bob')];
    const it = line();
    it.watch(ann, WRITE);
    it.watch(bob, WATCH);
    await lines.settle();
    it.leave(ann);
    expect(it.claim(ann, true)).toBe(false);
    expect(it.type(ann, Buffer.from('a'))).toBe(true);
    it.break(ann);
    expect([lines.last().typed(), lines.last().breaks(), it.writtenBy]).toEqual(['', 0, '']);
    expect(it.claim(bob, false)).toBe(true);
  });

  it('is held by one; others see, and are told who', async () => {
    const { lines, line } = world();
    const [ann, bob] = [createFakeWatcher('ann'), createFakeWatcher('bob')];
    line().watch(ann, WRITE);
    line().watch(bob, WRITE);
    await lines.settle();
    line().type(ann, Buffer.from('a'));
    line().type(bob, Buffer.from('b'));
    line().break(bob);
    expect(lines.last().typed()).toBe('a');
    expect(lines.last().breaks()).toBe(0);
    expect(bob.told.at(-1)).toEqual({ type: 'writer', who: 'ann', you: false });
  });

  it('is given up, taken when free, and taken away by force', async () => {
    const { lines, line } = world();
    const [ann, bob] = [createFakeWatcher('ann'), createFakeWatcher('bob')];
    line().watch(ann, WRITE);
    line().watch(bob, WATCH);
    await lines.settle();
    expect(line().claim(bob, false)).toBe(false);
    expect(line().claim(bob, true)).toBe(true);
    expect(ann.told.at(-1)).toEqual({ type: 'writer', who: 'bob', you: false });
    expect(bob.told.at(-1)).toEqual({ type: 'writer', who: 'bob', you: true });
    line().release(bob);
    expect(ann.told.at(-1)).toEqual({ type: 'writer', who: '', you: false });
    expect(line().claim(ann, false)).toBe(true);
    line().leave(ann);
    expect(line().claim(bob, false)).toBe(true);
    line().break(bob);
    expect(lines.last().breaks()).toBe(1);
  });

  it('what is typed before the line is open, or while it is full, comes later and in order', async () => {
    const { lines, line } = world();
    const ann = createFakeWatcher('ann');
    line().watch(ann, WRITE);
    line().type(ann, Buffer.from('early '));
    await lines.settle();
    expect(lines.last().typed()).toBe('early ');
    lines.last().full = true;
    expect(line().type(ann, Buffer.from('late '))).toBe(true);
    line().break(ann);
    const much = Buffer.alloc(limit('consoleInputBytesMax'), 'x');
    expect(line().type(ann, much)).toBe(false);
    const before = ann.drains();
    lines.last().full = false;
    await lines.pass(1000);
    expect(lines.last().typed()).toBe(`early late ${'x'.repeat(much.length)}`);
    expect(lines.last().breaks()).toBe(1);
    expect(ann.drains()).toBeGreaterThan(before);
  });
});

describe('what breaks', () => {
  it.each(['BMC_UNREACHABLE', 'BMC_TIMEOUT', 'BMC_BUSY'] as const)(
    'after %s it is tried again, slower each time',
    async (code) => {
      const { lines, line } = world();
      lines.failures = [1, 2, 3].map(() => new AppError(code));
      const ann = createFakeWatcher('ann');
      line().watch(ann, WRITE);
      const first = limit('consoleRetryMs');
      await lines.pass(first + 2 * first + 4 * first - 1);
      expect(lines.opened).toHaveLength(0);
      await lines.pass(1);
      expect(lines.opened).toHaveLength(1);
      expect(states(ann)).toEqual([
        ...['connecting', 'waiting', 'connecting', 'waiting', 'connecting', 'waiting'],
        ...['connecting', 'open'],
      ]);
    },
  );

  it.each(['CONSOLE_TAKEN', 'BMC_PASSWORD', 'BMC_MISSING'] as const)(
    '%s will not pass: whoever watches is told and shown out',
    async (code) => {
      const { lines, hub, line } = world();
      lines.failures = [new AppError(code)];
      const ann = createFakeWatcher('ann');
      line().watch(ann, WRITE);
      await lines.pass(600_000);
      expect(lines.opened).toHaveLength(0);
      expect(ann.told.at(-1)).toMatchObject({ type: 'closed', code });
      expect(hub.counts().lines).toBe(0);
    },
  );

  it('a line that dies is opened again, once for everybody; what the dead one says is not heard', async () => {
    const { lines, line } = world();
    const ann = createFakeWatcher('ann');
    line().watch(ann, WRITE);
    await lines.settle();
    const dead = lines.last();
    dead.handlers.onEnd(new AppError('BMC_TIMEOUT'));
    dead.handlers.onEnd(new AppError('BMC_TIMEOUT'));
    dead.say('ghost');
    await lines.pass(limit('consoleRetryMs'));
    expect(lines.opened).toHaveLength(2);
    lines.last().say('back');
    expect(ann.seen()).toBe('back');
    line().type(ann, Buffer.from('hello'));
    expect(lines.last().typed()).toBe('hello');
  });

  it('takes over once when it is asked to, and not when it opens again by itself', async () => {
    const { lines, line } = world();
    line().watch(createFakeWatcher('ann'), { write: true, takeOver: true });
    await lines.settle();
    expect(lines.last().handlers.takeOver).toBe(true);
    lines.last().handlers.onEnd(new AppError('BMC_TIMEOUT'));
    await lines.pass(limit('consoleRetryMs'));
    expect(lines.last().handlers.takeOver).toBe(false);
  });
});

describe('a wish to take over', () => {
  const TAKE = { write: false, takeOver: true };

  it('is not kept for later by a line that is open', async () => {
    const { lines, line } = world();
    line().watch(createFakeWatcher('ann'), WRITE);
    await lines.settle();
    line().watch(createFakeWatcher('bob'), TAKE);
    lines.last().handlers.onEnd(new AppError('BMC_TIMEOUT'));
    await lines.pass(limit('consoleRetryMs'));
    expect(lines.opened.map(({ handlers }) => handlers.takeOver)).toEqual([false, false]);
  });

  it('holds until the line is open', async () => {
    const { lines, line } = world();
    lines.failures = [new AppError('BMC_UNREACHABLE'), new AppError('BMC_BUSY')];
    line().watch(createFakeWatcher('ann'), TAKE);
    await lines.pass(10 * limit('consoleRetryMs'));
    expect(lines.opened.map(({ handlers }) => handlers.takeOver)).toEqual([true]);
  });

  it('goes with whoever had it', async () => {
    const { lines, line } = world();
    lines.failures = [new AppError('BMC_UNREACHABLE')];
    const ann = createFakeWatcher('ann');
    const it = line();
    it.watch(ann, TAKE);
    it.watch(createFakeWatcher('bob'), WATCH);
    await lines.settle();
    it.leave(ann);
    await lines.pass(10 * limit('consoleRetryMs'));
    expect(lines.opened.map(({ handlers }) => handlers.takeOver)).toEqual([false]);
  });

  it('is carried out when an attempt was under way without it', async () => {
    const { lines, line } = world();
    lines.failures = [new AppError('CONSOLE_TAKEN')];
    const bob = createFakeWatcher('bob');
    line().watch(bob, WATCH);
    line().watch(createFakeWatcher('ann'), TAKE);
    await lines.settle();
    expect(lines.opened.map(({ handlers }) => handlers.takeOver)).toEqual([true]);
    expect(bob.told.at(-1)).toMatchObject({ type: 'state', state: 'open' });
  });
});

describe('what the BMC refuses', () => {
  it('is said to everybody, and the line goes on', async () => {
    const { lines, line } = world();
    const ann = createFakeWatcher('ann');
    line().watch(ann, WRITE);
    await lines.settle();
    lines.last().handlers.onRefused('no break here');
    expect(ann.told.at(-1)).toEqual({ type: 'state', state: 'open', detail: 'no break here' });
    line().type(ann, Buffer.from('x'));
    expect(lines.last().typed()).toBe('x');
  });
});

describe('limits', () => {
  it('on watchers of one line', () => {
    const { line } = world();
    const it = line();
    for (let count = 0; count < limit('consoleWatchersMax'); count++)
      it.watch(createFakeWatcher(`w${count}`), WATCH);
    expect(() => it.watch(createFakeWatcher('one more'), WATCH)).toThrow(/Too many live readers/);
  });

  it('on lines: the quietest recording makes room, a watched line does not', async () => {
    const { lines, hub } = world();
    const names = Array.from(
      { length: limit('consoleLinesMax') },
      (_, index) => `M${index}` as Hardwarename,
    );
    const lost: string[] = [];
    for (const [index, name] of names.entries()) {
      if (index === 0) hub.line(name).watch(createFakeWatcher('ann'), WATCH);
      else hub.line(name).record({ data: () => undefined, lost: () => lost.push(name) });
    }
    await lines.pass(1000);
    for (const line of lines.opened) if (line.hardwarename !== 'M7') line.say('.');
    hub.line('NEW' as Hardwarename).watch(createFakeWatcher('bob'), WATCH);
    expect(lost).toEqual(['M7']);
    expect(hub.counts().lines).toBe(limit('consoleLinesMax'));
  });
});
