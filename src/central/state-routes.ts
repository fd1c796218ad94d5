/** The states that machines can be in and the ways between them, as an appliance tells them, with how many of all sites are where. */
import { MACHINE_STATES, STATE_RULES, TRANSITIONS } from '../inventory/states.ts';
import type { FleetApp, FleetAppParts } from './app.ts';

export function addStates(app: FleetApp, { view }: FleetAppParts): void {
  app.get('/api/v1/states', { config: { fleetRole: 'viewer' } }, async () => {
    const counted = await view.capacity({ site: '', hardwareType: '' });
    const states = MACHINE_STATES.map((state) => {
      const there = counted.filter((one) => one.state === state);
      const machines = there.reduce((sum, { count }) => sum + count, 0);
      // Which of them are late, their sites know.
      return { state, ...STATE_RULES[state], machines, overdue: null };
    });
    return { states, transitions: TRANSITIONS, sites: await view.sites() };
  });
}
