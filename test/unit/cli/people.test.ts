import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addPeopleCommands } from '../../../src/cli/people/commands.ts';
import { renderCompletion } from '../../../src/cli/people/completion.ts';
import { appliance, codeOf, commandLine } from '../../support/command-line.ts';
import type { People } from '../../support/people.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('machines', () => {
  it('are entered, found, changed, moved and forgotten', async () => {
    const { run } = await appliance();
    expect(
      await run('machines enter serial=C0MPUT3 rack=R1 unit=4 nics=52:54:00:00:00:01'),
    ).toMatch(/hardwarename +C0MPUT3\n/);
    await run('machines enter serial=SN-2 state=in-use hostname=web1 custom.purpose=db');
    expect(await run('machines list')).toMatch(
      /^HARDWARENAME {2}STATE .*\nC0MPUT3 +held .* R1\/4 .*\nSN-2 +in-use {2}web1 /,
    );
    expect(await run('machines list state=in-use rack=')).not.toContain('C0MPUT3');
    expect(await run('machines list state=broken')).toBe('nothing found\n');
    expect(await run('machines search comput3')).toContain('C0MPUT3');
    await run('machines set SN-2 tags=a,b custom.floor=3 unit=7 --why moved');
    const shown = JSON.parse(await run('machines show SN-2 --json'));
    expect(shown.machine).toMatchObject({
      tags: ['a', 'b'],
      custom: { purpose: 'db', floor: '3' },
      unit: 7,
    });
    await run('machines set SN-2 custom.purpose=');
    expect(JSON.parse(await run('machines show SN-2 --json')).machine.custom).toEqual({
      floor: '3',
    });
    expect(
      await run(['machines', 'move', 'available', 'C0MPUT3', '--why', 'looks fine']),
    ).toContain('ok');
    expect(await run(['machines', 'move', 'recycling', 'SN-2', '--why', 'done'])).toContain(
      'RELEASE_NEEDED',
    );
    expect(
      await run(['machines', 'move', 'recycling', 'SN-2', '--release', '--why', 'done']),
    ).toMatch(/SN-2 +ok/);
    expect(await run('machines states')).toMatch(/recycling +1/);
    expect(await codeOf(run('machines forget NOPE'))).toBe('MACHINE_UNKNOWN');
  });

  it('come from a sheet, page by page, and ask before a fleet is changed', async () => {
    const { run, people } = await appliance();
    const rows = Array.from({ length: 15 }, (_, n) => `SN-${100 + n},R${n % 2}`);
    const csv = ['serial,rack', ...rows].join('\n');
    expect(await run('machines import - --dry-run', csv)).toContain('SN-114');
    expect(people.world.inventory.machines.list()).toHaveLength(0);
    await run('machines import -', csv);
    expect(JSON.parse(await run('machines list --all --limit 2 --json')).machines).toHaveLength(15);
    const edit = 'machines edit-many role=web --filter state=held --why test';
    expect(await codeOf(run(edit))).toBe('CONFIRMATION_NEEDED');
    expect(await run(`${edit} --confirm 15`)).toMatch(/SN-114 +ok/);
    expect((await run('machines export role=web')).split('\r\n')).toHaveLength(17);
  });

  it('are named, addressed, merged and split', async () => {
    const { run } = await appliance();
    await run('machines enter serial=SN-1 nics=52:54:00:00:00:01');
    await run('machines enter serial=SN-2 nics=52:54:00:00:00:02');
    await run('naming-rules put web role=web pattern=web{n:3}');
    expect(await run('machines name SN-1 web')).toBe('SN-1 is web001\n');
    await run('subnets put prod cidr=10.1.0.0/29 gateway=10.1.0.1');
    expect(await run('machines address SN-1 52:54:00:00:00:01 prod')).toContain('10.1.0.2');
    expect(await run('subnets addresses prod')).toMatch(/10\.1\.0\.2 +52:54:00:00:00:01 +SN-1/);
    expect(await run(['machines', 'merge', 'SN-1', 'SN-2', '--why', 'one box'])).toContain(
      'merge 1',
    );
    expect(await codeOf(run('machines show SN-2'))).toBe('MACHINE_UNKNOWN');
    await run(['machines', 'split', '1', '--why', 'two boxes']);
    expect(await run('machines show SN-2')).toContain('52:54:00:00:00:02');
  });
});

