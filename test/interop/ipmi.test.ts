/**
 * IPMI in the three ways of a triangle: our client against a BMC that nobody here wrote (OpenIPMI's ipmi_sim), clients that
 * nobody here wrote (ipmitool, FreeIPMI) against our simulated BMC, and ours against ours, on loopback sockets.
 */
import { execFile, spawn } from 'node:child_process';
import { type AddressInfo, createServer } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeBmc, startFakeBmc } from '../../qemu-lab/fake-bmc.ts';
import { simpleMachine } from '../../qemu-lab/fake-bmc-state.ts';
import type { AppError } from '../../src/errors.ts';
import { setBootDevice } from '../../src/ipmi/boot-device.ts';
import { type BmcSession, openSession, withSession } from '../../src/ipmi/client.ts';
import { getChassisStatus } from '../../src/ipmi/commands/chassis-status.ts';
import { getDeviceId } from '../../src/ipmi/commands/device-id.ts';
import { chassisControl } from '../../src/ipmi/commands/power-control.ts';
import { readUsers } from '../../src/ipmi/lan.ts';
import type { SessionSettings } from '../../src/ipmi/options.ts';
import { powerIsOn, setPower } from '../../src/ipmi/power.ts';
import { clearWholeSel, readSel } from '../../src/ipmi/sel-log.ts';
import { openSol } from '../../src/ipmi/sol-console.ts';
import { type BmcPorts, openBmcPorts } from '../../src/platform/bmc-udp.ts';
import { type IpmiSim, startIpmiSim } from '../support/ipmi-sim.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = promisify(execFile);
const ADMIN: SessionSettings = { user: 'admin', password: 'secret', privilege: 'administrator' };
/** FreeIPMI keeps a cache of SDRs in the home folder. */
const home = temporaryFolder('ipmi-home');
let ports: BmcPorts;

beforeAll(async () => {
  ports = await openBmcPorts();
});
afterAll(async () => {
  await ports.close();
});

const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: AppError) => error.code,
  );

