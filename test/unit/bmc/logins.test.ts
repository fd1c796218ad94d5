/** Logins and BMCs: what is not tried again, and to whom the site's password is never shown. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { type FakeRedfish, startFakeRedfish } from '../../../qemu-lab/fake-redfish.ts';
import { createBmcAccess } from '../../../src/bmc/access.ts';
import type { SecureHttp } from '../../../src/bmc/dial.ts';
import { loginOrder } from '../../../src/bmc/logins.ts';
import { AppError } from '../../../src/errors.ts';
import { limit } from '../../../src/limits.ts';
import { createBmcHttps, readBmcCertificate } from '../../../src/platform/bmc-https.ts';
import { createAccessWorld } from '../../support/bmc-access.ts';
import { deafPorts } from '../../support/deaf-ports.ts';
import { BMC, createIpmiWorld, type IpmiWorld } from '../../support/ipmi-world.ts';

const HOUR = 3_600_000;
const RAKP1 = 0x12;
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: AppError) => error,
  );

/** User names of logins that were begun, in order: RAKP 1 has them from byte 28 of its payload on (table 13-11). */
const namesTried = ({ traffic }: IpmiWorld) =>
  traffic
    .filter(({ from, bytes }) => from === 'console' && bytes[5] === RAKP1)
    .map(({ bytes }) => Buffer.from(bytes.subarray(16 + 28)).toString('latin1'));

function world(options: Parameters<typeof createAccessWorld>[1] = {}) {
  const sim = createIpmiWorld({ machine: simpleMachine(true) });
  const here = createAccessWorld(sim.ports, { bmcPort: BMC.port, ...options });
  const use = (target: Parameters<typeof here.access.use>[0], how = {}) =>
    sim.run(here.access.use(target, (bmc) => bmc.powerOn(), how));
  return { ...here, sim, use };
}

const stranger = {
  ...{ id: '127.0.0.1', address: '127.0.0.1', hardwarename: '' as const },
  ...{ hardwareType: '', vendor: '', credential: '', stranger: true },
};

describe('the order of logins', () => {
  const names = { last: '', own: 'own', site: ['site'], factory: ['f1', 'f2'] };
  it('is the machine’s own and the site’s first for a BMC that is known', () => {
    expect(loginOrder({ ...names, stranger: false })).toEqual(['own', 'site', 'f1', 'f2']);
    expect(loginOrder({ ...names, stranger: false, last: 'f2' })[0]).toBe('f2');
  });
  it('is the factories’ first for a stranger, the site’s last', () => {
    expect(loginOrder({ ...names, stranger: true })).toEqual(['f1', 'f2', 'own', 'site']);
    expect(loginOrder({ ...names, stranger: true, last: 'left-the-lists' })[0]).toBe('f1');
  });
});

describe('a login that does not fit in IPMI', () => {
  it('is passed over for the next one, and is no refusal of the BMC’s', async () => {
    const { sim, use, credential, machine, world: inside } = world();
    credential('long', 'seventeen-letters', 'secret');
    credential('site', 'admin', 'secret');
    const target = machine('C0MPUT3', { bmcCredential: 'long' });
    expect(await use(target)).toBe(true);
    expect(namesTried(sim)).toEqual(['admin']);
    const error = await refusal(use(target, { credential: 'long' }));
    expect(error?.code).toBe('REQUEST_INVALID');
    expect(error?.detail).toContain('long (The user name is longer than 16 bytes.)');
    expect(inside.inventory.serverdb.bmcs.get(target.id)?.refused).toEqual({});
  });

  it('is tried over Redfish, which knows longer ones, where the BMC has that', async () => {
    const asked: string[] = [];
    const secure = {
      certificateOf: async () => 'ab',
      connect: () => async (request: { path: string }) => {
        asked.push(request.path);
        throw new AppError('BMC_UNREACHABLE');
      },
    } as unknown as SecureHttp;
    const { use, credential, machine } = world({ secure, factoryCredentials: ['long'] });
    credential('long', 'seventeen-letters', 'secret');
    const error = await refusal(use(machine('C0MPUT3'), { credential: 'long' }));
    expect(asked.length).toBeGreaterThan(0);
    // That there is no Redfish says less than that the name is too long.
    expect(error?.code).toBe('REQUEST_INVALID');
  });
});