describe('the rest of ServerDb', () => {
  it('racks, subnets and the others have the same words', async () => {
    const { run } = await appliance();
    await run('racks put R1 units=48 switches=[sw1,sw2]');
    await run(['racks', 'put', 'R1', '-'], 'notes: near the door\n');
    expect(await run('racks show R1')).toMatch(
      /units +48\nswitches +sw1, sw2\nnotes +near the door/,
    );
    expect(await run('racks list')).toContain('R1');
    expect(await codeOf(run('racks put R1 unitss=3'))).toBe('REQUEST_INVALID');
    await run('racks delete R1');
    expect(await run('racks list')).toBe('nothing found\n');
    expect(await run('hardware-types apply')).toContain('0 machines');
  });

  it('users, tokens, credentials and webhooks, with secrets from standard input', async () => {
    const { run, url } = await appliance();
    await run('squads put music contact=music@example.org');
    await run('users put negz --role operator --squad music=admin --password', 'a long password\n');
    expect(await run('users list')).toMatch(/negz +operator +music=admin +yes/);
    const secret = (await run('tokens create ci --role viewer')).trim();
    expect(secret).toMatch(/^rvl_/);
    const theirs = commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: secret });
    expect(await theirs('machines list')).toBe('nothing found\n');
    expect(await codeOf(theirs('users list'))).toBe('FORBIDDEN');
    const [, id] = /^(\w+) +ci /m.exec(await run('tokens list')) ?? [];
    await run(`tokens revoke ${id}`);
    expect(await codeOf(theirs('machines list'))).toBe('UNAUTHENTICATED');
    await run('credentials put bmc root --squad music', 'secret\n');
    expect(await run('credentials list')).toMatch(/bmc +music +root/);
    expect(await run('webhooks add http://127.0.0.1:9/ --event machine.')).toMatch(/secret /);
    expect(await run('webhooks list')).toContain('machine.');
  });

  it('events, and a classification for Puppet', async () => {
    const { run } = await appliance();
    await run('machines enter serial=SN-1 hostname=web1 role=web');
    expect(await run('events --machine SN-1')).toMatch(/machine\.state .*\n.*machine\.edited/);
    expect((await run('events --names machine.edited --json')).split('\n')).toHaveLength(2);
    expect(await run('enc web1')).toMatch(
      /^---\nenvironment: production\nclasses:\n {2}role::web: \{\}\n/,
    );
  });

  it('says where nobody answers', async () => {
    const run = commandLine({ REVEILLE_URL: 'http://127.0.0.1:9' });
    await expect(run('machines list')).rejects.toThrow(/cannot be reached.*127\.0\.0\.1:9/);
    await expect(commandLine({})('machines list --url nonsense')).rejects.toThrow(/is no URL/);
  });
});

