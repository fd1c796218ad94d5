/** The shell: where one is, where one can go, whether what is shown is current, and who one is. */
import type { ComponentChild } from 'preact';
import { useEffect } from 'preact/hooks';
import type { PageName } from '../http/people/pages.ts';
import { signInNeeded } from './api.ts';
import { BoardPage } from './pages/board.tsx';
import { ConnectionNotice, Notices } from './parts/banner.tsx';
import { Empty, Loading } from './parts/common.tsx';
import { lazy } from './parts/lazy.tsx';
import { Navigation } from './parts/navigation.tsx';
import { PairNotice } from './parts/pair.tsx';
import { SIGN_IN_PATH, SignIn, SignInDialog } from './parts/sign-in.tsx';
import { path } from './router.ts';
import { isFleet, session, signInOpen } from './session.ts';

const MachinePage = lazy(async () => (await import('./pages/machine.tsx')).MachinePage);
const MachinesPage = lazy(async () => (await import('./pages/machines.tsx')).MachinesPage);
const RacksPage = lazy(async () => (await import('./pages/racks.tsx')).RacksPage);
const BootPage = lazy(async () => (await import('./pages/boot.tsx')).BootPage);
const OverviewPage = lazy(async () => (await import('./pages/overview.tsx')).OverviewPage);
const JobsPage = lazy(async () => (await import('./pages/jobs.tsx')).JobsPage);
const JobPage = lazy(async () => (await import('./pages/job.tsx')).JobPage);
const EventsPage = lazy(async () => (await import('./pages/events.tsx')).EventsPage);
const DnsPage = lazy(async () => (await import('./pages/dns.tsx')).DnsPage);
const PeoplePage = lazy(async () => (await import('./pages/people.tsx')).PeoplePage);
const SettingsPage = lazy(async () => (await import('./pages/settings.tsx')).SettingsPage);
const DeliveriesPage = lazy(async () => (await import('./pages/deliveries.tsx')).DeliveriesPage);
const DeliveryPage = lazy(async () => (await import('./pages/deliveries.tsx')).DeliveryPage);
const SitesPage = lazy(async () => (await import('./pages/sites.tsx')).SitesPage);
const FleetMachinePage = lazy(
  async () => (await import('./pages/fleet-machine.tsx')).FleetMachinePage,
);
const FleetSquadsPage = lazy(
  async () => (await import('./pages/fleet-squads.tsx')).FleetSquadsPage,
);
const FleetEventsPage = lazy(
  async () => (await import('./pages/fleet-events.tsx')).FleetEventsPage,
);
const RequestsPage = lazy(async () => (await import('./pages/requests.tsx')).RequestsPage);
const RequestPage = lazy(async () => (await import('./pages/request.tsx')).RequestPage);
const RequestNewPage = lazy(async () => (await import('./pages/request-new.tsx')).RequestNewPage);
const PoolsPage = lazy(async () => (await import('./pages/pools.tsx')).PoolsPage);
const PoolPage = lazy(async () => (await import('./pages/pools.tsx')).PoolPage);
const SquadsPage = lazy(async () => (await import('./pages/squads.tsx')).SquadsPage);
const RolesPage = lazy(async () => (await import('./pages/roles.tsx')).RolesPage);
const ImagesPage = lazy(async () => (await import('./pages/images.tsx')).ImagesPage);
const ScanPage = lazy(async () => (await import('./pages/scan.tsx')).ScanPage);

/** What central shows otherwise than an appliance, by the first word of the address; '' is a list. */
const OF_FLEET: Readonly<Record<string, (name: string) => ComponentChild>> = {
  '': () => <SitesPage />,
  squads: () => <FleetSquadsPage />,
  events: () => <FleetEventsPage />,
  machines: (name) =>
    name === '' ? <MachinesPage /> : <FleetMachinePage key={name} name={name} />,
};
/** What it shows alike. */
const SHARED: ReadonlySet<string> = new Set([
  ...['requests', 'pools', 'images', 'jobs', 'roles', 'people'],
]);

/** As it stands where it is no encoding, as in a link that was typed. */
function readName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function Page() {
  const [, first = '', second = ''] = path.value.split('/');
  const name = readName(second);
  if (isFleet.value && first in OF_FLEET) return OF_FLEET[first]?.(name) ?? null;
  if (isFleet.value && !SHARED.has(first))
    return <Empty>This page is part of a site's own portal.</Empty>;
  switch (first as PageName | '') {
    case '':
      return <BoardPage />;
    case 'machines':
      return name === '' ? <MachinesPage /> : <MachinePage key={name} name={name} />;
    case 'racks':
      return <RacksPage />;
    case 'boots':
      return <BootPage key={name} id={name} />;
    case 'overview':
      return <OverviewPage />;
    case 'jobs':
      return name === '' ? <JobsPage /> : <JobPage key={name} id={name} />;
    case 'events':
      return <EventsPage />;
    case 'dns':
      return <DnsPage />;
    case 'people':
      return <PeoplePage />;
    case 'settings':
      return <SettingsPage />;
    case 'deliveries':
      return name === '' ? <DeliveriesPage /> : <DeliveryPage key={name} name={name} />;
    case 'requests':
      if (name === 'new') return <RequestNewPage />;
      return name === '' ? <RequestsPage /> : <RequestPage key={name} id={name} />;
    case 'pools':
      return name === '' ? <PoolsPage /> : <PoolPage key={name} name={name} />;
    case 'squads':
      return <SquadsPage />;
    case 'roles':
      return <RolesPage />;
    case 'images':
      return <ImagesPage />;
    case 'scan':
      return <ScanPage />;
    default:
      return <Empty>There is no page at this address.</Empty>;
  }
}

const TITLES: Readonly<Record<PageName | '', string>> = {
  ...{ '': 'Board', overview: 'Overview', racks: 'Racks', jobs: 'Jobs', events: 'Events' },
  ...{ dns: 'DNS', people: 'People', deliveries: 'Deliveries', settings: 'Configuration' },
  ...{ scan: 'Scan', machines: 'Machines', boots: 'Boot', requests: 'Requests', pools: 'Pools' },
  ...{ squads: 'Squads', roles: 'Roles', images: 'Images', 'sign-in': 'Sign in' },
};

export function App() {
  const [, first = '', second = ''] = path.value.split('/');
  useEffect(() => {
    const title = TITLES[first as PageName] ?? 'Not found';
    document.title = `${readName(second) || title} · Reveille`;
  }, [first, second]);
  if (signInNeeded.value || path.value === SIGN_IN_PATH) return <SignIn />;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <Navigation />
      <div class="content">
        <ConnectionNotice />
        <PairNotice />
        <main id="main" tabIndex={-1}>
          {/* What nobody may read yet is not asked for: each refusal is an event. */}
          {session.value ? <Page /> : <Loading />}
        </main>
      </div>
      <Notices />
      {signInOpen.value && <SignInDialog />}
    </>
  );
}
