/** BMCs through the API and the command line: a simulated BMC on a real socket, asked by name of its machine. */
import type { AddressInfo } from 'node:net';
import { Command } from 'commander';
import { afterEach, describe, expect, it } from 'vitest';
import { type FakeBmc, startFakeBmc } from '../../../../qemu-lab/fake-bmc.ts';
import { simpleMachine } from '../../../../qemu-lab/fake-bmc-state.ts';
import { addBmcCommands, namesMachine, runMachineBmc } from '../../../../src/cli/people/bmcs.ts';
import type { CliContext } from '../../../../src/cli/people/connection.ts';
import { openBmcPorts } from '../../../../src/platform/bmc-udp.ts';
import { createAccessWorld } from '../../../support/bmc-access.ts';
import { createPeople, problemOf } from '../../../support/people.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function appliance() {
  const bmc: FakeBmc = await startFakeBmc({ machine: simpleMachine(true) });
  closers.push(() => bmc.close());
  const ports = await openBmcPorts();
  closers.push(() => ports.close());
  const here = createAccessWorld(ports, { bmcPort: bmc.port });
  closers.push(() => here.access.close());
  here.credential('site', 'operator', 'operpw');
  here.machine('C0MPUT3');
  const people = await createPeople({ bmcs: here }, here.world);
  await people.app.listen({ host: '127.0.0.1', port: 0 });
  closers.push(() => people.app.close());
  const { port } = people.app.server.address() as AddressInfo;
  const { secret } = here.world.inventory.serverdb.access.createToken(
    { name: 'cli', role: 'admin', squads: {} },
    'test',
  );
  const written = () => {
    const output = { text: '' };
    const context: CliContext = {
      environment: { REVEILLE_URL: `http://127.0.0.1:${port}`, REVEILLE_TOKEN: secret },
      write: (text: string) => {
        output.text += text;
      },
      tell: () => undefined,
      readInput: async () => '',
    };
    return { output, context };
  };
  const run = async (line: string, json = false) => {
    const { output, context } = written();
    await runMachineBmc(context, line.split(' ') as [string, ...string[]], { json });
    return output.text;
  };
  const command = async (line: string) => {
    const { output, context } = written();
    const program = new Command('reveille').exitOverride();
    addBmcCommands(program.command('bmc').option('--json').option('--url <URL>'), context);
    await program.parseAsync(['bmc', ...line.split(' ')], { from: 'user' });
    return output;
  };
  return { ...here, bmc, people, run, command };
}

describe('GET /machines/HARDWARENAME/bmc', () => {
  it('says what is known, and what the BMC says now', async () => {
    const { people, bmc } = await appliance();
    const get = async (path: string) =>
      (await people.admin('GET', `/machines/C0MPUT3/bmc${path}`)).body;
    expect(await get('')).toMatchObject({ address: '127.0.0.1', protocol: '', openedAt: 0 });
    expect(await get('/power')).toEqual({ on: true, protocol: 'ipmi' });
    const { sensors } = await get('/sensors');
    expect(sensors).toContainEqual(
      expect.objectContaining({ name: 'FAN1', value: 5220, unit: 'rpm', health: 'ok' }),
    );
    expect((await get('/sel')).entries[0]).toMatchObject({ text: expect.stringContaining('#0x') });
    expect(await get('/fru')).toMatchObject({ serial: 'LAB0001', bmcMac: '02:00:00:00:99:01' });
    expect(await get('')).toMatchObject({ protocol: 'ipmi', openedWith: 'site', failedAt: 0 });
    expect(bmc.sessions()).toBe(1);
  });

  it('is for technicians, also of its squad; a machine without one says so', async () => {
    const { people, machine, world } = await appliance();
    const power = async (call: typeof people.admin, name = 'C0MPUT3') =>
      problemOf(await call('GET', `/machines/${name}/bmc/power`));
    expect(await power(people.nobody)).toBe('401 UNAUTHENTICATED');
    expect(await power(people.as('viewer'))).toBe('403 FORBIDDEN');
    expect(await power(people.as('technician'))).toBe('200');
    people.squad('music');
    const { serverdb, transaction } = world.inventory;
    const cause = { who: 'test', why: 'test' };
    transaction(() => serverdb.editor.edit('C0MPUT3' as never, { squad: 'music' }, cause));
    expect(await power(people.as('viewer', { music: 'technician' }))).toBe('200');
    machine('N0BMC001', { bmcAddress: '' });
    expect(await power(people.admin, 'N0BMC001')).toBe('409 BMC_MISSING');
    expect(await power(people.admin, 'N0B0DY')).toBe('404 MACHINE_UNKNOWN');
  });

  it('tells why the BMC cannot be asked, without any password', async () => {
    const { people, credential } = await appliance();
    credential('site', 'operator', 'a-wrong-password');
    const answer = await people.admin('GET', '/machines/C0MPUT3/bmc/power');
    expect(problemOf(answer)).toBe('502 BMC_PASSWORD');
    expect(answer.text).not.toContain('a-wrong-password');
    const known = await people.admin('GET', '/machines/C0MPUT3/bmc');
    expect(known.body).toMatchObject({ code: 'BMC_PASSWORD', failedAt: expect.any(Number) });
    expect(known.text).not.toContain('a-wrong-password');
  });
});

