/** Debian's Chromium, as root and with nothing left behind: what it keeps while it runs is in a folder of ours. */
import { type Browser, chromium } from 'playwright-core';
import { temporaryFolder } from './temporary-folder.ts';

export const startChromium = (
  args: readonly string[] = [],
  executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium',
): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: ['--no-sandbox', ...args],
    env: { ...process.env, TMPDIR: temporaryFolder('chromium') },
  });