describe('our client against ipmi_sim', () => {
  let sim: IpmiSim;
  /** A machine's serial line that says everything twice. */
  const serial = createServer((line) =>
    line.on('data', (part) => line.write(part.toString().repeat(2))),
  );
  beforeAll(async () => {
    await new Promise<void>((resolve) => serial.listen(0, '127.0.0.1', resolve));
    sim = await startIpmiSim(ports, (serial.address() as AddressInfo).port);
  });
  afterAll(async () => {
    await sim.stop();
    serial.close();
  });

  const target = (settings: Partial<SessionSettings> = {}) => ({
    bmc: { address: '127.0.0.1', port: sim.port },
    settings: { ...ADMIN, ...settings },
  });
  const inSession = <T>(act: (session: BmcSession) => Promise<T>, settings = {}) =>
    withSession(ports, target(settings), act);

  it('finds suite 3 by itself', async () => {
    const id = await inSession(async (session) => {
      expect(session.protection).toBe(3);
      return session.call(getDeviceId, undefined);
    });
    expect(id).toMatchObject({ manufacturerId: 4753, ipmiVersion: '2.0' });
  });

  it.each([0, 1, 2])('speaks suite %i where it is asked to', async (suite) => {
    const id = await inSession((session) => session.call(getDeviceId, undefined), {
      suites: [suite],
    });
    expect(id.manufacturerId).toBe(4753);
  });

  it('falls back to IPMI 1.5 with MD5 where that is allowed, and only there', async () => {
    const settings = { suites: [], allowIpmi15: true };
    await inSession(async (session) => {
      expect(session.protection).toBe('md5');
      expect((await session.call(getChassisStatus, undefined)).powerOn).toBe(false);
      expect((await session.call(getDeviceId, undefined)).manufacturerId).toBe(4753);
    }, settings);
    expect(await failure(openSession(ports, target().bmc, { ...ADMIN, suites: [] }))).toBe(
      'REQUEST_INVALID',
    );
    const wrong = { ...ADMIN, ...settings, password: 'wrong' };
    expect(await failure(openSession(ports, target().bmc, wrong))).not.toBe('no error');
  });

  it('switches the power and says so', async () => {
    await inSession(async (session) => {
      expect(await setPower(session, ports.timers, 'cycle')).toEqual({
        outcome: 'done',
        sent: 'on',
      });
      expect(sim.powered()).toBe(true);
      expect(await setPower(session, ports.timers, 'on')).toMatchObject({ outcome: 'already' });
      expect(await setPower(session, ports.timers, 'reset')).toMatchObject({ outcome: 'done' });
      expect(await setPower(session, ports.timers, 'off')).toMatchObject({ outcome: 'done' });
      expect(await powerIsOn(session)).toBe(false);
    });
    expect(sim.powered()).toBe(false);
    expect(sim.actions()).toContain('reset 1');
  });

  it('notices that this BMC loses boot flags', async () => {
    const request = { device: 'pxe', uefi: true, persistent: false } as const;
    const outcome = await inSession((session) => setBootDevice(session, request));
    expect(outcome.verified).toBe(false);
  });

  it('has a serial console', async () => {
    await inSession(
      async (session) => {
        let heard = '';
        await new Promise<void>((resolve, reject) => {
          openSol(session, {
            timers: ports.timers,
            onData: (part) => {
              heard += Buffer.from(part).toString();
              if (heard.includes('hello\rhello\r')) resolve();
            },
            onEnd: reject,
          }).then((console) => console.write(Buffer.from('hello\r')), reject);
        });
      },
      { keepAlive: true },
    );
  });

  it('reads and clears the event log, and reads the users', async () => {
    await inSession(async (session) => {
      await clearWholeSel(session, ports.timers);
      expect(await readSel(session)).toEqual([]);
      const names = (await readUsers(session, 1)).map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(['admin', 'oper']));
    });
  });

  // Each waits for what this BMC does not answer.
  it.concurrent.each([
    [{ password: 'wrong' }, 'BMC_PASSWORD'],
    [{ user: 'nobody' }, 'BMC_USER'],
    [{ suites: [17] }, 'BMC_SUITE'],
  ] as const)('is refused for %j with %s', async (settings, code) => {
    expect(await failure(openSession(ports, target().bmc, { ...ADMIN, ...settings }))).toBe(code);
  });
});

/** Port 623 on an address of its own: FreeIPMI's tools know no other port. */
const ADDRESS = `127.77.${process.pid & 0xff}.1`;

