/**
 * Interfaces that are not there when the daemon starts, and that are removed and made anew under it: what the kernel tells apart
 * by number and people by name. A client that nobody here wrote is served by each protocol when the interface is there. The
 * interfaces are links of another kind with the names of VLANs; on real tags this is the lab's scenario `vlans`. Needs root.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createNamespaces, ip, until } from '../support/namespaces.ts';
import { makeSiteCa } from '../support/site-ca.ts';

const world = createNamespaces('s', 'c');
const { dir, inside, events } = world;
const { s: SERVER, c: CLIENT } = world.ns;

const CONFIG = `
machineHttp: { tls: { cert: ${dir}/machines.crt, key: ${dir}/machines.key, ca: ${dir}/ca.crt } }
dns: { domain: lab.example }
dhcp:
  segments:
    - { name: first, pools: [{ first: 10.77.0.100, last: 10.77.0.110 }], conflictProbe: false }
    - { name: late, iface: eth0.300, address: 10.83.0.1, cidr: 10.83.0.0/24, pools: [{ first: 10.83.0.100, last: 10.83.0.110 }] }
    - { name: never, iface: eth0.500, address: 10.85.0.1, cidr: 10.85.0.0/24, pools: [{ first: 10.85.0.100, last: 10.85.0.110 }] }
    - { name: bare, iface: eth0.400, address: 10.84.0.1, cidr: 10.84.0.0/24, pools: [{ first: 10.84.0.100, last: 10.84.0.110 }] }
`;

/** The daemon's end of a wire; it takes the client's end with it when it is removed. Without an address it has an IPv6 one only. */
function plug(iface: string, nic: string, address?: string): void {
  ip('-n', SERVER, 'link', 'add', iface, 'type', 'veth', 'peer', 'name', nic, 'netns', CLIENT);
  if (address) give(iface, address);
  else ip('-n', SERVER, 'address', 'add', 'fe80::1/64', 'dev', iface, 'nodad');
  ip('-n', SERVER, 'link', 'set', iface, 'up');
  ip('-n', CLIENT, 'link', 'set', nic, 'address', '52:54:00:99:00:07', 'up');
}

const give = (iface: string, address: string) =>
  ip('-n', SERVER, 'address', 'add', `${address}/24`, 'dev', iface);

beforeAll(async () => {
  makeSiteCa(dir, '10.84.0.1');
  plug('prov0', 'eth0', '10.77.0.1');
  plug('eth0.400', 'eth400');
  await world.startDaemon(SERVER, CONFIG);
});

afterAll(() => world.destroy());

const seen = (name: string, count: number) =>
  until(`${name} of eth0.300, ${count}`, () => {
    const found = events(name).filter(({ data }) => data.iface === 'eth0.300');
    return found.length >= count ? found.at(-1) : undefined;
  });

const answered = (what: string, ...words: string[]) =>
  until(`${what} at 10.83.0.1`, () => {
    try {
      return inside(CLIENT, ...words);
    } catch {
      return undefined;
    }
  });

/** DHCP, then TFTP, HTTP and DNS at the address that it is told. */
async function isServed(): Promise<void> {
  expect(world.udhcpc(CLIENT, 'eth300')).toMatchObject({ serverid: '10.83.0.1' });
  ip('-n', CLIENT, 'address', 'replace', '10.83.0.50/24', 'dev', 'eth300');
  inside(CLIENT, 'busybox', 'tftp', '-g', '-r', 'undionly.kpxe', '-l', `${dir}/got`, '10.83.0.1');
  expect(readFileSync(join(dir, 'got'))).toEqual(readFileSync('build/boot/undionly.kpxe'));
  // Listeners of TCP look for their address by themselves, once a second.
  const url = 'http://10.83.0.1:8080/boot/ipxe/undionly.kpxe';
  await answered('HTTP', 'curl', '-sf', url, '-o', `${dir}/web`);
  expect(readFileSync(join(dir, 'web'))).toEqual(readFileSync('build/boot/undionly.kpxe'));
  for (const how of ['+notcp', '+tcp']) {
    const soa = await answered(how, 'dig', how, '+short', '@10.83.0.1', 'lab.example', 'SOA');
    expect(soa).toMatch(/\d+ \d+/);
  }
}

it('one that is missing at the start keeps nobody else from being served, and is named', async () => {
  expect(world.udhcpc(CLIENT, 'eth0')).toMatchObject({ ip: '10.77.0.100' });
  const lost = await seen('interface.lost', 1);
  expect(lost?.data.why).toMatch(
    /^'eth0\.300' is not there; .*ip link add link eth0 name eth0\.300 type vlan id 300/,
  );
});

