import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBootRules } from '../../../src/boot/binaries.ts';
import { type BootFacts, decide } from '../../../src/boot/decide.ts';
import { loadGrubScripts } from '../../../src/boot/render-grub.ts';
import { LOCAL_BOOT_METHODS } from '../../../src/boot/settings.ts';
import { isGrubStart, parseTokenPath, tokenPath } from '../../../src/boot/token-path.ts';
import { parseConfig } from '../../../src/config.ts';
import { withoutToken } from '../../../src/daemon/tftp.ts';
import { lookUp, shownName } from '../../../src/daemon/tftp-lookup.ts';
import { replyOf } from '../../support/outcomes.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { createWorld, dhcpPacket, mac } from '../../support/world.ts';

const A = mac('52:54:00:00:00:0a');
const TOKEN = 'T'.repeat(32);
const CHAIN =
  'secureBoot: { uefiX64: { first: shimx64.efi, second: grubnetx64.efi, loader: grub } }';
const YAML = `boot: { ${CHAIN} }`;
const scripts = loadGrubScripts((name) => readFileSync(`grub-scripts/${name}`, 'utf8'));
const GRUB = { stage: 'grub', arch: 7, foreignIpxe: false } as const;
const facts = (changes: Partial<BootFacts>): BootFacts => ({
  ...{ client: GRUB, state: 'unknown', work: undefined, installed: false, binariesServed: 0 },
  ...{ binary: undefined, localBoot: 'auto', ...changes },
});
const values = {
  ...{ url: 'http://10.77.0.1:8080', token: TOKEN, mac: A, machine: 'SN-1' },
  kernelArguments: 'console=tty0 console=ttyS0,115200',
};
const scriptOf = (changes: Partial<BootFacts>, more: Partial<typeof values> = {}) =>
  scripts.render(decide(facts(changes)), { ...values, ...more });