describe('foreign clients against our simulated BMC', () => {
  const kg = new TextEncoder().encode('KgKeyForTheTests0001');
  const users = [
    { name: 'admin', password: 'secret', privilege: 4 },
    { name: 'long', password: '0123456789abcdefWXYZ', privilege: 4 },
    { name: 'viewer', password: 'viewpw', privilege: 2 },
  ];
  const machine = simpleMachine(true);
  let bmc: FakeBmc;
  let withKg: FakeBmc;
  beforeAll(async () => {
    let heard: (bytes: Uint8Array) => void = () => undefined;
    const serial = {
      write: (bytes: Uint8Array) => heard(Buffer.from(`heard ${Buffer.from(bytes)}`)),
      onData: (handler: (bytes: Uint8Array) => void) => {
        heard = handler;
      },
    };
    bmc = await startFakeBmc({
      address: ADDRESS,
      port: 623,
      users,
      machine: { ...machine, serial },
    });
    withKg = await startFakeBmc({ users, kg });
  });
  afterAll(async () => {
    await bmc.close();
    await withKg.close();
  });

  const ipmitool = async (words: string, options: Record<string, string> = {}) => {
    const flags = { H: ADDRESS, U: 'admin', P: 'secret', ...options };
    const pairs = Object.entries(flags).flatMap(([flag, value]) => [`-${flag}`, value]);
    const { stdout } = await run('ipmitool', ['-I', 'lanplus', ...pairs, ...words.split(' ')], {
      timeout: 30_000,
    });
    return stdout;
  };
  const freeipmi = async (program: string, ...words: string[]) => {
    const login = ['-D', 'LAN_2_0', '-h', ADDRESS, '-u', 'admin', '-p', 'secret'];
    const env = { ...process.env, HOME: home };
    return (await run(program, [...login, ...words], { timeout: 30_000, env })).stdout;
  };

  it.each(['3', '17'])('ipmitool with suite %s', async (C) => {
    expect(await ipmitool('power status', { C })).toContain('Chassis Power is on');
    expect(await ipmitool('mc info', { C })).toContain('OpenBMC Project');
  });

  it('ipmitool finds a suite by itself, and its sessions are closed', async () => {
    expect(await ipmitool('chassis status')).toMatch(/System Power +: on/);
    expect(bmc.sessions()).toBe(0);
  });

  it('ipmitool with K_G and with a password of 20 bytes', async () => {
    const at = { H: '127.0.0.1', p: String(withKg.port), C: '17' };
    const k = Buffer.from(kg).toString();
    expect(await ipmitool('power status', { ...at, k })).toContain('Power is o');
    const long = { ...at, k, U: 'long', P: '0123456789abcdefWXYZ' };
    expect(await ipmitool('power status', long)).toContain('Power is o');
    await expect(ipmitool('power status', { ...at, k: 'wrong' })).rejects.toThrow(/Error|Unable/);
  });

  it('ipmitool sees sensors, log, inventory, users and network', async () => {
    expect(await ipmitool('sdr list')).toMatch(/FAN1 +\| 5220 RPM +\| ok/);
    expect(await ipmitool('sensor list')).toMatch(/12V +\| 12.033 +\| Volts/);
    expect(await ipmitool('sel list')).toContain('Upper Critical going high');
    expect(await ipmitool('fru print')).toMatch(/Product Serial +: LAB0001/);
    expect(await ipmitool('user list 1')).toContain('ADMINISTRATOR');
    expect(await ipmitool('lan print 1')).toContain(ADDRESS);
  });

  it('ipmitool drives the machine', async () => {
    expect(await ipmitool('chassis bootdev pxe options=efiboot')).toContain(
      'Set Boot Device to pxe',
    );
    expect(await ipmitool('chassis bootparam get 5')).toContain('Force PXE');
    await ipmitool('power cycle');
    await ipmitool('power off');
    expect(await ipmitool('power status')).toContain('Power is off');
    await expect(ipmitool('power reset')).rejects.toThrow('not supported in present state');
    await ipmitool('power on');
    expect(machine.actions).toEqual(['cycle', 'off', 'on']);
  });

  it('ipmitool is refused what its user may not', async () => {
    const viewer = { U: 'viewer', P: 'viewpw' };
    await expect(ipmitool('power off', viewer)).rejects.toThrow();
    await expect(ipmitool('power off', { ...viewer, L: 'USER' })).rejects.toThrow(/privilege/i);
    await expect(ipmitool('power status', { P: 'wrong' })).rejects.toThrow();
  });

  it('ipmitool has a serial console', async () => {
    const login = `-I lanplus -H ${ADDRESS} -U admin -P secret`;
    // ipmitool wants a terminal: script(1) gives it one.
    const command = `ipmitool ${login} sol activate`;
    const child = spawn('script', ['-qec', command, '/dev/null'], { timeout: 30_000 });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    let output = '';
    const typed = { hello: false, leave: false };
    child.stdout.on('data', (part: Buffer) => {
      output += part.toString();
      if (!typed.hello && output.includes('operational')) {
        typed.hello = true;
        child.stdin.write('hello\r');
      }
      if (!typed.leave && output.includes('heard hello')) {
        typed.leave = true;
        child.stdin.write('~.');
      }
    });
    await ended;
    expect(output).toContain('heard hello');
  });

  it.each(['3', '17'])('ipmipower with suite %s', async (suite) => {
    expect(await freeipmi('ipmipower', '-I', suite, '--stat')).toContain(': on');
    expect(await freeipmi('ipmipower', '-I', suite, '--cycle')).toContain(': ok');
  });

  it('FreeIPMI reads everything', async () => {
    // ipmitool leaves the slot of a wrong password behind.
    const before = bmc.sessions();
    expect(await freeipmi('bmc-info')).toMatch(/IPMI Version +: 2.0/);
    expect(await freeipmi('ipmi-chassis', '--get-chassis-status')).toMatch(/System Power +: on/);
    expect(await freeipmi('ipmi-sel')).toContain('Upper Critical - going high');
    expect(await freeipmi('ipmi-sensors')).toMatch(/FAN1 +\| Fan +\| 5220.00/);
    expect(await freeipmi('ipmi-fru')).toContain('LAB0001');
    expect(bmc.sessions()).toBe(before);
  });
});

