/**
 * The console of a virtual machine as a technician has it: signed in on the portal of the real daemon, in Debian's Chromium,
 * the machine's tab *Console* opened and typed on. The terminal shows nothing of what is typed by itself: what is seen there
 * has been at the machine's serial port and has come back, through the machine's program, QEMU, the BMC's Serial over LAN,
 * the daemon and the WebSocket. SCREENSHOT=FILE keeps a picture.
 */
import type { Browser, Page } from 'playwright-core';
import type { LabVm } from '../lab.ts';
import type { LabPeople } from '../people.ts';
import { machineOf, type ScenarioRun } from '../scenario.ts';

const WHO = { name: 'grace', password: 'a long enough password' };
/** What the test disk echoes; no key of it resets the machine. */
const TYPED = 'typed in a browser';
const SHOWN_MS = 60_000;

/** On the first machine, which runs the test disk: it echoes. */
export async function typeInPortal(run: ScenarioRun, people: LabPeople): Promise<void> {
  const [vm] = run.lab.vms;
  if (!vm) throw new Error('a rack without machines');
  const put = ['users', 'put', WHO.name, '--role', 'technician', '--password'];
  await people.reveille(put, WHO.password);
  const { startChromium } = await import('../../test/support/chromium.ts');
  const browser = await startChromium();
  try {
    await typeAsTechnician(run, vm, browser);
  } finally {
    await browser.close();
  }
}

async function typeAsTechnician(run: ScenarioRun, vm: LabVm, browser: Browser): Promise<void> {
  const { name } = vm.machine;
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(run.lab.api);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('input[name=user]').fill(WHO.name);
  await page.locator('input[name=password]').fill(WHO.password);
  await page.locator('form button[type=submit]').click();
  await page.getByRole('button', { name: WHO.name, exact: true }).waitFor();
  const hardwarename = machineOf(vm, await run.client.machines())?.hardwarename ?? '';
  await page.goto(`${run.lab.api}/machines/${hardwarename}?tab=console`);
  await page.getByText('you type').waitFor({ timeout: SHOWN_MS });
  await page.locator('.console-box').click();
  const typedAt = Date.now();
  await page.keyboard.type(TYPED);
  await shows(run, page, `${name}: its echo of what was typed in the browser`, (text) =>
    text.includes(TYPED),
  );
  run.say(`${name} answered in the browser after ${Date.now() - typedAt} ms`);
  const picture = process.env.SCREENSHOT;
  if (picture) await page.screenshot({ path: picture });
}

/** Waits until the lines that the terminal shows are such. */
async function shows(
  run: ScenarioRun,
  page: Page,
  what: string,
  holds: (text: string) => boolean,
): Promise<void> {
  await run.until(what, SHOWN_MS, async () => holds(await screenOf(page)) || undefined);
}

const screenOf = async (page: Page): Promise<string> =>
  (await page.locator('.xterm-rows').textContent()) ?? '';