describe('BMCs that were seen', () => {
  it('are listed, matched, looked at and forgotten, by API and command line', async () => {
    const { people, world, run: _, bmc: __, ...here } = await appliance();
    const { inventory } = world;
    const mac = '02:00:00:00:98:01';
    inventory.transaction(() =>
      here.registry.sighted({ mac, address: '10.9.9.9', source: 'dhcp', vendorClass: 'iDRAC' }),
    );
    const listed = await people.admin('GET', '/bmcs?unmatched=true');
    expect(listed.body.items).toMatchObject([
      {
        id: mac,
        address: '10.9.9.9',
        hardwarename: '',
        why: expect.stringContaining('No machine'),
      },
    ]);
    const { text } = await here.command('list --unmatched');
    expect(text).toMatch(/02:00:00:00:98:01 +10\.9\.9\.9/);
    const document = JSON.parse((await here.command('list --unmatched --json')).text);
    expect(document.items).toHaveLength(1);
    const post = (call: typeof people.admin, word: string, body?: object) =>
      call('POST', `/bmcs/${mac}/${word}`, body === undefined ? {} : { body });
    expect(problemOf(await post(people.as('technician'), 'wake'))).toBe('403 FORBIDDEN');
    expect((await post(people.admin, 'wake')).body).toMatchObject({ wake: 'asked' });
    expect((await post(people.admin, 'look')).body.lookNext).toBeGreaterThan(0);
    expect((await post(people.admin, 'unpin')).body.certificate).toBe('');
    expect((await here.command(`match ${mac} C0MPUT3`)).text).toContain('BMC of C0MPUT3');
    expect((await people.admin('GET', `/bmcs/${mac}`)).body).toMatchObject({
      ...{ hardwarename: 'C0MPUT3', matchedBy: 'person', wake: '' },
    });
    expect(inventory.machines.record('C0MPUT3' as never)?.bmcAddress).toBe('10.9.9.9');
    expect(problemOf(await post(people.admin, 'wake'))).toBe('409 STILL_REFERENCED');
    expect(problemOf(await post(people.admin, 'match', { hardwarename: 'N0B0DY' }))).toBe(
      '404 MACHINE_UNKNOWN',
    );
    expect((await here.command(`forget ${mac}`)).text).toContain('forgotten');
    expect(problemOf(await people.admin('GET', `/bmcs/${mac}`))).toBe('404 NOT_FOUND');
  });
});

