/** What a site wants of every BMC: looked at first, written once, the same when it is done again. */
import { describe, expect, it } from 'vitest';
import { openIpmiBmc } from '../../../src/ipmi/ipmi-bmc.ts';
import { BMC, createIpmiWorld } from '../../support/ipmi-world.ts';

async function upkeep() {
  const sim = createIpmiWorld({ clock: () => 1_700_000_200 });
  const settings = { user: 'admin', password: 'secret', privilege: 'administrator' } as const;
  const bmc = await sim.run(openIpmiBmc(sim.ports, BMC, settings));
  if (!bmc.upkeep) throw new Error('there is no upkeep over IPMI');
  const did = (name: string) => sim.state.carriedOut.filter((each) => each === name).length;
  return { sim, did, ...bmc.upkeep };
}

describe('upkeep', () => {
  it('sets what happens when power comes back, if it is another policy', async () => {
    const { sim, did, restorePolicy } = await upkeep();
    expect(await sim.run(restorePolicy('always-on'))).toBe(true);
    expect(await sim.run(restorePolicy('always-on'))).toBe(false);
    expect(sim.state.restorePolicy).toBe(2);
    expect(did('0/6')).toBe(1);
  });

  it('sets the clock of the event log when it is off by more than asking takes', async () => {
    const { sim, did, setClock } = await upkeep();
    expect(await sim.run(setClock(1_700_000_300))).toEqual({ skewSeconds: -100 });
    expect(sim.state.clockAheadSeconds).toBe(100);
    expect(await sim.run(setClock(1_700_000_302))).toEqual({ skewSeconds: -2 });
    expect(did('10/73')).toBe(1);
  });

  it('has the address come by DHCP, between "in progress" and "complete" where there is that', async () => {
    for (const refused of [false, true]) {
      const { sim, useDhcp } = await upkeep();
      if (refused) sim.state.lan.delete(0);
      expect(await sim.run(useDhcp())).toBe(true);
      expect([...(sim.state.lan.get(4) ?? [])]).toEqual([2]);
      if (!refused) expect([...(sim.state.lan.get(0) ?? [])]).toEqual([0]);
      expect(await sim.run(useDhcp())).toBe(false);
    }
  });

  it('stops the watchdog of a system that is gone, and not that of the firmware', async () => {
    const { sim, calmWatchdog } = await upkeep();
    expect(await sim.run(calmWatchdog())).toBe(false);
    const [osLoad, post] = [3, 2];
    sim.state.watchdog = Uint8Array.of(0x40 | osLoad, 1, 0, 0, 100, 0);
    expect(await sim.run(calmWatchdog())).toBe(true);
    expect((sim.state.watchdog[0] ?? 0) & 0x40).toBe(0);
    sim.state.watchdog = Uint8Array.of(0x40 | post, 1, 0, 0, 100, 0);
    expect(await sim.run(calmWatchdog())).toBe(false);
    sim.state.knobs.refuse.set('6/37', 0xc1);
    expect(await sim.run(calmWatchdog())).toBe(false);
  });
});
