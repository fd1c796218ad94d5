/** Sessions with BMCs: whose turn it is, which login, which protocol, and what is learnt. */
import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { simpleMachine } from '../../../qemu-lab/fake-bmc-state.ts';
import { type FakeRedfish, startFakeRedfish } from '../../../qemu-lab/fake-redfish.ts';
import type { SecureHttp } from '../../../src/bmc/dial.ts';
import type { AppError } from '../../../src/errors.ts';
import { limit } from '../../../src/limits.ts';
import { createBmcHttps, readBmcCertificate } from '../../../src/platform/bmc-https.ts';
import { openBmcPorts } from '../../../src/platform/bmc-udp.ts';
import { createAccessWorld } from '../../support/bmc-access.ts';
import { deafPorts } from '../../support/deaf-ports.ts';
import { BMC, createIpmiWorld, type IpmiWorld } from '../../support/ipmi-world.ts';

const OPEN_SESSION = 0x10;

/** Handshakes that were begun: payload type 0x10 in an RMCP+ packet without a session. */
const handshakes = ({ traffic }: IpmiWorld) =>
  traffic.filter(({ from, bytes }) => from === 'console' && (bytes[5] ?? 0) === OPEN_SESSION)
    .length;

const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: AppError) => error,
  );

function setUp(options: Parameters<typeof createIpmiWorld>[0] = {}) {
  const sim = createIpmiWorld({ machine: simpleMachine(true), ...options });
  const here = createAccessWorld(sim.ports, { bmcPort: BMC.port });
  here.credential('site', 'reveille', 'correct-horse-9');
  here.credential('factory', 'admin', 'secret');
  const target = here.machine('C0MPUT3', { bmcCredential: 'factory' });
  const powerOn = (options?: Parameters<typeof here.access.use>[2]) =>
    sim.run(here.access.use(target, (bmc) => bmc.powerOn(), options));
  const known = () => here.world.inventory.serverdb.bmcs.get(target.id);
  return { ...here, sim, target, powerOn, known };
}

describe('a session', () => {
  it('serves the next caller, and is closed before the BMC would end it', async () => {
    const { sim, powerOn, access } = setUp();
    expect(await powerOn()).toBe(true);
    expect(await powerOn()).toBe(true);
    expect(handshakes(sim)).toBe(1);
    expect(access.sessions()).toEqual({ used: 0, kept: 1 });
    await sim.pass(limit('bmcSessionIdleMs') + 1000);
    expect(access.sessions()).toEqual({ used: 0, kept: 0 });
    expect(sim.core.sessions).toBe(0);
  });

  it('that the BMC has lost is replaced, and nobody hears of it', async () => {
    const { sim, powerOn } = setUp();
    await powerOn();
    await sim.pass(limit('bmcSessionTrustMs') + 1000);
    sim.core.forget();
    expect(await powerOn()).toBe(true);
    expect(handshakes(sim)).toBe(2);
  });

  it('that failed, or whose accounts have changed, is not used again', async () => {
    const { sim, target, access, powerOn } = setUp();
    await powerOn();
    sim.state.knobs.hang = true;
    expect((await refusal(powerOn()))?.code).toBe('BMC_TIMEOUT');
    sim.state.knobs.hang = false;
    await powerOn();
    expect(handshakes(sim)).toBe(2);
    const admin = { privilege: 'administrator' } as const;
    const user = { name: 'fresh', password: 'p4' };
    const put = access.use(target, async (bmc) => bmc.accounts?.put(user), admin);
    expect(await sim.run(put)).toBe('made');
    await powerOn();
    expect(handshakes(sim)).toBe(4);
  });

  it('with few rights is not handed to who needs many, and the other way round is', async () => {
    const { sim, powerOn } = setUp();
    await powerOn();
    await powerOn({ privilege: 'administrator' });
    expect(handshakes(sim)).toBe(2);
    await powerOn();
    expect(handshakes(sim)).toBe(2);
  });

  it('is one on each BMC at a time; too many in line are told so', async () => {
    const { sim, target, access } = setUp();
    let most = 0;
    let now = 0;
    const one = () =>
      access.use(target, async (bmc) => {
        now += 1;
        most = Math.max(most, now);
        await bmc.powerOn();
        now -= 1;
      });
    const calls = Array.from({ length: limit('bmcWaitersMax') + 1 }, one);
    expect((await sim.run(refusal(one())))?.code).toBe('BMC_BUSY');
    await sim.run(Promise.all(calls));
    expect(most).toBe(1);
    expect(handshakes(sim)).toBe(1);
  });

  it('that is never given back keeps others no longer than their patience', async () => {
    const { sim, target, access } = setUp();
    const held = await sim.run(access.open(target));
    expect((await sim.run(refusal(access.open(target))))?.code).toBe('BMC_BUSY');
    await held.close();
    expect(await sim.run(access.use(target, (bmc) => bmc.powerOn()))).toBe(true);
    await sim.run(access.close());
    expect(access.sessions().kept).toBe(0);
  });
});