it('is served by every protocol when it comes', async () => {
  plug('eth0.300', 'eth300', '10.83.0.1');
  await seen('interface.served', 1);
  await isServed();
});

it('and when it is removed and made anew', async () => {
  ip('-n', SERVER, 'link', 'delete', 'eth0.300');
  await seen('interface.lost', 2);
  plug('eth0.300', 'eth300', '10.83.0.1');
  await seen('interface.served', 2);
  await isServed();
  expect(events('daemon.started')).toHaveLength(1);
});

it('one that is up without its address is not served, and is when it has it, also by another label', async () => {
  const lost = events('interface.lost').filter(({ data }) => data.iface === 'eth0.400');
  expect(lost.map(({ data }) => data.why)).toEqual(["'eth0.400' is there, and lacks 10.84.0.1"]);
  expect(() => world.udhcpc(CLIENT, 'eth400')).toThrow();
  inside(SERVER, 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_nonlocal_bind');
  const listen = "require('net').createServer().listen(8443, '10.84.0.1')";
  const squatter = world.start(SERVER, process.execPath, '-e', listen);
  await until('the port was taken', () =>
    inside(SERVER, 'ss', '-ltn').includes('10.84.0.1:8443') ? true : undefined,
  );
  ip(...['-n', SERVER, 'address', 'add', '10.84.0.1/24'], 'dev', 'eth0.400', 'label', 'eth0.400:1');
  await until('eth0.400 was served', () =>
    events('interface.served').find(({ data }) => data.iface === 'eth0.400'),
  );
  expect(world.udhcpc(CLIENT, 'eth400')).toMatchObject({ serverid: '10.84.0.1' });
  ip('-n', CLIENT, 'address', 'replace', '10.84.0.50/24', 'dev', 'eth400');
  const web = (...words: string[]) =>
    answered('HTTP', 'curl', '-sf', '--cacert', `${dir}/ca.crt`, ...words, '-o', `${dir}/bare`);
  const file = readFileSync('build/boot/undionly.kpxe');
  await web('http://10.84.0.1:8080/boot/ipxe/undionly.kpxe');
  expect(readFileSync(join(dir, 'bare'))).toEqual(file);
  // HTTPS finds its port taken, says so once, and is there when the port is free; HTTP has nothing to do with it.
  const refused = () =>
    readFileSync(join(dir, 'log'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('cannot be served yet'));
  await until('HTTPS was refused', () => refused()[0]);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(refused()).toHaveLength(1);
  expect(refused()[0]).toMatch(/EADDRINUSE.*HTTPS for machines/);
  squatter.kill();
  await web('https://10.84.0.1:8443/boot/ipxe/undionly.kpxe');
  await web('http://10.84.0.1:8080/boot/ipxe/undionly.kpxe');
  expect(readFileSync(join(dir, 'bare'))).toEqual(file);
});

it('one whose address is removed while it stays up answers nobody, and is served when it has it again', async () => {
  const told = (name: string) => events(name).filter(({ data }) => data.iface === 'eth0.300');
  const before = told('interface.lost').length;
  ip('-n', SERVER, 'address', 'flush', 'dev', 'eth0.300');
  const lost = await seen('interface.lost', before + 1);
  expect(lost?.data.why).toBe("'eth0.300' is there, and lacks 10.83.0.1");
  expect(inside(SERVER, 'ip', '-o', 'link', 'show', 'eth0.300')).toContain('LOWER_UP');
  expect(() => world.udhcpc(CLIENT, 'eth300')).toThrow();
  // The others go on.
  expect(world.udhcpc(CLIENT, 'eth0')).toMatchObject({ serverid: '10.77.0.1' });
  const served = told('interface.served').length;
  give('eth0.300', '10.83.0.1');
  await seen('interface.served', served + 1);
  await isServed();
  // A carrier that is gone for a moment is told, and closes nothing: its client is served at once when it is back.
  ip('-n', CLIENT, 'link', 'set', 'eth300', 'down');
  const down = await seen('interface.lost', before + 2);
  expect(down?.data.why).toBe("'eth0.300' is there, and is down or has no carrier");
  expect(inside(SERVER, 'ss', '-lun')).toContain('%eth0.300:67');
  ip('-n', CLIENT, 'link', 'set', 'eth300', 'up');
  await seen('interface.served', served + 2);
  expect(world.udhcpc(CLIENT, 'eth300')).toMatchObject({ serverid: '10.83.0.1' });
});

it('one that never comes is told of once, however many others come and go', () => {
  const lost = events('interface.lost').filter(({ data }) => data.iface === 'eth0.500');
  expect(lost).toHaveLength(1);
});
