/** Where one can go: a rail at the side of a desk's screen, a bar under the thumb on a phone. */
import { useState } from 'preact/hooks';
import { connection } from '../feed.ts';
import { counts, siteName } from '../fleet.ts';
import { tellProblem } from '../notices.ts';
import { path } from '../router.ts';
import { isFleet, isSignedIn, may, session, signInOpen, signOut } from '../session.ts';
import { nextTheme, theme } from '../theme.ts';
import { Dialog } from './common.tsx';
import { Icon, type IconName } from './icon.tsx';

interface Target {
  readonly to: string;
  readonly name: string;
  readonly icon: IconName;
  readonly admin?: boolean;
}

const TARGETS: readonly Target[] = [
  { to: '/', name: 'Board', icon: 'board' },
  { to: '/racks', name: 'Racks', icon: 'rack' },
  { to: '/machines', name: 'Machines', icon: 'machine' },
  { to: '/deliveries', name: 'Deliveries', icon: 'box' },
  { to: '/requests', name: 'Requests', icon: 'request' },
  { to: '/pools', name: 'Pools', icon: 'pool' },
  { to: '/jobs', name: 'Jobs', icon: 'job' },
  { to: '/overview', name: 'Overview', icon: 'chart' },
  { to: '/events', name: 'Events', icon: 'event' },
  { to: '/dns', name: 'DNS', icon: 'dns' },
  { to: '/images', name: 'Images', icon: 'image' },
  { to: '/roles', name: 'Roles', icon: 'role' },
  { to: '/squads', name: 'Squads', icon: 'squad' },
  { to: '/people', name: 'People', icon: 'people' },
  { to: '/settings', name: 'Configuration', icon: 'settings' },
];
/** At central. */
const FLEET_TARGETS: readonly Target[] = [
  { to: '/', name: 'Sites', icon: 'board' },
  { to: '/machines', name: 'Machines', icon: 'machine' },
  { to: '/requests', name: 'Requests', icon: 'request' },
  { to: '/pools', name: 'Pools', icon: 'pool' },
  { to: '/jobs', name: 'Jobs', icon: 'job' },
  { to: '/events', name: 'Events', icon: 'event' },
  { to: '/images', name: 'Images', icon: 'image' },
  { to: '/roles', name: 'Roles', icon: 'role' },
  { to: '/squads', name: 'Squads', icon: 'squad' },
  { to: '/people', name: 'People', icon: 'people' },
];
const THUMB: readonly string[] = ['/', '/racks', '/jobs'];
const FLEET_THUMB: readonly string[] = ['/', '/machines', '/requests'];

const isHere = (to: string): boolean =>
  to === '/' ? path.value === '/' : path.value === to || path.value.startsWith(`${to}/`);

function NavLink({ to, name, icon }: Target) {
  const { stalled } = counts.value;
  return (
    <a href={to} aria-current={isHere(to) ? 'page' : undefined}>
      <Icon name={icon} />
      <span>{name}</span>
      {to === '/' && stalled > 0 && (
        <b class="count" title={`${stalled} stalled`}>
          {stalled}
        </b>
      )}
    </a>
  );
}

export function Navigation() {
  const [more, setMore] = useState(false);
  const fleet = isFleet.value;
  const targets = fleet ? FLEET_TARGETS : TARGETS;
  return (
    <>
      <header class="top">
        <a class="brand" href="/">
          <img src="/icon.svg" alt="" width="28" height="28" />
          <span>
            Reveille <small>{fleet ? 'fleet' : siteName.value}</small>
          </span>
        </a>
        <Live />
        {!fleet && (
          <a class="icon-button scan-top" href="/scan" aria-label="Scan a serial">
            <Icon name="scan" />
          </a>
        )}
        <Account />
      </header>
      <nav class="rail" aria-label="Pages">
        {targets.map((target) => (
          <NavLink key={target.to} {...target} />
        ))}
        <ThemeButton />
      </nav>
      <nav class="thumb" aria-label="Pages">
        {targets
          .filter(({ to }) => (fleet ? FLEET_THUMB : THUMB).includes(to))
          .map((target) => (
            <NavLink key={target.to} {...target} />
          ))}
        {!fleet && (
          <a class="scan" href="/scan" aria-current={isHere('/scan') ? 'page' : undefined}>
            <Icon name="scan" />
            <span>Scan</span>
          </a>
        )}
        <button type="button" onClick={() => setMore(true)} aria-haspopup="dialog">
          <Icon name="more" />
          <span>More</span>
        </button>
      </nav>
      {more && (
        <Dialog title="All pages" onClose={() => setMore(false)}>
          {/* biome-ignore lint/a11y/useKeyWithClickEvents: Enter on a link is a click */}
          <nav class="sheet" aria-label="All pages" onClick={() => setMore(false)}>
            {targets.map((target) => (
              <NavLink key={target.to} {...target} />
            ))}
          </nav>
          <ThemeButton />
        </Dialog>
      )}
    </>
  );
}

function Live() {
  const words = { live: 'Live', connecting: 'Connecting', lost: 'Lost' };
  return (
    <span class={`live ${connection.value}`} role="status">
      {words[connection.value]}
    </span>
  );
}

function ThemeButton() {
  const words = { device: 'as the device', dark: 'dark', light: 'light' };
  return (
    <button type="button" class="quiet theme" onClick={nextTheme}>
      <Icon name="theme" /> <span>Colours: {words[theme.value]}</span>
    </button>
  );
}

function Account() {
  const [open, setOpen] = useState(false);
  if (!isSignedIn.value) {
    return (
      <button
        type="button"
        class="account"
        onClick={() => {
          signInOpen.value = true;
        }}
      >
        Sign in
      </button>
    );
  }
  const { who = '', role = 'viewer' } = session.value ?? {};
  return (
    <>
      <button type="button" class="account" onClick={() => setOpen(true)} aria-haspopup="dialog">
        {who}
      </button>
      {open && (
        <Dialog title={who} onClose={() => setOpen(false)}>
          <p>
            {role} of {isFleet.value ? 'the fleet' : 'this site'}
            {may('admin') ? '' : squadsOf()}
          </p>
          <button type="button" onClick={() => void signOut().catch(tellProblem)}>
            Sign out
          </button>
        </Dialog>
      )}
    </>
  );
}

function squadsOf(): string {
  const squads = Object.entries(session.value?.squads ?? {});
  return squads.map(([squad, role]) => `, ${role} of ${squad}`).join('');
}