describe('the login', () => {
  it('is the machine’s own, else the site’s; the one that worked goes first', async () => {
    const { sim, target, credential, powerOn, known } = setUp();
    credential('factory', 'admin', 'changed-by-somebody');
    sim.state.users[5] = {
      ...{ name: 'reveille', password: Buffer.from('correct-horse-9') },
      ...{ privilege: 4, enabled: true },
    };
    expect(await powerOn()).toBe(true);
    expect(known()).toMatchObject({ credential: 'site', protocol: 'ipmi', code: '' });
    await sim.pass(limit('bmcSessionIdleMs') + 1000);
    const before = handshakes(sim);
    await powerOn();
    expect(handshakes(sim) - before).toBe(1);
    expect(target.credential).toBe('factory');
  });

  it('that was refused is not offered again until it has changed: BMCs lock accounts', async () => {
    const { sim, credential, powerOn, known, world } = setUp();
    credential('factory', 'admin', 'wrong');
    const error = await refusal(powerOn());
    expect(error?.code).toBe('BMC_PASSWORD');
    expect(error?.detail).toBe('Refused: factory (BMC_PASSWORD), site (BMC_USER).');
    expect(known()).toMatchObject({ code: 'BMC_PASSWORD', failedAt: world.clock() });
    const tried = handshakes(sim);
    expect((await refusal(powerOn()))?.code).toBe('BMC_PASSWORD');
    expect(handshakes(sim)).toBe(tried);
    credential('factory', 'admin', 'secret');
    expect(await powerOn()).toBe(true);
    expect(known()).toMatchObject({ code: '', failedAt: 0, credential: 'factory' });
  });

  it('that is named is tried alone, and not again either once it was refused', async () => {
    const { sim, powerOn } = setUp();
    const named = { credential: 'site', privilege: 'administrator' } as const;
    for (const _ of [1, 2]) {
      expect((await refusal(powerOn(named)))?.code).toBe('BMC_USER');
      expect(handshakes(sim)).toBe(1);
    }
  });

  it('is needed, and so is an address', async () => {
    const sim = createIpmiWorld();
    const here = createAccessWorld(sim.ports, { siteCredentials: [] });
    const nobody = here.machine('N0WHERE1');
    expect((await refusal(here.access.open(nobody)))?.code).toBe('BMC_MISSING');
    here.credential('factory', 'admin', 'secret');
    const nowhere = here.machine('N0WHERE2', { bmcAddress: '', bmcCredential: 'factory' });
    expect((await refusal(here.access.open(nowhere)))?.code).toBe('BMC_MISSING');
  });
});

describe('a profile', () => {
  it('gives the key, the suite and the quirks; the most precise one counts', async () => {
    const kg = Uint8Array.from(Buffer.from('a-key-of-its-own'));
    const { sim, powerOn, credential, profile, access, target } = setUp({ kg, suites: [3] });
    expect((await refusal(powerOn()))?.code).toBe('BMC_KG');
    credential('kg', '', 'a-key-of-its-own');
    profile('all', { suites: [17] });
    profile('labcorp', { vendor: 'labcorp', keyCredential: 'kg', suites: [3], port: BMC.port });
    expect(await powerOn()).toBe(true);
    expect(access.settings(target)).toMatchObject({ bmc: BMC, settings: { user: 'admin', kg } });
    profile('this one', { machines: ['C0MPUT3'], suites: [17] });
    await sim.pass(1000);
    expect((await refusal(powerOn()))?.code).not.toBeUndefined();
  });
});