describe('a login that a BMC refused', () => {
  it('is not offered again, not after a day and not after a restart', async () => {
    const { sim, use, credential, machine, world: inside } = world();
    credential('site', 'admin', 'wrong');
    const target = machine('C0MPUT3');
    expect((await refusal(use(target)))?.code).toBe('BMC_PASSWORD');
    inside.pass(24 * HOUR);
    const error = await refusal(use(target));
    expect(error?.code).toBe('BMC_PASSWORD');
    expect(error?.detail).toContain('reveille bmc NAME retry');
    const { inventory, clock } = inside;
    const restarted = createBmcAccess({
      ...{ ...inventory.serverdb, ports: sim.ports, clock, soon: inventory.soon },
      ...{ siteCredentials: ['site'], transaction: inventory.transaction },
    });
    expect((await sim.run(refusal(restarted.open(target))))?.code).toBe('BMC_PASSWORD');
    expect(() => restarted.settings(target)).toThrow(/password/);
    expect(namesTried(sim)).toEqual(['admin']);
  });

  it('on a console is not handed out again either', () => {
    const { access, credential, machine } = world();
    credential('site', 'admin', 'wrong');
    const target = machine('C0MPUT3');
    access.settings(target).failed(new AppError('BMC_TIMEOUT'));
    access.settings(target).failed(new AppError('BMC_PASSWORD'));
    expect(() => access.settings(target)).toThrow(/password/);
    credential('site', 'admin', 'secret');
    expect(access.settings(target).settings.password).toBe('secret');
  });

  it('on a console counts as anywhere else, and none is handed out when there were too many', () => {
    const most = limit('bmcRefusalsMax');
    const site = Array.from({ length: most + 3 }, (_, index) => `s${index}`);
    const { access, credential, machine, world: inside } = world({ siteCredentials: site });
    for (const name of site) credential(name, `u-${name}`, 'x');
    const target = machine('C0MPUT3');
    for (let tried = 0; tried < most; tried++)
      access.settings(target).failed(new AppError('BMC_PASSWORD'));
    expect(() => access.settings(target)).toThrow(/BMC_LOCKOUT/);
    inside.pass(HOUR);
    expect(access.settings(target).settings.user).toBe(`u-s${most}`);
  });

  it('is offered again when it has changed, when accounts of the BMC have, or when a person asks', async () => {
    const { sim, use, credential, machine, registry, world: inside } = world();
    credential('site', 'reveille', 'correct-horse-9');
    credential('factory', 'admin', 'secret');
    const target = machine('C0MPUT3', { bmcCredential: 'factory' });
    const site = { credential: 'site' } as const;
    expect((await refusal(use(target, site)))?.code).toBe('BMC_USER');
    registry.retry(target.id);
    expect((await refusal(use(target, site)))?.code).toBe('BMC_USER');
    credential('site', 'reveille', 'correct-horse-10');
    expect((await refusal(use(target, site)))?.code).toBe('BMC_USER');
    const account = { name: 'reveille', password: 'correct-horse-10' };
    const options = { privilege: 'administrator' } as const;
    await sim.run(
      createTurn(inside, sim).use(target, async (bmc) => bmc.accounts?.put(account), options),
    );
    expect(await use(target, site)).toBe(true);
    expect(namesTried(sim)).toEqual(['reveille', 'reveille', 'reveille', 'admin', 'reveille']);
  });

  it('as administrator may still open it as operator', async () => {
    const { use, credential, machine } = world();
    credential('site', 'operator', 'operpw');
    const target = machine('C0MPUT3');
    const admin = { privilege: 'administrator' } as const;
    expect((await refusal(use(target, admin)))?.code).toBe('BMC_PRIVILEGE');
    expect(await use(target)).toBe(true);
    expect((await refusal(use(target, admin)))?.code).toBe('BMC_PRIVILEGE');
  });

  it('counts: after so many within an hour none is tried, except the one that opened it last', async () => {
    const most = limit('bmcRefusalsMax');
    const factory = Array.from({ length: most + 3 }, (_, index) => `f${index}`);
    const {
      sim,
      use,
      credential,
      machine,
      registry,
      world: inside,
    } = world({
      ...{ siteCredentials: ['site'], factoryCredentials: factory },
    });
    credential('site', 'admin', 'secret');
    for (const name of factory) credential(name, `u-${name}`, 'x');
    const target = machine('C0MPUT3');
    expect(await use(target)).toBe(true);
    await sim.pass(limit('bmcSessionIdleMs') + 1000);
    for (const name of factory) await refusal(use(target, { credential: name }));
    expect(namesTried(sim).filter((name) => name.startsWith('u-'))).toHaveLength(most);
    const last = { credential: factory.at(-1) as string };
    expect((await refusal(use(target, last)))?.code).toBe('BMC_LOCKOUT');
    // A person's word lifts the memory of each, not what the BMC may be asked in an hour.
    registry.retry(target.id);
    expect((await refusal(use(target, last)))?.code).toBe('BMC_LOCKOUT');
    expect(await use(target)).toBe(true);
    inside.pass(HOUR);
    expect((await refusal(use(target, last)))?.code).toBe('BMC_USER');
  });
});

