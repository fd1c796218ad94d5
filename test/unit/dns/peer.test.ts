/** Another implementation reads our answers: the clients of the package dns2, over UDP and TCP. */
import { TCPClient, UDPClient } from 'dns2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HOST, startWire, type Wire } from '../../support/dns-wire.ts';

let wire: Wire;
beforeAll(async () => {
  wire = await startWire();
});
afterAll(() => wire.close());

const clients = { UDP: UDPClient, TCP: TCPClient };

it.each(Object.entries(clients))('dns2 reads our answers over %s', async (_, client) => {
  const ask = client({ dns: HOST, port: wire.port });

  const address = await ask('web5.lon.example', 'A');
  expect(address.header).toMatchObject({ qr: 1, aa: 1, rcode: 0 });
  expect(address.answers).toMatchObject([
    { name: 'web5.lon.example', ttl: 300, address: '10.0.1.5' },
  ]);

  const pointer = await ask('5.1.0.10.in-addr.arpa', 'PTR');
  expect(pointer.answers).toMatchObject([{ domain: 'web5.lon.example' }]);

  const none = await ask('nobody.lon.example', 'A');
  expect(none.header).toMatchObject({ aa: 1, rcode: 3 });
  expect(none.authorities).toMatchObject([{ name: 'lon.example' }]);
});