/** A login that may be shown to anybody. */
const FACTORY = { siteCredentials: [], factoryCredentials: ['site'] };

describe('the protocol', () => {
  const key = readFileSync('test/fixtures/redfish/key.pem', 'utf8');
  const cert = readFileSync('test/fixtures/redfish/cert.pem', 'utf8');
  const fingerprint = createHash('sha256').update(new X509Certificate(cert).raw).digest('hex');

  async function withRedfish(test: (fake: FakeRedfish, secure: SecureHttp) => Promise<void>) {
    const fake = await startFakeRedfish({ machine: simpleMachine(true), key, cert });
    const at = { address: '127.0.0.1', port: fake.port, timeoutMs: 5000 };
    const secure: SecureHttp = {
      certificateOf: () => readBmcCertificate(at),
      connect: ({ trust }) => createBmcHttps({ ...at, trust, bodyBytesMax: 1_000_000 }),
    };
    try {
      await test(fake, secure);
    } finally {
      await fake.close();
    }
  }

  it('is found by asking, remembered, and asked alone from then on', () =>
    withRedfish(async (fake, secure) => {
      let sent = 0;
      const ports = deafPorts();
      const datagrams = { ...ports.datagrams, send: () => void sent++ };
      const here = createAccessWorld({ ...ports, datagrams }, { secure, ...FACTORY });
      here.credential('site', 'admin', 'secret');
      const target = here.machine('C0MPUT3', { bmcMac: '02:00:00:00:99:01' });
      const facts = await here.access.use(target, (bmc) => bmc.inventory());
      expect(facts).toMatchObject({ product: '3500', bmcMac: '12:44:6a:3b:00:01' });
      const { bmcs } = here.world.inventory.serverdb;
      expect(bmcs.get('02:00:00:00:99:01')).toMatchObject({
        ...{ protocol: 'redfish', certificate: fingerprint, credential: 'site' },
      });
      const asked = sent;
      expect(asked).toBeGreaterThan(0);
      await here.access.close();
      expect(fake.sessions()).toBe(0);
      expect(await here.access.use(target, (bmc) => bmc.powerOn())).toBe(true);
      expect(sent).toBe(asked);
    }));

  it('is asked anew when the BMC has not answered the one it had for a while', () =>
    withRedfish(async (_, secure) => {
      const here = createAccessWorld(deafPorts(), { secure, ...FACTORY });
      here.credential('site', 'admin', 'secret');
      const target = here.machine('C0MPUT3');
      const { bmcs } = here.world.inventory.serverdb;
      bmcs.write(target.id, { address: '127.0.0.1', protocol: 'ipmi' });
      const powerOn = () => here.access.use(target, (bmc) => bmc.powerOn());
      expect((await refusal(powerOn()))?.code).toBe('BMC_UNREACHABLE');
      here.world.pass(limit('bmcReprobeMs') / 2);
      expect((await refusal(powerOn()))?.code).toBe('BMC_UNREACHABLE');
      here.world.pass(limit('bmcReprobeMs') / 2);
      expect(await powerOn()).toBe(true);
      expect(bmcs.get(target.id)?.protocol).toBe('redfish');
    }));

  it('does not send a login to a BMC with another certificate than the pinned one', () =>
    withRedfish(async (fake, secure) => {
      const here = createAccessWorld(deafPorts(), { secure });
      here.credential('site', 'admin', 'secret');
      here.profile('all', { driver: 'redfish' });
      const target = here.machine('C0MPUT3');
      here.world.inventory.serverdb.bmcs.write(target.id, { certificate: 'ab'.repeat(32) });
      const error = await refusal(here.access.use(target, (bmc) => bmc.powerOn()));
      expect(error?.code).toBe('BMC_PROTOCOL');
      expect(fake.requests).toEqual([]);
    }));
});

describe('the socket of all sessions', () => {
  it('once closed, takes what a session still has to say and sends nothing', async () => {
    const ports = await openBmcPorts();
    await ports.close();
    expect(() =>
      ports.datagrams.send(Uint8Array.of(1), { address: '127.0.0.1', port: 9 }),
    ).not.toThrow();
  });
});
