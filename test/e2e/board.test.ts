/** The board in a real browser: live rows, a stall with its cause, no reload, nothing loaded from elsewhere. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBrowser, type Visit, visit } from '../support/browser.ts';
import { openLine } from '../support/frozen-line.ts';
import { arrive, carry, openPortal, type Portal, uuidOf } from '../support/portal.ts';

let portal: Portal;
let browser: Browser;
let seen: Visit;

const row = (text: string) => seen.page.locator('.row', { hasText: text });

beforeAll(async () => {
  portal = await openPortal({ anonymousRead: true });
  browser = await openBrowser();
  seen = await visit(browser, portal.url);
});
afterAll(async () => {
  await browser?.close();
  await portal?.close();
});

describe('the board', () => {
  it('begins by saying what to do', async () => {
    await seen.page.getByText('No machine has asked for an address yet').waitFor();
    await seen.page.getByText('Live', { exact: true }).waitFor();
  });

  it('shows machines as they come, without a reload', async () => {
    await seen.page.evaluate(() => {
      document.documentElement.dataset.mark = 'not reloaded';
    });
    const { world } = portal;
    arrive(world, { address: '52:54:00:77:00:01', serial: 'C0MPUT3', uuid: uuidOf(1) });
    await row('C0MPUT3').getByText('available').waitFor();
    carry(world, '52:54:00:77:00:02', 'kernel', 'bios');
    await row('52:54:00:77:00:02').getByText('booting').waitFor();
    arrive(world, {
      address: '52:54:00:77:00:04',
      serial: 'To Be Filled By O.E.M.',
      uuid: '03000200-0400-0500-0006-000700080009',
    });
    await row('MAC-525400770004')
      .getByText(/Held: no usable serial/)
      .waitFor();
    expect(await seen.page.evaluate(() => document.documentElement.dataset.mark)).toBe(
      'not reloaded',
    );
  });

  it('puts a stalled machine first, with its likely cause and what to try', async () => {
    const { world } = portal;
    carry(world, '52:54:00:77:00:03', 'ack', 'uefi');
    world.pass(21_000);
    portal.watchStalls();
    await row('52:54:00:77:00:03')
      .getByText(
        /No TFTP request within 20 s of the ACK: the firmware did not accept the boot file/,
      )
      .waitFor();
    expect(
      await seen.page.locator('.virtual > li[aria-posinset="1"] .row').getAttribute('data-mac'),
    ).toBe('52:54:00:77:00:03');
    carry(world, '52:54:00:77:00:05', 'linux');
    await row('52:54:00:77:00:05').waitFor();
  });

  it('shows an event within a second', async () => {
    const times: number[] = [];
    for (let n = 0; n < 20; n++) {
      const address = `52:54:00:78:00:${n.toString(16).padStart(2, '0')}`;
      await seen.page.evaluate((mac) => {
        const mark = document.documentElement.dataset;
        delete mark.drawn;
        const look = () => {
          if (document.querySelector(`[data-mac="${mac}"]`)) mark.drawn = String(Date.now());
          else requestAnimationFrame(look);
        };
        look();
      }, address);
      const from = Date.now();
      carry(portal.world, address, 'offer');
      await seen.page.waitForFunction(() => document.documentElement.dataset.drawn !== undefined);
      const drawn = await seen.page.evaluate(() => document.documentElement.dataset.drawn);
      times.push(Number(drawn) - from);
    }
    expect(Math.max(...times)).toBeLessThan(1000);
  });

  it('filters, and keeps the filter in the address', async () => {
    await seen.page.getByRole('searchbox').fill('c0mp');
    await expect.poll(() => seen.page.locator('.row').count()).toBe(1);
    expect(seen.page.url()).toContain('q=c0mp');
    await seen.page.getByRole('searchbox').fill('');
    await seen.page.getByRole('button', { name: /Held/ }).click();
    await expect.poll(() => seen.page.locator('.row').count()).toBe(1);
    await seen.page.getByRole('button', { name: /Held/ }).click();
  });

  it('fits a phone', async () => {
    const overflow = await seen.page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBeLessThanOrEqual(0);
  });

  it('jumps to a machine when a hand scanner reads its label', async () => {
    await seen.page.locator('h1').click();
    await seen.page.keyboard.type('S/N: C0MPUT3', { delay: 4 });
    await seen.page.keyboard.press('Enter');
    await seen.page.waitForURL('**/machines/C0MPUT3');
    await seen.page.getByRole('tab', { name: 'Hardware' }).click();
    await seen.page.getByText('2 threads').waitFor();
    await seen.page.goBack();
    await seen.page.getByText('Machines coming up').waitFor();
  });

  it('keeps what it has when the connection drops, says so, and catches up', async () => {
    const before = await seen.page.locator('.row').count();
    await seen.page.context().setOffline(true);
    await seen.page.getByText('This is the last known state').waitFor();
    expect(await seen.page.locator('.row').count()).toBe(before);
    const serial = 'MISSED01';
    arrive(portal.world, { address: '52:54:00:77:00:09', serial, uuid: uuidOf(9) });
    await seen.page.context().setOffline(false);
    await row(serial).getByText('available').waitFor();
    await seen.page.getByText('Live', { exact: true }).waitFor();
  });

  it('says so too when the line dies without a word, as behind a wall of racks', async () => {
    const line = await openLine(Number(new URL(portal.url).port));
    const { page } = await visit(browser, line.url);
    try {
      await page.clock.install();
      await page.goto(`${line.url}/?q=missed`);
      await page.getByText('Live', { exact: true }).waitFor();
      line.freeze();
      await page.clock.fastForward(9000);
      expect(await page.getByText('Connection lost').count()).toBe(0);
      await page.clock.fastForward(9000);
      await page.getByText('This is the last known state').waitFor();
      expect(await page.locator('.row').count()).toBe(1);
      const serial = 'MISSED02';
      arrive(portal.world, { address: '52:54:00:77:00:0a', serial, uuid: uuidOf(10) });
      line.thaw();
      await page.clock.fastForward(13_000);
      await page.getByText('Live', { exact: true }).waitFor();
      await page.locator('.row', { hasText: serial }).waitFor();
    } finally {
      await page.context().close();
      await line.close();
    }
  });

  it('asked nobody else, and had no error of its own', () => {
    expect(seen.foreign).toEqual([]);
    expect(seen.problems.filter((text) => !/ERR_INTERNET_DISCONNECTED/.test(text))).toEqual([]);
  });
});
