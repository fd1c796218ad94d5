/**
 * The console of a machine's page, typed into: through the browser's terminal, the WebSocket, an IPMI session with Serial over
 * LAN and a simulated BMC, to a serial port that echoes, and all the way back. The same with a virtual machine's console is the
 * scenario `power` of the lab.
 */
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import type { Browser, Page } from 'playwright-core';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFakeBmc } from '../../qemu-lab/fake-bmc.ts';
import { simpleMachine } from '../../qemu-lab/fake-bmc-state.ts';
import { parseConfig } from '../../src/config.ts';
import { startConsoles } from '../../src/daemon/consoles.ts';
import type { Role } from '../../src/inventory/access.ts';
import { hashPassword } from '../../src/inventory/password.ts';
import { openBmcPorts } from '../../src/platform/bmc-udp.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import { createAccessWorld } from '../support/bmc-access.ts';
import {
  DESK,
  openBrowser,
  overflowOf,
  PHONE,
  SHOTS,
  signIn,
  violations,
  visit,
} from '../support/browser.ts';
import { createPeople } from '../support/people.ts';
import { PASSWORD } from '../support/portal.ts';

const NAME = 'C0MPUT3' as Hardwarename;

const closers: (() => unknown)[] = [];
let browser: Browser;
let url: string;
/** What has arrived at the machine's serial port. */
let typed = '';
let say: (text: string) => void;

async function open(): Promise<void> {
  const handlers: ((bytes: Uint8Array) => void)[] = [];
  const print = (bytes: Uint8Array) => {
    for (const handler of handlers) handler(bytes);
  };
  say = (text) => print(Buffer.from(text));
  const serial = {
    write(bytes: Uint8Array) {
      typed += Buffer.from(bytes).toString('latin1');
      print(bytes);
    },
    onData: (handler: (bytes: Uint8Array) => void) => void handlers.push(handler),
  };
  const bmc = await startFakeBmc({ machine: { ...simpleMachine(true), serial } });
  closers.push(() => bmc.close());
  const ports = await openBmcPorts();
  closers.push(() => ports.close());
  const here = createAccessWorld(ports, { bmcPort: bmc.port });
  closers.push(() => here.access.close());
  here.credential('site', 'operator', 'operpw');
  here.machine(NAME);
  const { inventory, clock } = here.world;
  const own: (() => unknown)[] = [];
  const consoles = startConsoles(
    {
      ...{ inventory, config: parseConfig(''), clock, closers: own },
      ...{ log: pino({ level: 'silent' }), metrics: { registry: new Registry() } as never },
    },
    { access: here.access, ports },
  );
  closers.push(async () => {
    for (const close of own.reverse()) await close();
  });
  const uiRoot = process.env.UI_ROOT ?? 'build/ui';
  const { app } = await createPeople({ consoles, uiRoot, bmcs: here }, here.world);
  await app.listen({ host: '127.0.0.1', port: 0 });
  closers.push(() => app.close());
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const passwordHash = await hashPassword(PASSWORD);
  const users: readonly (readonly [string, Role])[] = [
    ['grace', 'technician'],
    ['ada', 'operator'],
    ['eve', 'viewer'],
  ];
  for (const [name, role] of users)
    inventory.transaction(() =>
      inventory.serverdb.access.putUser(
        { name, role, squads: {}, disabled: false, passwordHash },
        { who: 'test', version: undefined },
      ),
    );
}

/** On a tab of the machine, as this person. */
async function come(user: string, tab = 'console', viewport = DESK): Promise<Page> {
  const { page } = await visit(browser, url, { viewport });
  await signIn(page, user);
  await page.getByText('Live', { exact: true }).waitFor();
  await page.goto(`${url}/machines/${NAME}?tab=${tab}`);
  return page;
}

/** It fits, and axe-core finds nothing serious. */
async function judge(page: Page): Promise<void> {
  expect(await overflowOf(page)).toBeLessThanOrEqual(0);
  expect(await violations(page)).toEqual([]);
}

const screenOf = (page: Page) => () => page.locator('.xterm-rows').textContent();

beforeAll(async () => {
  await open();
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  for (const close of closers.reverse()) await close();
});

describe('the console', () => {
  it('carries what is typed to the serial port, and what the machine prints to the screen', async () => {
    const page = await come('grace');
    await page.getByText('you type').waitFor();
    say('login: ');
    await expect.poll(screenOf(page)).toContain('login:');
    await page.locator('.console-box').click();
    await page.keyboard.type('uname-1234');
    await page.keyboard.press('Enter');
    await expect.poll(() => typed).toBe('uname-1234\r');
    await expect.poll(screenOf(page)).toContain('uname-1234');
    await page.screenshot({ path: `${SHOTS}/portal-console-desk.png` });
    await judge(page);
    // Tab and Escape are the machine's: the terminal is left by another key, which is not.
    await page.keyboard.press('Shift+Escape');
    await page.getByText('Shift+Escape leaves the terminal.').and(page.locator(':focus')).waitFor();
    expect(typed).toBe('uname-1234\r');
    // Whoever comes second watches, until the pen is taken.
    const other = await come('ada');
    await other.getByText('grace types').waitFor();
    say('\r\nkernel-6.1\r\n');
    await expect.poll(screenOf(other)).toContain('kernel-6.1');
    await other.getByRole('button', { name: 'Type here' }).click();
    await page.getByText('ada types').waitFor();
    await page.context().close();
    await other.context().close();
  });

  it('is taken over from another program when a person says so, and not before', async () => {
    const page = await come('grace', 'health');
    const asked: (string | null)[] = [];
    await page.routeWebSocket(/\/console\?/, (line) => {
      asked.push(new URL(line.url()).searchParams.get('takeOver'));
      if (asked.at(-1) === 'true') return void line.connectToServer();
      const closed = { type: 'closed', code: 'CONSOLE_TAKEN', detail: 'ipmitool has it.' };
      line.send(JSON.stringify(closed));
      void line.close({ code: 4000, reason: closed.code });
    });
    await page.goto(`${url}/machines/${NAME}?tab=console`);
    await page.getByText('Closed: CONSOLE_TAKEN ipmitool has it.').waitFor();
    await page.getByRole('button', { name: 'End the other one' }).click();
    await page.getByText('you type').waitFor();
    expect(asked).toEqual(['false', 'true']);
    await page.context().close();
  });

  it('is not opened for who may only look', async () => {
    const page = await come('eve');
    await page.getByText('sign in as a technician to open it').waitFor();
    expect(await page.locator('.console-box').count()).toBe(0);
    await page.context().close();
  });
});

describe('the health of a machine', () => {
  it.each([
    ['phone', PHONE],
    ['desk', DESK],
  ] as const)('is what its BMC says, plotted while one looks, on a %s', async (kind, viewport) => {
    const page = await come('grace', 'health', viewport);
    await page.clock.install();
    await page.reload();
    await page.getByText('Power is on').waitFor();
    const fan = page.getByRole('row', { name: /^FAN1 / });
    await fan.getByText('5,220 rpm').waitFor();
    await page.getByText('System event log').waitFor();
    expect(await page.locator('.plot').count()).toBe(0);
    await page.clock.fastForward(10_000);
    await page.getByRole('img', { name: /^FAN1: 5,220 rpm/ }).waitFor();
    await judge(page);
    await page.screenshot({ path: `${SHOTS}/portal-health-${kind}.png` });
    await page.context().close();
  });
});