describe('the script of GRUB', () => {
  it('starts pxeimage from the folder that GRUB came from, with each argument in quotes', () => {
    const script = scriptOf({});
    expect(script).toContain(`echo 'Reveille: SN-1: no record owns this NIC`);
    expect(script).toContain(
      `linux "$cmdpath/vmlinuz" 'reveille.url=http://10.77.0.1:8080' 'reveille.token=${TOKEN}' 'reveille.mode=recon' 'BOOTIF=01-52-54-00-00-00-0a' 'console=tty0' 'console=ttyS0,115200'`,
    );
    expect(script).toContain('initrd "$cmdpath/initrd.img"');
  });

  it.each([
    ['available', 'reveille.mode=wait'],
    ['held', 'reveille.mode=wait'],
    ['broken', 'reveille.mode=rescue'],
    ['in-use', 'chainloader "$loader"'],
    ['retired', 'this machine is retired'],
  ] as const)('of a machine that is %s has %s', (state, part) => {
    expect(scriptOf({ state })).toContain(part);
  });

  it('installs with a live work order alone, by pxeimage or by its own installer', () => {
    expect(scriptOf({ state: 'installing' })).toContain('reveille.mode=wait');
    expect(scriptOf({ state: 'installing', work: 'install' })).toContain('reveille.mode=install');
    const decision = decide(facts({ state: 'installing', work: 'install', installer: true }));
    const work = 'W'.repeat(32);
    const installer = { work, kernelArguments: 'a=b --- ; quiet;x' };
    const script = scripts.render(decision, { ...values, installer });
    expect(script).toContain(
      `linux "($root)/installer/${work}/kernel" 'a=b' '---' 'quiet;x'; then`,
    );
  });

  it.each(LOCAL_BOOT_METHODS)('leaves for the disk by %s', (localBoot) => {
    const script = scriptOf({ state: 'in-use', localBoot });
    expect(script.includes('chainloader')).toBe(!localBoot.startsWith('exit'));
    expect(script).toMatch(/^exit$/m);
  });

  it('says why pxeimage cannot be had, and boots nothing', () => {
    const script = scriptOf({ client: { ...GRUB, arch: 11 } });
    expect(script).toContain('does not run on uefi-arm64');
    expect(script).not.toMatch(/^\s*(if )?(linux|boot)\b/m);
  });

  /** Outside of its comments and its quotes, a script is what its template is. */
  const commands = (script: string) =>
    script
      .replace(/^#.*$/gm, '')
      .replace(/'[^']*'/g, "''")
      .replace(/('' ?)+/g, "''");
  it('lets no value become a command, whatever a machine or a configuration says', () => {
    const hostile = fc.string({ unit: 'binary', maxLength: 60 });
    const evil = fc.oneof(hostile, fc.constantFrom("'; reboot; '", '"$(x)"', "a\n'b", '$x', '#'));
    fc.assert(
      fc.property(evil, evil, evil, (machine, why, kernelArguments) => {
        for (const state of ['unknown', 'in-use', 'retired'] as const) {
          const decision = { ...decide(facts({ state })), reasons: [why] };
          const script = scripts.render(decision, { ...values, machine, kernelArguments });
          const plain = scripts.render(decide(facts({ state })), values);
          const bare = (text: string) => commands(text).replace(/ ''; then/g, '; then');
          expect(bare(script)).toBe(bare(plain));
          expect(script.split('\n')).toHaveLength(plain.split('\n').length);
        }
      }),
    );
  });

  it('is made of templates that all are checked at the start', () => {
    expect(() => loadGrubScripts(() => '{{nonsense}}')).toThrow(/unknown placeholder 'nonsense'/);
    expect(() =>
      loadGrubScripts((name) => {
        throw new Error(name);
      }),
    ).toThrow();
    for (const name of readdirSync('grub-scripts'))
      expect(readFileSync(`grub-scripts/${name}`, 'utf8'), name).toMatch(
        /^(boot|reboot|exit|done)\n$/m,
      );
  });
});

describe('names below a token', () => {
  it.each([
    [`/boot/${TOKEN}/shimx64.efi`, { folder: 'boot', token: TOKEN, file: 'shimx64.efi' }],
    [`boot/${TOKEN}/grub.cfg`, { folder: 'boot', token: TOKEN, file: 'grub.cfg' }],
    [`installer/${TOKEN}/kernel`, { folder: 'installer', token: TOKEN, file: 'kernel' }],
    ['snponly.efi', undefined],
    ['boot/short/grub.cfg', undefined],
    [`boot/${TOKEN}/../../etc/passwd`, undefined],
    [`recon/${TOKEN}/grub.cfg`, undefined],
    [`boot/${TOKEN}/`, undefined],
  ])('%s', (name, path) => {
    expect(parseTokenPath(name)).toEqual(path);
  });

  it('fit the field of a DHCP reply with the longest name that a file may have there', () => {
    expect(tokenPath(TOKEN, 'shimx64.efi').length).toBeLessThan(128);
  });

  it('begin at the one name that is built into GRUB', () => {
    expect(isGrubStart('/grub/x86_64-efi/grub.cfg')).toBe(true);
    expect(isGrubStart('grub/arm64-efi/grub.cfg')).toBe(true);
    expect(isGrubStart('/grub/grub.cfg')).toBe(true);
    expect(isGrubStart('boot/grub/grub.cfg')).toBe(false);
    expect(isGrubStart('grub/x86_64-efi/command.lst')).toBe(false);
  });
});

describe('a chain of shim and GRUB', () => {
  const uefi = dhcpPacket({ mac: A, type: 1, client: 'uefi' });
  const offered = (world: ReturnType<typeof createWorld>) => {
    const event = world.inventory.events.after(0, 9).find(({ name }) => name === 'dhcp.offered');
    return event?.name === 'dhcp.offered' ? event.data : undefined;
  };

  it('is offered below the token of the boot, which no event shows', () => {
    const world = createWorld(undefined, YAML);
    expect(replyOf(world.dhcp(uefi)).file).toMatch(/^\/boot\/[A-Za-z0-9_-]{32}\/shimx64\.efi$/);
    expect(offered(world)).toMatchObject({
      bootFile: '/boot/…/shimx64.efi',
      why: expect.stringContaining(
        'GRUB over TFTP as shimx64.efi (Secure Boot: it then asks for grubx64.efi)',
      ),
    });
  });

  it('is no offer where Debian’s GRUB cannot go on: by HTTP, beside another server, without its second file', () => {
    const http = createWorld(undefined, YAML);
    expect(replyOf(http.dhcp(dhcpPacket({ mac: A, type: 1, client: 'http' }))).file).toBe('');
    expect(offered(http)?.why).toContain('speaks TFTP only');
    const proxied = createWorld(undefined, `dhcp: { segments: [{ mode: proxy }] }\n${YAML}`);
    expect(proxied.dhcp(uefi).kind).toBe('drop');
    const halved = createWorld(undefined, YAML, {}, (file) => file !== 'grubnetx64.efi');
    expect(replyOf(halved.dhcp(uefi)).file).toBe('');
    expect(offered(halved)?.why).toContain('grubnetx64.efi for uefi-x64 is not in boot.assets');
  });

  it('has a first file that fits into a reply with its token', () => {
    const named = (length: number) =>
      parseConfig(
        `boot: { secureBoot: { uefiX64: { first: ${'s'.repeat(length)}, second: g, loader: grub } } }`,
      );
    expect(named(88).boot.secureBoot.uefiX64?.first).toHaveLength(88);
    expect(() => named(89)).toThrow(/too long below a token/);
  });

  it('leaves GRUB’s first question to the folder of boot files where no chain ends in it', () => {
    const world = createWorld();
    expect(lookUp({ ...world, config: parseConfig('') }, '/grub/grub.cfg', '10.77.0.1')).toBe(
      undefined,
    );
  });

  it('is what an override names, and is not where an override names another file', () => {
    const yaml = `boot: { ${CHAIN}, machines: [{ mac: '${A}', binaries: { uefiX64: snponly.efi } }] }`;
    expect(replyOf(createWorld(undefined, yaml).dhcp(uefi)).file).toBe('snponly.efi');
    const rules = createBootRules(parseConfig(yaml).boot, () => true);
    const other = { mac: mac('52:54:00:00:00:0b'), hardwarename: undefined, product: undefined };
    expect(rules.choose('uefiX64', other, { stuck: false }).loader).toBe('grub');
    const mine = { ...other, mac: A };
    expect(rules.choose('uefiX64', mine, { stuck: false }).loader).toBe('ipxe');
  });

  function booted() {
    const world = createWorld(undefined, YAML);
    const folder = temporaryFolder('grub');
    for (const name of ['vmlinuz', 'shimx64.efi']) writeFileSync(join(folder, name), name);
    const config = parseConfig(
      `${YAML.replace('boot: {', `boot: { assets: ${folder}, pxeimage: ${folder},`)}\nmachineHttp: { port: 8080 }`,
    );
    const { file } = replyOf(world.dhcp(uefi));
    const below = (name: string) => file.replace('shimx64.efi', name);
    const ask = (name: string) => lookUp({ ...world, config }, name, '10.77.0.1');
    return { world, folder, file, below, ask };
  }

  it('is served by token: shim, GRUB, the start that is for all, the script, kernel and initrd', () => {
    const { world, folder, file, below, ask } = booted();
    expect(ask(file)).toEqual({ folder, name: 'shimx64.efi' });
    expect(ask(below('grubx64.efi'))).toEqual({ folder, name: 'grubnetx64.efi' });
    expect(ask('/grub/grub.cfg')).toEqual({ text: scripts.start });
    expect(ask(below('vmlinuz'))).toEqual({ folder, name: 'vmlinuz' });
    const token = parseTokenPath(file)?.token ?? '';
    expect(ask(below('grub.cfg'))).toEqual({
      text: expect.stringContaining(
        `'reveille.url=http://10.77.0.1:8080' 'reveille.token=${token}'`,
      ),
    });
    const boot = world.inventory.boots.latest(A);
    expect(boot?.scriptAt).toBeDefined();
    const script = world.inventory.events.after(0, 99).find(({ name }) => name === 'ipxe.script');
    expect(script).toMatchObject({ boot: boot?.id, data: { mode: 'recon', loader: 'grub' } });
    expect(JSON.stringify(world.inventory.events.after(0, 99))).not.toContain(token);
  });

  it('gives nothing for a token that nobody has, that is over, or that is for something else', () => {
    const { world, below, ask } = booted();
    expect(ask(`/boot/${TOKEN}/grub.cfg`)).toBeUndefined();
    const boot = world.inventory.boots.latest(A);
    const wait = world.inventory.tokens.mint(boot?.id as never, A, 'wait').token;
    expect(ask(`/boot/${wait}/vmlinuz`)).toBeUndefined();
    world.pass(4_000_000);
    expect(ask(below('grub.cfg'))).toBeUndefined();
    // As with each other one, without an error: any stranger can ask for it.
    expect(ask(`/installer/${TOKEN}/kernel`)).toBeUndefined();
    expect(ask(`/installer/${TOKEN}/initrd`)).toBeUndefined();
  });

  it('is offered again after a boot that fetched the shim and was not heard of again', () => {
    const { world } = booted();
    const boot = world.inventory.boots.latest(A);
    world.inventory.boots.binaryServed(boot?.id as never);
    world.pass(200_000);
    expect(replyOf(world.dhcp(uefi)).file).toMatch(/\/shimx64\.efi$/);
    expect(world.inventory.boots.latest(A)?.id).not.toBe(boot?.id);
  });

  it.each([
    [`/boot/${TOKEN}/$&`, 'no file', { file: '$&', why: 'no file: $&' }],
    [`/boot/${TOKEN}/a/b`, 'no file', { file: '/boot/…/a/b', why: 'no file: /boot/…/a/b' }],
    [`//boot/${TOKEN}/a`, 'no file', { file: '//boot/…/a', why: 'no file: //boot/…/a' }],
    [`/boot/${TOKEN}.efi`, 'odd', { file: '/boot/….efi', why: 'odd: /boot/….efi' }],
    ['x', `recon/${TOKEN}`, { file: 'x', why: 'recon/…: x' }],
  ])('is told of in events without a token: %s', (name, said, shown) => {
    const { world } = booted();
    const why = `${said}: ${name}`;
    const numbers = { block: -1, acked: -1, probe: false, retransmits: 0, unheard: 0 };
    const failed = { name: 'tftp.failed', data: { file: name, why, ...numbers } } as const;
    expect(withoutToken({ ...world, config: parseConfig(YAML) }, failed)).toEqual(shown);
  });

  it('has names of files in events without their token', () => {
    const { world } = booted();
    const parts = { ...world, config: parseConfig(YAML) };
    expect(shownName(parts, `/boot/${TOKEN}/initrd.img`)).toBe('initrd.img');
    expect(shownName(parts, `/installer/${TOKEN}/kernel`)).toBe('kernel');
    expect(shownName(parts, 'snponly.efi')).toBe('snponly.efi');
  });
});
