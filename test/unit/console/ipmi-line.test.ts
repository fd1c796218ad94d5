/** Consoles through real sockets to simulated BMCs: Serial over LAN, somebody else's session, and a BMC that dies. */
import { afterEach, describe, expect, it } from 'vitest';
import { type FakeBmc, startFakeBmc } from '../../../qemu-lab/fake-bmc.ts';
import { type FakeBmcOptions, simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { openLine } from '../../../src/daemon/consoles.ts';
import { AppError } from '../../../src/errors.ts';
import { type BmcPorts, openBmcPorts } from '../../../src/platform/bmc-udp.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A BMC whose machine echoes what is typed, and can be made to print. */
async function setUp(options: FakeBmcOptions = {}) {
  const handlers: ((bytes: Uint8Array) => void)[] = [];
  const say = (bytes: Uint8Array) => {
    for (const handler of handlers) handler(bytes);
  };
  const serial = {
    write: say,
    onData: (handler: (bytes: Uint8Array) => void) => void handlers.push(handler),
    break: () => say(Buffer.from('<break>')),
  };
  const bmc = await startFakeBmc({ ...options, machine: { ...simpleMachine(true), serial } });
  closers.push(() => bmc.close());
  const ports = await openBmcPorts();
  closers.push(() => ports.close());
  return { bmc, ports, say };
}

function open(
  { bmc, ports }: { bmc: FakeBmc; ports: BmcPorts },
  { takeOver = false, user = 'operator', password = 'operpw' } = {},
) {
  let [heard, wake] = ['', () => undefined as unknown];
  const ends: Error[] = [];
  const refusals: string[] = [];
  const opening = openLine(ports, bmc, {
    ...{ takeOver, settings: { user, password } },
    onData(bytes) {
      heard += Buffer.from(bytes).toString('latin1');
      wake();
    },
    onRefused: (detail) => void refusals.push(detail),
    onEnd(error) {
      ends.push(error);
      wake();
    },
  });
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((next) => (wake = next as () => unknown));
  };
  return { opening, ends, refusals, until, heard: () => heard };
}

describe('a line over IPMI', () => {
  it('carries what is typed and what is printed, and gives the session back', async () => {
    const world = await setUp();
    const { opening, until, heard } = open(world);
    const line = await opening;
    expect(line.write(Buffer.from('hello'))).toBe(true);
    await until(() => heard() === 'hello');
    world.say(Buffer.from(' there'));
    await until(() => heard() === 'hello there');
    await line.close();
    expect(world.bmc.sessions()).toBe(0);
  });

  it('sends again what the port had no room for, in order, and breaks', async () => {
    const world = await setUp();
    const { opening, until, heard } = open(world);
    const line = await opening;
    world.bmc.knobs.solNacks = 1;
    line.write(Buffer.from('one '));
    line.write(Buffer.from('two '));
    await until(() => heard() === 'one two ');
    while (!line.break()) await new Promise((next) => setImmediate(next));
    await until(() => heard() === 'one two <break>');
    await line.close();
  });

  it('makes the break that was refused at first', async () => {
    const world = await setUp();
    const { opening, until, heard, refusals } = open(world);
    const line = await opening;
    world.bmc.knobs.solNacks = 1;
    expect(line.break()).toBe(true);
    // What is typed meanwhile comes after it.
    expect(line.write(Buffer.from('c'))).toBe(true);
    await until(() => heard() === '<break>c');
    expect(refusals).toEqual([]);
    await line.close();
  });

  it("is refused while somebody else's session has it, and takes it over when told to", async () => {
    const world = await setUp();
    const first = open(world);
    await first.opening;
    await expect(open(world).opening).rejects.toMatchObject({ code: 'CONSOLE_TAKEN' });
    expect(world.bmc.sessions()).toBe(1);
    const second = open(world, { takeOver: true });
    const line = await second.opening;
    line.write(Buffer.from('mine'));
    await second.until(() => second.heard() === 'mine');
    expect(first.heard()).toBe('');
    await first.until(() => first.ends.length > 0);
    expect(first.ends).toMatchObject([{ code: 'BMC_TIMEOUT' }]);
    expect(String(first.ends[0])).toContain('the BMC deactivated it');
    expect(world.bmc.sessions()).toBe(1);
    await line.close();
  });

  it('says which refusal it was, and leaves no session behind', async () => {
    const world = await setUp();
    await expect(open(world, { password: 'wrong' }).opening).rejects.toBeInstanceOf(AppError);
    const alone = await startFakeBmc({ machine: simpleMachine(true) });
    closers.push(() => alone.close());
    await expect(open({ ...world, bmc: alone }).opening).rejects.toMatchObject({
      code: 'BMC_REFUSED',
    });
    expect(alone.sessions()).toBe(0);
  });

  it('asks for administrator rights where an operator may not have the console', async () => {
    const world = await setUp();
    world.bmc.state.solPrivilege = 4;
    await expect(open(world).opening).rejects.toMatchObject({ code: 'BMC_PRIVILEGE' });
    const { opening, until, heard } = open(world, { user: 'admin', password: 'secret' });
    const line = await opening;
    line.write(Buffer.from('x'));
    await until(() => heard() === 'x');
    await line.close();
    expect(world.bmc.sessions()).toBe(0);
  });
});
