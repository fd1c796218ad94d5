/** The board in a real browser: live rows, a stall with its cause, no reload, nothing loaded from elsewhere. */
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import pino from 'pino';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NewEvent } from '../../src/events.ts';
import { createPeopleApp } from '../../src/http/people/app.ts';
import { createStallWatch } from '../../src/inventory/stall-watch.ts';
import type { Millis } from '../../src/wire/time.ts';
import { bytesOf, report } from '../support/reports.ts';
import { createWorld, dhcpPacket, ipv4, mac, u32 } from '../support/world.ts';

const SHOTS = process.env.SCREENSHOTS ?? 'build/screenshots';
const PHONE = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 800 };

const world = createWorld();
world.time.now = (Date.now() - 300_000) as Millis;
let browser: Browser;
let page: Page;
let url: string;
let close: () => Promise<void>;
const problems: string[] = [];
const foreign: string[] = [];

type Step = 'offer' | 'ack' | 'tftp' | 'script' | 'kernel' | 'initrd' | 'linux';
const STEPS: readonly Step[] = ['offer', 'ack', 'tftp', 'script', 'kernel', 'initrd', 'linux'];

/** Carries a machine up to and including `last`, some seconds a step; returns its boot. */
function carry(address: string, last: Step, client: 'bios' | 'uefi' | 'ipxe' = 'ipxe') {
  const of = mac(address);
  const offer = world.dhcp(dhcpPacket({ mac: of, type: 1, client }));
  const boot = world.inventory.boots.latest(of);
  if (!boot || offer.kind !== 'reply') throw new Error('no offer');
  const tell = (event: Pick<NewEvent, 'name' | 'data'>) =>
    world.inventory.transaction(() =>
      world.inventory.events.append({ ...event, mac: of, boot: boot.id } as NewEvent),
    );
  const { yiaddr } = offer.reply;
  const happen: Record<Step, () => void> = {
    offer: () => undefined,
    ack: () =>
      void world.dhcp(
        dhcpPacket({ mac: of, type: 3, client }, [
          [54, u32(ipv4('10.77.0.1'))],
          [50, u32(yiaddr)],
        ]),
      ),
    tftp: () => {
      if (client === 'ipxe') return;
      tell({
        name: 'tftp.started',
        data: { file: 'snponly.efi', blksizeBytes: 1468, windowsize: 4, sizeBytes: 173_792 },
      });
      tell({
        name: 'tftp.sent',
        data: { file: 'snponly.efi', sizeBytes: 173_792, durationMs: 60, retransmits: 0 },
      });
    },
    script: () => tell({ name: 'ipxe.script', data: { mode: 'recon', why: '' } }),
    kernel: () =>
      tell({ name: 'http.sent', data: { file: 'vmlinuz', sizeBytes: 8_247_232, durationMs: 80 } }),
    initrd: () =>
      tell({
        name: 'http.sent',
        data: { file: 'initrd.img', sizeBytes: 11_867_392, durationMs: 140 },
      }),
    linux: () =>
      tell({
        name: 'agent.progress',
        data: { phase: 'recon', message: 'looking the machine over', level: 'info', percent: 0 },
      }),
  };
  for (const step of STEPS.slice(0, STEPS.indexOf(last) + 1)) {
    world.pass(step === 'linux' ? 6800 : 1300);
    happen[step]();
  }
  return { boot: boot.id, of };
}

function register(address: string, serial: string, uuid: string) {
  const { boot, of } = carry(address, 'linux', 'uefi');
  world.pass(4200);
  const token = world.inventory.tokens.mint(boot, of, 'boot');
  const nics = [
    {
      name: 'eth0',
      mac: address,
      permanentMac: address,
      driver: 'ixgbe',
      link: true,
      lldp: { switch: 'lab-sw1', port: 'tap2' },
    },
  ];
  world.inventory.ingest({ token, body: bytesOf(report({ serial, uuid, macs: [address], nics })) });
}

