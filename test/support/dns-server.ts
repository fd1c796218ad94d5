/**
 * Our name server as a program of its own, for tests that need it inside a namespace: a site of fifty machines whose two
 * name servers are both us. Prints `ready` with the DS of each zone once all of them are served; its keys are two days old,
 * so that parents may have them.
 *
 * node test/support/dns-server.ts ADDRESS,ADDRESS DOMAIN [signed]
 */
import pino from 'pino';
import { formatName, parseName } from '../../src/dns/name.ts';
import type { NamedMachine } from '../../src/dns/ports.ts';
import { Keyring } from '../../src/nameserver/keyring.ts';
import { startNameserver } from '../../src/nameserver/server.ts';
import { createDnsWorld, planFrom, SETTINGS } from './dns-world.ts';
import { DNSSEC } from './dnssec.ts';

const [listening = '', domain = 'example.', mode] = process.argv.slice(2);
const listen = listening.split(',');
const name = parseName(domain);
if (name === undefined) throw new Error(`no name: ${domain}`);

function machine(n: number): NamedMachine {
  const [net = '10.0.0.0'] = listen;
  const addresses = [`${net.split('.').slice(0, 3).join('.')}.${n}`];
  const hardwarename = `SN${String(n).padStart(5, '0')}`;
  return {
    ...{ hardwarename, role: undefined },
    names: [
      { kind: 'hostname', name: n % 10 === 0 ? `web${n}.fancy` : `web${n}`, addresses },
      { kind: 'hardwarename', name: hardwarename, addresses },
    ],
  };
}

const world = createDnsWorld({
  plan: planFrom({
    ...SETTINGS,
    domain,
    nameservers: listen.map((address, n) => ({ name: `ns${n + 1}`, addresses: [address] })),
    networks: listen.map((address) => `${address.split('.').slice(0, 3).join('.')}.0/24`),
  }),
  machines: Array.from({ length: 50 }, (_, n) => machine(n + 100)),
});
const now = () => Math.floor(Date.now() / 1000);
const dnssec = { ...DNSSEC, store: world.keyStore, signed: () => true };
new Keyring({ ...dnssec, nowSeconds: () => now() - 2 * 86_400 });
const server = await startNameserver({
  ...{ plan: world.plan, store: world.store, source: world.source, shrinkShareMax: 0.2 },
  ...{ listen, port: 53, threads: 1, responsesPerSecond: 0 },
  responder: { cookieSecret: new Uint8Array(16) },
  dnssec: mode === 'signed' ? dnssec : undefined,
  ...{ secondaries: [], keys: [], transferTo: [], log: pino({ level: 'warn' }, process.stderr) },
  lastEvent: () => 0,
  nowSeconds: now,
  follow: () => () => undefined,
});
while (!server.keeper.zones().has(name)) await new Promise((resolve) => setTimeout(resolve, 20));
const zones = mode === 'signed' ? [...server.keeper.zones().keys()].map(formatName) : [];
const ds = zones.flatMap((zone) =>
  server.desk.ds(zone).map(({ data }) => `${zone} 3600 DS ${data}`),
);
process.stdout.write(`ready ${JSON.stringify(ds)}\n`);
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)));
