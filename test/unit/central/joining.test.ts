/** What somebody is told who joins an appliance to the fleet. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeAuthority } from '../../../src/central/authority.ts';
import { openJoining } from '../../../src/central/joining.ts';
import { joinFleet } from '../../../src/daemon/join-fleet.ts';
import { makeRequest } from '../../../src/federation/certificates.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createFleet, type TestFleet } from '../../support/fleet.ts';
import { fleetDatabase } from '../../support/fleet-database.ts';

let fleet: TestFleet;
let url = '';
beforeEach(async () => {
  fleet = await createFleet();
  url = `https://127.0.0.1:${fleet.central.appliancesPort}`;
});
afterEach(() => fleet.close());

describe('joining', () => {
  it('with a code that is wrong, used, or of another authority does not', async () => {
    const { body } = await fleet.call('POST', '/sites/ams/join-code');
    const [secret, fingerprint] = body.code.split('.');
    const folder = join(fleet.folder, 'ams');
    const refusal = { code: 'JOIN_REFUSED' };
    const wrong = `${'w'.repeat(22)}.${fingerprint}`;
    // What central says of a code is said once.
    const said = /^This join code is unknown, used or over; have a new one made at central\. ?$/;
    await expect(joinFleet(folder, url, wrong)).rejects.toMatchObject({
      ...refusal,
      message: expect.stringMatching(said),
    });
    for (const typed of ['', 'garbage', secret, `${body.code}x`])
      await expect(joinFleet(folder, url, typed)).rejects.toMatchObject({
        // The command line's fault: it ends with 64.
        code: 'REQUEST_INVALID',
        message: expect.stringContaining('is no code'),
      });
    await expect(joinFleet(folder, url, `${secret}.${'A'.repeat(43)}`)).rejects.toMatchObject(
      refusal,
    );
    expect(await joinFleet(folder, url, body.code)).toBe('ams');
    await expect(joinFleet(folder, url, body.code)).rejects.toMatchObject(refusal);
  });

  it('says what is wrong with central where the code is not at fault', async () => {
    const { body } = await fleet.call('POST', '/sites/ams/join-code');
    const folder = join(fleet.folder, 'ams');
    await fleet.forge('ALTER TABLE join_codes RENAME TO no_join_codes');
    await expect(joinFleet(folder, url, body.code)).rejects.toMatchObject({
      code: 'CENTRAL_UNREACHABLE',
      message: expect.stringContaining('INTERNAL'),
    });
    await fleet.forge('ALTER TABLE no_join_codes RENAME TO join_codes');
    // The same code is still good.
    expect(await joinFleet(folder, url, body.code)).toBe('ams');
    const [, fingerprint] = body.code.split('.');
    const tries = Array.from({ length: 40 }, () =>
      joinFleet(folder, url, `${'w'.repeat(22)}.${fingerprint}`).catch(({ code }) => code),
    );
    expect(await Promise.all(tries)).toContain('RATE_LIMITED');
  });
});

it('a site that is shut out gets no new certificate by a line that has not heard of it', async () => {
  const now = Date.now() as Millis;
  const db = await fleetDatabase();
  const joining = openJoining(db, await makeAuthority(now), () => now);
  const [secret = ''] = (await joining.makeCode('ams', 'ann')).split('.');
  const { request } = await makeRequest('ams');
  await joining.join({ secret, request });
  const renewed = await joining.renew('ams', request);
  expect(await joining.siteOf(renewed?.serial ?? '')).toBe('ams');
  expect(await joining.revoke('ams')).toBe(2);
  expect(await joining.renew('ams', request)).toBeUndefined();
  expect(await db.all('SELECT serial FROM certificates WHERE revoked_at = 0')).toEqual([]);
});