const row = (text: string) => page.locator('.machine', { hasText: text });

beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true });
  const app = await createPeopleApp({
    ...world,
    log: pino({ level: 'silent' }),
    site: 'lab',
    uiRoot: 'build/ui',
    readiness: () => ({ database: true }),
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/`;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  page = await browser.newPage({ viewport: PHONE, deviceScaleFactor: 2, colorScheme: 'dark' });
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:'))
      foreign.push(request.url());
  });
  close = async () => {
    await browser.close();
    await app.close();
  };
});
afterAll(() => close());

describe('the board', () => {
  it('begins by saying what to do', async () => {
    await page.goto(url);
    await page.getByText('No machine has asked for an address yet').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
  });

  it('shows machines as they come, without a reload', async () => {
    await page.evaluate(() => {
      document.title = 'not reloaded';
    });
    register('52:54:00:77:00:01', 'C0MPUT3', '4c4c4544-0042-3510-8052-b4c04f4e3701');
    await row('C0MPUT3').getByText('available').waitFor();
    carry('52:54:00:77:00:02', 'kernel', 'bios');
    await row('52:54:00:77:00:02').getByText('Booting').waitFor();
    register('52:54:00:77:00:04', 'To Be Filled By O.E.M.', '03000200-0400-0500-0006-000700080009');
    await row('MAC-525400770004')
      .getByText(/Held: no usable serial/)
      .waitFor();
    expect(await page.title()).toBe('not reloaded');
  });

  it('puts a stalled machine first, with its likely cause and what to try', async () => {
    carry('52:54:00:77:00:03', 'ack', 'uefi');
    world.pass(21_000);
    createStallWatch({ ...world.inventory, clock: world.clock })();
    await row('52:54:00:77:00:03')
      .getByText(
        /No TFTP request within 20 s of the ACK: the firmware did not accept the boot file/,
      )
      .waitFor();
    expect(await page.locator('.machine').first().getAttribute('data-mac')).toBe(
      '52:54:00:77:00:03',
    );
    carry('52:54:00:77:00:05', 'linux');
    await row('52:54:00:77:00:05')
      .getByText(/Recon: looking the machine over/)
      .waitFor();
  });

  it('opens to the steps and the hardware, by keyboard', async () => {
    const summary = row('C0MPUT3').locator('summary');
    await summary.focus();
    await page.keyboard.press('Enter');
    await row('C0MPUT3').getByText('on lab-sw1 port tap2').waitFor();
    await page.keyboard.press('Enter');
  });

  it('fits a phone, and looks as the README shows', async () => {
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBeLessThanOrEqual(0);
    const top = () =>
      page.evaluate(() => {
        (document.activeElement as HTMLElement | null)?.blur();
        window.scrollTo(0, 0);
      });
    await top();
    await page.screenshot({ path: `${SHOTS}/board-phone.png` });
    await page.setViewportSize(WIDE);
    await row('C0MPUT3').locator('summary').click();
    await page.emulateMedia({ colorScheme: 'light' });
    await top();
    await page.screenshot({ path: `${SHOTS}/board-wide.png` });
  });

  it('filters', async () => {
    await page.getByRole('searchbox').fill('c0mp');
    await expect.poll(() => page.locator('.machine').count()).toBe(1);
    await page.getByRole('searchbox').fill('');
  });

  it('keeps what it has when the connection drops, and says so', async () => {
    await page.context().setOffline(true);
    world.inventory.transaction(() =>
      world.inventory.events.append({
        name: 'machine.state',
        data: { from: 'a', to: 'b', why: '', by: '' },
      }),
    );
    await page.getByText(/connection lost/).waitFor();
    expect(await page.locator('.machine').count()).toBe(5);
    await page.context().setOffline(false);
  });

  it('asked nobody else, and had no error of its own', () => {
    expect(foreign).toEqual([]);
    expect(problems.filter((text) => !/ERR_INTERNET_DISCONNECTED/.test(text))).toEqual([]);
  });
});
