/** `explain`, `explain --at` and `config diff`, asked of a running appliance. */
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { addBeforeAfterCommands } from '../../../src/cli/people/before-after.ts';
import { systemClock } from '../../../src/daemon/core.ts';
import { stagesOf } from '../../../src/dhcp/rehearsal.ts';
import { createPeople, type People } from '../../support/people.ts';
import { A, record } from '../../support/recording.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const DIFF = {
  ...{ leases: [], faults: [], asked: 1, machines: 2 },
  differences: [{ machine: 'C1', mac: A, what: 'script', before: 'a', after: 'b' }],
  zones: [{ zone: 'lab.example.', removed: [], added: ['x IN A 10.0.0.1'] }],
  counts: { answers: 5, machines: 1, leases: 0, records: 1 },
};
const dir = temporaryFolder('before');
const fileOf = (name: string, text: string) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

let people: People;
let world: ReturnType<typeof record>;
let run: (...words: string[]) => Promise<string>;
const fleetDiff = vi.fn(async () => DIFF);

beforeEach(async () => {
  world = record();
  const { segments, view, inventory } = world;
  people = await createPeople(
    {
      fleetDiff,
      explain: (of) =>
        stagesOf({ segments, view, rehearse: inventory.rehearse }, of, systemClock()),
    },
    world as never,
  );
  await people.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = people.app.server.address() as AddressInfo;
  const { secret } = inventory.transaction(() =>
    inventory.serverdb.access.createToken({ name: 'ada', role: 'admin', squads: {} }, 'test'),
  );
  run = async (...words) => {
    let output = '';
    const program = new Command('reveille').exitOverride();
    addBeforeAfterCommands(program, program.command('config'), {
      environment: { REVEILLE_URL: `http://127.0.0.1:${port}`, REVEILLE_TOKEN: secret },
      write: (text) => {
        output += text;
      },
      tell: () => undefined,
      readInput: async () => '',
    });
    await program.parseAsync(words, { from: 'user' });
    return output;
  };
});
afterEach(async () => {
  fleetDiff.mockClear();
  await people.app.close();
});

describe('reveille explain', () => {
  it('asks the appliance what a NIC would be offered, and what it was', async () => {
    expect(await run('explain', A)).toMatch(
      /no machine on record, unknown\n\nBIOS PXE firmware on/,
    );
    world.lease('bios');
    const at = new Date(world.clock() + 1000).toISOString();
    const past = await run('explain', A, '--at', at);
    expect(past).toContain(`boot ${world.bootId()}`);
    expect(past).toMatch(/offer to firmware +10\.77\.0\.\d+ undionly\.kpxe/);
    expect(JSON.parse(await run('explain', A, '--at', at, '--json')).boot.id).toBe(world.bootId());
  });
});

describe('reveille config diff', () => {
  it('proposes a file, records and templates, and tells what the appliance says', async () => {
    const subnet = fileOf('blue.json', '{"cidr":"10.9.0.0/24"}');
    const shown = await run(
      ...['config', 'diff', fileOf('next.yaml', 'site: x')],
      ...['--record', `subnet/blue=${subnet}`, '--remove', 'rack/R1'],
      ...['--script', fileOf('pxeimage.ipxe', '#!ipxe')],
      ...['--template', `netinst/stable=${fileOf('preseed.cfg', 'd-i x')}`],
      ...['--point', 'netinst/stable=12.13'],
    );
    expect(fleetDiff.mock.calls).toEqual([
      [
        {
          config: 'site: x',
          records: [
            { kind: 'subnet', name: 'blue', doc: { cidr: '10.9.0.0/24' } },
            { kind: 'rack', name: 'R1', doc: null },
          ],
          scripts: { 'pxeimage.ipxe': '#!ipxe' },
          templates: { 'netinst/stable': 'd-i x' },
          channels: { 'netinst/stable': '12.13' },
        },
      ],
    ]);
    expect(shown).toContain('C1 52:54:00:00:00:0a, script\n  - a\n  + b\n');
    expect(shown).toContain('zone lab.example.\n  + x IN A 10.0.0.1\n');
    expect(shown).toMatch(/only 1 of 2 machines were asked about/);
    expect(shown).toMatch(/5 answers change for 1 machine\(s\).*4 of these are not shown\n$/);
  });
  it('wants to know what would change', async () => {
    await expect(run('config', 'diff')).rejects.toThrow(/Nothing is named/);
    await expect(run('config', 'diff', '--record', 'blue')).rejects.toThrow(/KIND\/NAME=FILE/);
    await expect(run('config', 'diff', '--remove', 'blue')).rejects.toThrow(/KIND\/NAME/);
    await expect(run('config', 'diff', '--template', 'x')).rejects.toThrow(/IMAGE=FILE/);
    await expect(run('config', 'diff', '--point', 'x/y')).rejects.toThrow(/CHANNEL=VERSION/);
    expect(fleetDiff).not.toHaveBeenCalled();
  });
});