describe('on the appliance itself', () => {
  function configured() {
    const dir = temporaryFolder('cli');
    const config = join(dir, 'reveille.yaml');
    const database = join(dir, 'reveille.db');
    writeFileSync(config, JSON.stringify({ database: { file: database } }));
    return { dir, config, database, run: commandLine() };
  }

  it('makes a token, a sound backup, and brings it back', async () => {
    const { run, config, database } = configured();
    const secret = (await run(`tokens create root --local --role admin --config ${config}`)).trim();
    expect(secret).toMatch(/^rvl_/);
    expect(statSync(`${database}.key`, { throwIfNoEntry: false })).toBeUndefined();
    const made = JSON.parse(await run(`backup --config ${config} --json`));
    expect(made.faults).toEqual([]);
    expect(statSync(made.file).mode & 0o077).toBe(0);
    expect(await run(`backup --list --config ${config}`)).toContain('reveille-');
    await run(`tokens create second --local --config ${config}`);
    const restored = JSON.parse(await run(`restore ${made.file} --config ${config} --json`));
    expect(existsSync(restored.kept)).toBe(true);
    const after = JSON.parse(await run(`backup --config ${config} --json`));
    expect(after.faults).toEqual([]);
  });

  it('restores nothing that is damaged, and nothing under a running daemon', async () => {
    const { run, config, dir, database } = configured();
    await run(`tokens create root --local --config ${config}`);
    const bad = join(dir, 'bad.db');
    writeFileSync(bad, 'this is no database'.repeat(1000));
    expect(await codeOf(run(`restore ${bad} --config ${config}`))).toBe('DATABASE_CORRUPT');
    const made = JSON.parse(await run(`backup --config ${config} --json`));
    const { default: Sqlite } = await import('better-sqlite3');
    const open = new Sqlite(database);
    open.pragma('journal_mode = WAL');
    open.prepare('SELECT count(*) FROM events').get();
    expect(await codeOf(run(`restore ${made.file} --config ${config}`))).toBe('DATABASE_FAILED');
    open.close();
  });

  it('doctor knows an interface that is missing for a VLAN and for relays, and asks none of a relayed segment', async () => {
    const { run, config } = configured();
    const segments = [
      { name: 'vlan', iface: 'eth7.100', address: '10.20.0.1', cidr: '10.20.0.0/22', pools: [] },
      { name: 'far', relayed: true, address: '10.20.0.1', cidr: '10.30.0.0/24', pools: [] },
    ];
    const dhcp = { relayInterfaces: ['relay7'], segments };
    const text = JSON.stringify({ ...JSON.parse(readFileSync(config, 'utf8')), dhcp });
    writeFileSync(config, text);
    const { findings } = JSON.parse(await run(`doctor --config ${config} --json`));
    const mends = findings
      .filter(({ check }: { check: string }) => check.startsWith('interface'))
      .map(({ check, mend }: { check: string; mend: string }) => `${check}: ${mend}`);
    expect(mends).toEqual([
      'interface eth7.100: ip link add link eth7 name eth7.100 type vlan id 100; ip link set eth7.100 up; ip address add 10.20.0.1/22 dev eth7.100; or name another in dhcp.segments',
      'interface relay7: ip link set relay7 up; or name another in dhcp.relayInterfaces',
    ]);
  });

  it('doctor names what is wrong and how to mend it', async () => {
    const { run, config, database } = configured();
    await run(`tokens create root --local --config ${config}`);
    writeFileSync(`${database}.key`, `${'ab'.repeat(32)}\n`);
    chmodSync(`${database}.key`, 0o644);
    const { findings } = JSON.parse(await run(`doctor --config ${config} --json`));
    const found = new Map(
      findings.map((one: { check: string }) => [one.check.split(' ')[0], one]),
    ) as Map<string, { ok: boolean; mend?: string }>;
    expect(found.get('interface')).toMatchObject({ ok: false });
    expect(found.get('key')).toMatchObject({
      ok: false,
      mend: expect.stringContaining('chmod 600'),
    });
    expect(found.get('database')).toMatchObject({ ok: true });
    expect(found.get('modes')).toMatchObject({
      ...{ ok: false, found: `${database}.key is 0644` },
      mend: `chmod 0600 ${database}.key`,
    });
    expect(found.get('clock')).toMatchObject({ ok: true });
    for (const { ok, mend } of found.values()) if (!ok) expect(mend).toBeTruthy();
    writeFileSync(database, readFileSync(database).fill(0x55, 100, 4096));
    expect(await codeOf(run(`tokens create second --local --config ${config}`))).toBe(
      'DATABASE_CORRUPT',
    );
    const again = JSON.parse(await run(`doctor --config ${config} --json`));
    expect(again.findings.find((one: { check: string }) => one.check === 'database')).toMatchObject(
      {
        ok: false,
        mend: expect.stringContaining('reveille restore'),
      },
    );
  });
});