const createTurn = (inside: ReturnType<typeof createAccessWorld>['world'], sim: IpmiWorld) =>
  createBmcAccess({
    ...{ ...inside.inventory.serverdb, ports: sim.ports, clock: inside.clock },
    ...{ soon: inside.inventory.soon, transaction: inside.inventory.transaction },
    ...{ siteCredentials: ['site'], bmcPort: BMC.port },
  });

describe('a stranger', () => {
  it('is shown the factories’ logins first, and of the site’s no more than the name', async () => {
    const { sim, use, credential } = world({ factoryCredentials: ['factory'] });
    credential('site', 'reveille', 'correct-horse-9');
    credential('factory', 'root', 'calvin');
    // It pretends to know the user, and has a password of its own.
    sim.state.users[5] = {
      ...{ name: 'reveille', password: Buffer.from('whatever'), privilege: 4, enabled: true },
    };
    expect((await refusal(use(stranger)))?.code).toBe('BMC_USER');
    expect(namesTried(sim)).toEqual(['root', 'reveille']);
    const sent = sim.traffic.filter(({ from }) => from === 'console');
    // RAKP 3 to whoever has another password has a status and no code: nothing to guess from (section 13.22).
    const rakp3 = sent.map(({ bytes }) => bytes).filter((bytes) => bytes[5] === 0x14);
    expect(rakp3).toHaveLength(1);
    expect([...(rakp3[0]?.subarray(16, 18) ?? [])][1]).toBe(0x0f);
    expect(rakp3[0]?.length).toBe(16 + 8);
  });

  it('gets no digest of MD5 to guess the site’s password from', () => {
    const { access, credential, machine, profile } = world({ factoryCredentials: ['factory'] });
    credential('site', 'reveille', 'correct-horse-9');
    profile('old', { ipmi15: true });
    expect(access.settings(stranger).settings.allowIpmi15).toBe(false);
    expect(access.settings(machine('C0MPUT3')).settings.allowIpmi15).toBe(true);
    credential('factory', 'root', 'calvin');
    expect(access.settings(stranger).settings).toMatchObject({ user: 'root', allowIpmi15: true });
  });
});

