import { expect, it } from 'vitest';
import type { NamedMachine } from '../../../src/dns/ports.ts';
import { setBytesMax } from '../../../src/dns/set-size.ts';
import { ask, dnsName, SETTINGS as RESPONDER } from '../../support/dns.ts';
import { createDnsWorld, planFrom } from '../../support/dns-world.ts';

/** One machine with so many addresses, in 10.0.1.0 and above. */
function withAddresses(name: string, count: number): NamedMachine {
  const addresses = Array.from({ length: count }, (_, n) => `10.0.${1 + (n >> 8)}.${n & 255}`);
  const names = [{ kind: 'hostname', name, addresses }] as const;
  return { hardwarename: 'C0MPBIG', role: undefined, names };
}

it('a set that no answer can carry, and only that one; over TCP every smaller one is answered whole', async () => {
  const most = Math.floor(setBytesMax(dnsName('big.lon.example'), dnsName('lon.example')) / 16);
  expect(most).toBeGreaterThan(4030);
  const world = createDnsWorld({ plan: planFrom({ networks: ['10.0.0.0/16'] }) });
  await world.fill();
  world.set(withAddresses('big', most));
  expect(world.keeper.pending().faults).toEqual([]);
  const settings = { ...RESPONDER, nsid: 'n'.repeat(64) };
  const cookie = '\0\x0a\0\x08abcdefgh\0\x03\0\0';
  const edns = { flags: 0x8000, options: cookie };
  const asked = { edns, settings, transport: 'tcp' as const };
  const answer = () => ask(world.keeper.zones(), 'big.lon.example A', asked);
  expect(answer().match(/AN:/g)).toHaveLength(most);
  expect(answer()).not.toContain(' tc');
  const good = world.keeper.currentGeneration();
  world.set(withAddresses('big', most + 1));
  expect(world.keeper.currentGeneration()).toBe(good);
  expect(answer().match(/AN:/g)).toHaveLength(most);
  expect(world.keeper.pending().faults).toMatchObject([
    {
      ...{ code: 'size', name: 'big.lon.example.' },
      why: expect.stringMatching(`has ${most + 1} records of type A .* carries about ${most} of`),
    },
  ]);
  const refused = world.events.after(0, 1000).filter(({ name }) => name === 'dns.refused');
  expect(refused).toHaveLength(1);
  world.set(withAddresses('big', most - 1));
  world.keeper.again();
  expect(answer().match(/AN:/g)).toHaveLength(most - 1);
});