describe('our client against our simulated BMC', () => {
  const kg = new TextEncoder().encode('KgKeyForTheTests0001');
  const password = '0123456789abcdefWXYZ';
  const users = [{ name: 'admin', password, privilege: 4 }];

  it.each([
    ['suite 3', 3, undefined],
    ['suite 17', 17, undefined],
    ['suite 3 and K_G', 3, kg],
    ['suite 17 and K_G', 17, kg],
    ['suite 2', 2, undefined],
    ['suite 16', 16, undefined],
  ] as const)('with %s and a password of 20 bytes', async (_, suite, key) => {
    const bmc = await startFakeBmc({ users, suites: [suite], ...(key ? { kg: key } : {}) });
    const settings = { ...ADMIN, password, kg: key, suites: [suite] };
    await withSession(ports, { bmc, settings }, async (session) => {
      expect(session.protection).toBe(suite);
      await session.call(chassisControl, { control: 'on' });
      expect(await powerIsOn(session)).toBe(true);
    });
    expect(bmc.sessions()).toBe(0);
    await bmc.close();
  });

  it('at 5 % loss each way, twenty machines are switched on once each', async () => {
    const machines = Array.from({ length: 20 }, () => simpleMachine());
    const bmcs = await Promise.all(machines.map((machine) => startFakeBmc({ machine })));
    for (const [index, { knobs }] of bmcs.entries()) {
      Object.assign(knobs, { lossRate: 0.05, lossSeed: index + 1 });
    }
    const outcomes = await Promise.allSettled(
      bmcs.map((bmc) =>
        withSession(ports, { bmc, settings: { ...ADMIN, suites: [17] } }, (session) =>
          setPower(session, ports.timers, 'on'),
        ),
      ),
    );
    expect(
      outcomes.flatMap((each) => (each.status === 'rejected' ? [String(each.reason)] : [])),
    ).toEqual([]);
    expect(machines.map(({ actions }) => actions)).toEqual(Array(20).fill(['on']));
    await Promise.all(bmcs.map((bmc) => bmc.close()));
  });

  it('a serial console carries 20,000 bytes each way, unharmed', async () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => index % 251);
    const [heard, got]: [Uint8Array[], Uint8Array[]] = [[], []];
    const total = (parts: Uint8Array[]) => parts.reduce((sum, part) => sum + part.length, 0);
    let check: () => void = () => undefined;
    let say: (bytes: Uint8Array) => void = () => undefined;
    const serial = {
      write: (part: Uint8Array) => {
        heard.push(part);
        check();
      },
      onData: (handler: (bytes: Uint8Array) => void) => {
        say = handler;
      },
    };
    const bmc = await startFakeBmc({ machine: { ...simpleMachine(true), serial } });
    await withSession(ports, { bmc, settings: { ...ADMIN, keepAlive: true } }, async (session) => {
      await new Promise<void>((resolve, reject) => {
        check = () => {
          if (total(got) >= bytes.length && total(heard) >= bytes.length) resolve();
        };
        openSol(session, {
          timers: ports.timers,
          onData: (part) => {
            got.push(part);
            check();
          },
          onEnd: reject,
        }).then((console) => {
          expect(console.write(bytes)).toBe(true);
          say(bytes);
        }, reject);
      });
      expect(Buffer.concat(got)).toEqual(Buffer.from(bytes));
      expect(Buffer.concat(heard)).toEqual(Buffer.from(bytes));
    });
    await bmc.close();
  });
});