describe('over Redfish', () => {
  const key = readFileSync('test/fixtures/redfish/key.pem', 'utf8');
  const cert = readFileSync('test/fixtures/redfish/cert.pem', 'utf8');
  const fingerprint = createHash('sha256').update(new X509Certificate(cert).raw).digest('hex');

  async function withRedfish(
    test: (fake: FakeRedfish, here: ReturnType<typeof createAccessWorld>) => Promise<void>,
  ) {
    const fake = await startFakeRedfish({ machine: simpleMachine(true), key, cert });
    const at = { address: '127.0.0.1', port: fake.port, timeoutMs: 5000 };
    const secure: SecureHttp = {
      certificateOf: () => readBmcCertificate(at),
      connect: ({ trust }) => createBmcHttps({ ...at, trust, bodyBytesMax: 1_000_000 }),
    };
    const here = createAccessWorld(deafPorts(), { secure, factoryCredentials: ['factory'] });
    here.credential('site', 'admin', 'secret');
    try {
      await test(fake, here);
    } finally {
      await here.access.close();
      await fake.close();
    }
  }

  it('the site’s login is sent to no certificate that nobody has confirmed', () =>
    withRedfish(async (fake, { access, machine, registry, world: { inventory } }) => {
      const target = machine('C0MPUT3');
      const powerOn = () => access.use(target, (bmc) => bmc.powerOn());
      expect((await refusal(powerOn()))?.code).toBe('BMC_UNTRUSTED');
      expect(fake.requests).toEqual(['GET /redfish/v1']);
      const { bmcs } = inventory.serverdb;
      expect(bmcs.get(target.id)).toMatchObject({ certificate: fingerprint, trusted: false });
      // Its certificate is there to be compared with what the machine's own screen says.
      expect(() => registry.trust(target.id, 'ab'.repeat(32))).toThrow(/another certificate/);
      registry.trust(target.id, fingerprint);
      expect(await powerOn()).toBe(true);
      registry.unpin(target.id);
      expect(bmcs.get(target.id)).toMatchObject({ certificate: '', trusted: false });
    }));

  it('trust that was won without a pinned certificate is none in the next one that is shown', () =>
    withRedfish(async (_, { access, machine, world: { inventory } }) => {
      const target = machine('C0MPUT3');
      const { bmcs } = inventory.serverdb;
      bmcs.write(target.id, { address: target.address, certificate: '', trusted: true });
      for (let time = 0; time < 2; time++)
        expect((await refusal(access.use(target, (bmc) => bmc.powerOn())))?.code).toBe(
          'BMC_UNTRUSTED',
        );
      expect(bmcs.get(target.id)).toMatchObject({ certificate: fingerprint, trusted: false });
    }));

  it('there is no console, and that is said at once', () =>
    withRedfish(async (_, { access, machine, profile, world: { inventory } }) => {
      const target = machine('C0MPUT3');
      expect(access.settings(target).settings.user).toBe('admin');
      inventory.serverdb.bmcs.write(target.id, { address: target.address, protocol: 'redfish' });
      expect(() => access.settings(target)).toThrow(/Serial over LAN/);
      profile('by hand', { machines: ['C0MPUT3'], driver: 'ipmi' });
      expect(access.settings(target).settings.user).toBe('admin');
    }));

  it('a factory’s login is; what is given to the BMC through it may be shown to it from then on', () =>
    withRedfish(async (_, { access, machine, credential, world: { inventory } }) => {
      credential('factory', 'admin', 'secret');
      credential('site', 'reveille', 'correct-horse-9');
      const target = machine('C0MPUT3');
      const { bmcs } = inventory.serverdb;
      expect(await access.use(target, (bmc) => bmc.powerOn())).toBe(true);
      expect(bmcs.get(target.id)).toMatchObject({ credential: 'factory', trusted: false });
      const site = { credential: 'site' } as const;
      expect((await refusal(access.use(target, (bmc) => bmc.powerOn(), site)))?.code).toBe(
        'BMC_UNTRUSTED',
      );
      const account = { name: 'reveille', password: 'correct-horse-9' };
      await access.use(target, async (bmc) => bmc.accounts?.put(account));
      expect(bmcs.get(target.id)?.trusted).toBe(true);
      expect(await access.use(target, (bmc) => bmc.powerOn(), site)).toBe(true);
    }));
});