describe('what people decide about a BMC', () => {
  it('a technician confirms the one that a machine reports, and has refused logins tried again', async () => {
    const { people, world, run, credential, bmc } = await appliance();
    const { serverdb, transaction } = world.inventory;
    const hardwarename = 'C0MPUT3' as never;
    const claim = { address: '10.9.9.9', mac: '02:00:00:00:98:07', at: 1, lookNext: 0, looks: 1 };
    transaction(() =>
      serverdb.bmcClaims.put({ ...claim, hardwarename, state: 'unproven', why: 'It is silent.' }),
    );
    credential('site', 'operator', 'wrong');
    const show = async () => (await people.admin('GET', '/machines/C0MPUT3/bmc')).body;
    expect(problemOf(await people.admin('GET', '/machines/C0MPUT3/bmc/power'))).toContain('502');
    expect(await show()).toMatchObject({
      ...{ address: '127.0.0.1', trusted: false },
      refused: [{ credential: 'site', code: 'BMC_PASSWORD' }],
      claim: { address: '10.9.9.9', state: 'unproven', why: 'It is silent.' },
    });
    const post = (call: typeof people.admin, word: string) =>
      call('POST', `/machines/C0MPUT3/bmc/${word}`);
    expect(problemOf(await post(people.as('viewer'), 'confirm'))).toBe('403 FORBIDDEN /bmcAddress');
    expect((await post(people.as('technician'), 'retry')).body).toMatchObject({ refused: [] });
    // The password that the BMC has all the time.
    bmc.state.users[3] = { ...bmc.state.users[3], password: Buffer.from('wrong') } as never;
    expect(await run('C0MPUT3 power status')).toContain('is on');
    expect(await run('C0MPUT3 confirm')).toContain('10.9.9.9');
    expect(world.inventory.machines.record(hardwarename)?.bmcAddress).toBe('10.9.9.9');
    expect((await show()).claim).toMatchObject({ state: 'confirmed', why: '' });
  });

  it('an operator trusts its certificate, and no other than the one that it shows', async () => {
    const { people, world, command, registry } = await appliance();
    const mac = '02:00:00:00:98:01';
    const shown = 'ab'.repeat(32);
    world.inventory.transaction(() => {
      registry.sighted({ mac, address: '10.9.9.9', source: 'dhcp' });
      world.inventory.serverdb.bmcs.write(mac, { certificate: shown });
    });
    const trust = (certificate: string, call = people.admin) =>
      call('POST', `/bmcs/${mac}/trust`, { body: { certificate } });
    expect(problemOf(await trust(shown, people.as('technician')))).toBe('403 FORBIDDEN');
    expect(problemOf(await trust('cd'.repeat(32)))).toBe('400 REQUEST_INVALID /certificate');
    expect(problemOf(await trust('short'))).toBe('400 REQUEST_INVALID /certificate');
    const { text } = await command(`trust ${mac} ${'AB:'.repeat(31)}AB`);
    expect(text).toContain(`${shown} is trusted`);
    expect((await people.admin('GET', `/bmcs/${mac}`)).body.trusted).toBe(true);
  });
});

describe('reveille bmc HARDWARENAME', () => {
  it.each([
    ['C0MPUT3 power status', /^Chassis Power is on\n$/],
    ['C0MPUT3 chassis power status', /^Chassis Power is on\n$/],
    ['C0MPUT3 sensor list', /FAN1 +5220 rpm +ok/],
    ['C0MPUT3 sel list', /2023-11-14 22:15:20 UTC +Temperature #0x02/],
    ['C0MPUT3 fru print', /serial +LAB0001/],
    ['C0MPUT3 show', /address +127\.0\.0\.1/],
  ])('%s', async (line, output) => {
    const { run } = await appliance();
    expect(await run(line)).toMatch(output);
  });

  it('prints JSON, and asks for a job where the machine is changed', async () => {
    const { run, world } = await appliance();
    expect(JSON.parse(await run('C0MPUT3 power status', true))).toEqual({
      on: true,
      protocol: 'ipmi',
    });
    // Nobody runs jobs here: it is queued, and called off so that the command line comes back.
    const asked = run('C0MPUT3 power cycle');
    const { jobs, inventory } = world;
    let queued = jobs.store.unfinished()[0];
    while (!queued) {
      await new Promise((resolve) => setImmediate(resolve));
      queued = jobs.store.unfinished()[0];
    }
    const job = queued;
    expect(job).toMatchObject({ kind: 'power-cycle', target: 'C0MPUT3' });
    const ended = { is: 'ended', status: 'cancelled', code: '', detail: '' } as const;
    inventory.transaction(() => jobs.store.append(job, ended));
    expect(await asked).toContain('queued');
    expect(process.exitCode).toBe(1);
    process.exitCode = 0;
  });

  it('is told apart from a BMC’s own address, and says what can be asked', async () => {
    const { run } = await appliance();
    expect(namesMachine('C0MPUT3', undefined)).toBe(true);
    expect(namesMachine('C0MPUT3', 'admin')).toBe(false);
    expect(namesMachine('10.0.0.1', undefined)).toBe(false);
    await expect(run('C0MPUT3 dance')).rejects.toThrow(/power status, .*With -U/);
  });
});
