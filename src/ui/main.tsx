/**
 * The portal: starts the shell, then reads the fleet and follows the feed once this person may read. While the appliance does
 * not answer, it shows what this device has kept.
 */
import { render } from 'preact';
import { Problem, signInNeeded } from './api.ts';
import { App } from './app.tsx';
import { connection, startClock } from './feed.ts';
import { startFleet } from './fleet.ts';
import { installWorker } from './install-worker.ts';
import { showKept, startKeeping } from './kept-fleet.ts';
import { startRouter } from './router.ts';
import { startWedge } from './scan-wedge.ts';
import { isFleet, loadSession } from './session.ts';
import { startShortcuts } from './shortcuts.ts';
import { startSites } from './sites.ts';
import { startTheme } from './theme.ts';
import { startWatching } from './watch.ts';
import './styles/base.css';
import './styles/shell.css';
import './styles/board.css';

const RETRY_MS = 2000;
/** A Wi-Fi that swallows everything says nothing for minutes. */
const ANSWER_MS = 5000;

async function start(): Promise<void> {
  try {
    if (!(await loadSession(AbortSignal.timeout(ANSWER_MS)))) return;
    await (isFleet.peek() ? startSites() : startFleet());
  } catch (error) {
    if (error instanceof Problem && error.code === 'UNAUTHENTICATED') return;
    connection.value = 'lost';
    void showKept();
    setTimeout(start, RETRY_MS);
  }
}

const root = document.getElementById('app');
if (root) {
  startTheme();
  startRouter();
  startClock();
  startWedge();
  startShortcuts();
  startWatching();
  startKeeping();
  installWorker();
  root.replaceChildren();
  render(<App />, root);
  void start();
  // Whoever signs in on the form that took the place of the page gets the page.
  signInNeeded.subscribe((needed) => {
    if (!needed && connection.peek() === 'connecting') void start();
  });
}
