/** Where boots stop: a bad switch has to show as one problem, in the metrics and on the command line. */
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { addDiagnosisMetrics } from '../../../src/daemon/metrics.ts';
import { type Counted, groupedBy } from '../../../src/diagnose/counts.ts';
import { limit } from '../../../src/limits.ts';
import { A, record } from '../../support/recording.ts';
import { bytesOf, report } from '../../support/reports.ts';
import { mac } from '../../support/world.ts';

const PORTS = 12;

/** Twelve machines of two models behind one switch that loses packets, and one in trouble of its own elsewhere. */
function hall() {
  const world = record();
  const { store } = world.recorder;
  const found = (n: number, where: { name: string; switch: string; rack: string }) =>
    world.inventory.transaction(() =>
      store.found({
        ...{ boot: undefined, mac: mac(`52:54:00:00:01:${n.toString(16).padStart(2, '0')}`) },
        ...{ hardwarename: undefined, model: n % 2 === 0 ? 'LabCorp X' : 'LabCorp Y' },
        diagnosis: {
          ...{ name: where.name, confidence: 'likely', place: 'kernel' },
          ...{ evidence: [], also: [] },
        },
        place: { site: 'ams', rack: where.rack, switch: where.switch, port: String(n) },
      }),
    );
  for (let n = 1; n <= PORTS; n++) found(n, { name: 'packet-loss', switch: 'sw-7', rack: 'r7' });
  found(PORTS + 1, { name: 'kernel-panic', switch: 'sw-8', rack: 'r8' });
  return world;
}

describe('diagnoses by place', () => {
  it('are one line for a bad switch', () => {
    const { store } = hall().recorder;
    expect(groupedBy(store.counts(100), 'switch')).toEqual([
      { place: 'sw-7', total: PORTS, open: PORTS, causes: [{ name: 'packet-loss', total: PORTS }] },
      { place: 'sw-8', total: 1, open: 1, causes: [{ name: 'kernel-panic', total: 1 }] },
    ]);
    expect(groupedBy(store.counts(100), 'rack').map(({ place }) => place)).toEqual([
      ...['ams r7', 'ams r8'],
    ]);
    expect(groupedBy(store.counts(100), 'model').map(({ total }) => total)).toEqual([7, 6]);
  });

  it('sort causes and places by how often', () => {
    const one = (name: string, place: string, total: number): Counted => ({
      ...{ name, site: '', rack: '', switch: place, model: '', total, open: 0 },
    });
    const counts = [one('a', 's1', 1), one('b', 's1', 3), one('a', 's2', 9)];
    expect(groupedBy(counts, 'switch')).toMatchObject([
      { place: 's2', total: 9 },
      { place: 's1', total: 4, causes: [{ name: 'b' }, { name: 'a' }] },
    ]);
  });

  it('tell racks of one name in two sites from each other', () => {
    const one = { name: 'a', rack: 'r1', switch: '', model: '', total: 1, open: 1 };
    const groups = groupedBy(
      ['ams', 'lon', ''].map((site) => ({ ...one, site })),
      'rack',
    );
    expect(groups.map(({ place }) => place)).toEqual(['ams r1', 'lon r1', 'r1']);
  });

  it('are metrics that add up by switch, and go down when a machine boots', async () => {
    const world = hall();
    const registry = new Registry();
    addDiagnosisMetrics(registry, world.recorder.store.counts);
    const sum = async (metric: string, where: string) =>
      [...(await registry.metrics()).matchAll(new RegExp(`^${metric}{(.*)} (\\d+)$`, 'gm'))]
        .filter(([, labels]) => labels?.includes(where))
        .reduce((all, [, , value]) => all + Number(value), 0);
    const bad = 'switch="sw-7"';
    expect(await sum('reveille_boot_diagnoses', bad)).toBe(PORTS);
    expect(await sum('reveille_boot_diagnoses_open', bad)).toBe(PORTS);
    expect(await sum('reveille_boot_diagnoses', 'site="ams",rack="r8",switch="sw-8"')).toBe(1);
    expect(await sum('reveille_boot_diagnoses', 'diagnosis="packet-loss"')).toBe(PORTS);
    const { store } = world.recorder;
    world.inventory.transaction(() => store.endMachine(mac('52:54:00:00:01:01')));
    world.pass(limit('diagnosisCountsMs'));
    expect(await sum('reveille_boot_diagnoses_open', bad)).toBe(PORTS - 1);
    expect(await sum('reveille_boot_diagnoses', bad)).toBe(PORTS);
  });

  it('are not read again for every page that asks: an answer is kept for some seconds', () => {
    const world = hall();
    const { store } = world.recorder;
    const read = store.counts(100);
    world.inventory.transaction(() => store.endMachine(mac('52:54:00:00:01:01')));
    world.pass(limit('diagnosisCountsMs') - 1);
    expect(store.counts(100)).toBe(read);
    world.pass(1);
    expect(store.counts(100).map(({ open }) => open)).not.toEqual(read.map(({ open }) => open));
  });

  it('know the switch from what the machine last reported', () => {
    const world = record();
    world.lease('ipxe');
    const { boots, tokens } = world.inventory;
    const boot = boots.latest(A)?.id ?? expect.fail();
    const token = world.inventory.transaction(() => tokens.mint(boot, A, 'boot'));
    const whole = report({ macs: [A] });
    const nics = whole.nics.map((nic) => ({ ...nic, lldp: { switch: 'sw-7', port: 'eth12' } }));
    world.inventory.ingest({ token, body: bytesOf({ ...whole, nics }) });
    world.pass(3_700_000);
    world.lease('uefi');
    for (let second = 0; second < 30; second++) world.step();
    expect(world.recorder.store.list({ limit: 1 })).toMatchObject([
      { switch: 'sw-7', port: 'eth12', model: 'LabCorp Model-X', name: 'boot-file-not-asked' },
    ]);
  });
});
