/**
 * The camera of the scan page, in a browser whose camera shows a film of a label: bars that zint has drawn, a little turned, out of
 * focus and in bad light. Chromium has no barcode detector of its own here, as Safari and Firefox have none anywhere.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bitsOf, lineOf, randomOf, ZINT_128 } from '../support/barcodes.ts';
import { openBrowser, type Visit, visit } from '../support/browser.ts';
import { arrive, openPortal, type Portal, uuidOf } from '../support/portal.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const [WIDTH, HEIGHT] = [640, 480];
const TURNED = 0.05;

/** Some frames of the label as a YUV4MPEG2 file: brightness, and no colour. */
function filmOf(bits: string): Buffer {
  const random = randomOf(3);
  const line = lineOf(bitsOf(bits), { module: 2.6, blur: 1.5, light: [1, 0.6] });
  const left = Math.floor((WIDTH - line.length) / 2);
  const frame = Buffer.alloc(WIDTH * HEIGHT * 1.5, 128);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const [dx, dy] = [x - WIDTH / 2, y - HEIGHT / 2];
      const [u, v] = [dx + TURNED * dy, dy - TURNED * dx];
      const value = Math.abs(v) < 70 ? line[Math.round(u + WIDTH / 2) - left] : undefined;
      frame[y * WIDTH + x] = Math.max(16, Math.min(235, (value ?? 90) + 16 * random() - 8));
    }
  }
  const head = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`);
  const frames = Array.from({ length: 5 }, () => [Buffer.from('FRAME\n'), frame]).flat();
  return Buffer.concat([head, ...frames]);
}

const folder = temporaryFolder('camera');
let portal: Portal;
let browser: Browser;
let seen: Visit;

beforeAll(async () => {
  const film = join(folder, 'label.y4m');
  writeFileSync(film, filmOf(ZINT_128[0]?.[1] ?? ''));
  portal = await openPortal({ anonymousRead: true });
  arrive(portal.world, { address: '52:54:00:77:00:01', serial: 'C0MPUT3', uuid: uuidOf(1) });
  browser = await openBrowser([
    '--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream',
    `--use-file-for-fake-video-capture=${film}`,
  ]);
  seen = await visit(browser, portal.url);
});
afterAll(async () => {
  await browser?.close();
  await portal?.close();
});

it('goes from the label in front of the camera to its machine', async () => {
  const { page, foreign, problems } = seen;
  await page.getByText('Live', { exact: true }).waitFor();
  await page.goto(`${portal.url}/scan`);
  await page.getByRole('button', { name: 'Scan by camera' }).click();
  await page.waitForURL('**/machines/C0MPUT3');
  await page.getByText('Light the lamp').or(page.getByText('Sign in to do something')).waitFor();
  expect(foreign).toEqual([]);
  expect(problems).toEqual([]);
});