describe('docs/cli.md', () => {
  it('names commands that exist, and every one', () => {
    const program = new Command('reveille');
    const nothing = () => undefined;
    addPeopleCommands(program, {
      environment: {},
      write: nothing,
      tell: nothing,
      readInput: async () => '',
    });
    const text = readFileSync('docs/cli.md', 'utf8');
    const machines = program.commands.find((one) => one.name() === 'machines')?.commands ?? [];
    for (const command of [...program.commands, ...machines])
      expect(text).toMatch(new RegExp(`\`([a-z-]+ )?${command.name()}[ \`]`));
    const known = program.commands
      .flatMap((one) => [one, ...one.commands])
      .map((one) => one.name());
    const cells = [...text.matchAll(/^\| (`[^|]*) \|/gm)].map((row) => row[1] ?? '').join(' ');
    const words = [...cells.matchAll(/[`\s]([a-z][a-z-]+)(?=[`\s])/g)].map((word) => word[1]);
    for (const word of words) expect(known).toContain(word);
  });
});

describe('completion', () => {
  const program = new Command('reveille');
  addPeopleCommands(program, {
    environment: {},
    write: () => undefined,
    tell: () => undefined,
    readInput: async () => '',
  });
  const complete = (...words: string[]) =>
    execFileSync(
      'bash',
      [
        '-c',
        `${renderCompletion(program)}
      COMP_WORDS=(reveille ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
      _reveille; printf '%s\\n' "\${COMPREPLY[@]}"`,
      ],
      { encoding: 'utf8' },
    )
      .trim()
      .split('\n');

  it.each([
    [['mach'], ['machines']],
    [['machines', 'sea'], ['search']],
    [['machines', 'move', '--rel'], ['--release']],
    [['machines', 'show', 'SN-1', '--js'], ['--json']],
    [['racks', 'pu'], ['put']],
    [['request', 'cr'], ['create']],
    [['requests', 'cr'], ['create']],
    [
      ['webhooks', 'st'],
      ['stop', 'start'],
    ],
  ])('%j', (words, expected) => expect(complete(...words)).toEqual(expected));
});

describe('two squads', () => {
  const changes = [
    'machines set SEARCH-1 role=mine --why x',
    'machines set SEARCH-1 squad=music --why x',
    'machines merge SEARCH-1 MUSIC-1 --why x',
    'machines forget SEARCH-1',
    'credentials put search-bmc x --squad search',
    'credentials remove search-bmc',
    'webhooks add http://127.0.0.1:9/ --squad search',
    'tokens create mine --squad search=operator',
    'users put negz --role admin',
  ];

  async function squads(): Promise<{
    people: People;
    mine: ReturnType<typeof commandLine>;
    url: string;
  }> {
    const { people, run, url } = await appliance();
    people.squad('music', 'search');
    for (const squad of ['music', 'search'])
      await run(`machines enter serial=${squad.toUpperCase()}-1 state=in-use squad=${squad}`);
    await run('credentials put search-bmc root --squad search', 'a very secret word');
    const { access } = people.world.inventory.serverdb;
    const token = { name: 'music', role: 'viewer', squads: { music: 'operator' } } as const;
    const { secret } = access.createToken(token, 'test');
    return { people, url, mine: commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: secret }) };
  }

  it.each(changes)('an operator of one is refused: %s', async (line) => {
    const { people, mine } = await squads();
    const before = people.world.inventory.events.lastId();
    expect(await codeOf(mine(line, 'a password'))).toBe('FORBIDDEN');
    const after = people.world.inventory.events.after(before, 10).map(({ name }) => name);
    expect(after).toEqual(['access.refused']);
  });

  it('are refused machine by machine where many are named, which is audited too', async () => {
    const { people, mine } = await squads();
    const before = people.world.inventory.events.lastId();
    const move = 'machines move recycling SEARCH-1 MUSIC-1 --release --why x --confirm 2 --json';
    expect(JSON.parse(await mine(move)).results).toMatchObject([
      { hardwarename: 'SEARCH-1', ok: false, code: 'FORBIDDEN' },
      { hardwarename: 'MUSIC-1', ok: true },
    ]);
    expect(process.exitCode).toBe(1);
    const after = people.world.inventory.events.after(before, 20).map(({ name }) => name);
    expect(after.filter((name) => name === 'access.refused')).toHaveLength(1);
  });

  it('see no credential of each other, by name or content', async () => {
    const { people, mine, url } = await squads();
    const own = await mine('credentials list --json');
    expect(own).not.toContain('search-bmc');
    expect(own).not.toContain('secret word');
    const { access } = people.world.inventory.serverdb;
    const token = { name: 'x', role: 'technician', squads: { music: 'operator' } } as const;
    const { secret } = access.createToken(token, 'test');
    const technician = commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: secret });
    const list = await technician('credentials list --json');
    expect(list).not.toContain('search-bmc');
    expect(list).not.toContain('secret word');
  });

  it('change their own', async () => {
    const { mine } = await squads();
    await mine('machines set MUSIC-1 role=db --why x');
    expect(JSON.parse(await mine('machines show MUSIC-1 --json')).machine.role).toBe('db');
  });
});
