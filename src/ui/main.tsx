/** The portal: starts the shell, then reads the fleet and follows the feed once this person may read. */
import { render } from 'preact';
import { Problem, signInNeeded } from './api.ts';
import { App } from './app.tsx';
import { connection, startClock } from './feed.ts';
import { startFleet } from './fleet.ts';
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

async function start(): Promise<void> {
  try {
    if (!(await loadSession())) return;
    await (isFleet.peek() ? startSites() : startFleet());
  } catch (error) {
    if (error instanceof Problem && error.code === 'UNAUTHENTICATED') return;
    connection.value = 'lost';
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
  root.replaceChildren();
  render(<App />, root);
  void start();
  // Whoever signs in on the form that took the place of the page gets the page.
  signInNeeded.subscribe((needed) => {
    if (!needed && connection.peek() === 'connecting') void start();
  });
}
