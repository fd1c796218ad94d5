/** A certificate that ends is found before its clients find it. */
import { expect, it } from 'vitest';
import { certificates } from '../../../src/cli/people/doctor-certificates.ts';
import { parseConfig } from '../../../src/config.ts';
import { makeSiteCa } from '../../support/site-ca.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const DAY_MS = 86_400_000;

it('names the listener, the day and the file, a month before', () => {
  const dir = temporaryFolder('doctor-tls');
  const site = makeSiteCa(dir, '10.77.0.1');
  const files = site.issue('people', { days: 100, newkey: ['rsa:2048'] });
  const config = parseConfig(JSON.stringify({ peopleHttp: { tls: files } }));
  const look = (days: number) => certificates(config, Date.now() + days * DAY_MS)[0];
  expect(look(60)).toMatchObject({ check: 'certificate (people)', ok: true });
  expect(look(80)).toMatchObject({ ok: false, found: expect.stringMatching(/^ends on 20/) });
  expect(look(80)?.mend).toContain(files.cert);
  expect(look(101)?.found).toMatch(/^has ended on 20/);
});

it('tells of files that no listener could use, and of none where there is no TLS', () => {
  expect(certificates(parseConfig(''), Date.now())).toEqual([]);
  const tls = { cert: '/nowhere.crt', key: '/nowhere.key', ca: '/nowhere.ca' };
  const found = certificates(parseConfig(JSON.stringify({ machineHttp: { tls } })), Date.now());
  expect(found).toMatchObject([{ check: 'certificate (machines)', ok: false }]);
  expect(found[0]?.found).toContain('/nowhere.crt');
});
