/**
 * Accounts of a BMC over Redfish (DSP0266 section 13.2, AccountService): one that is there is changed, else one is made.
 *
 * Most services take a POST to the collection. Dell's, and others after it, have a fixed number of accounts of which the free
 * ones have no name: such a one is written over, from the third on, because the first two are reserved. A password is set
 * before the account is enabled, in one PATCH where the service takes it.
 */
import { AppError } from '../../errors.ts';
import { assertAccountFits } from '../accounts.ts';
import type { BmcAccounts, Closing } from '../bmc.ts';
import { RedfishError, type RedfishHttp } from './http.ts';
import { at, type Json, linkAt, textAt } from './json.ts';

const ADMINISTRATOR = 'Administrator';

interface Account {
  readonly path: string;
  readonly json: Json;
  readonly etag: string;
}

export function redfishAccounts(http: RedfishHttp, root: Json): BmcAccounts {
  const all = async (): Promise<{ readonly collection: string; readonly accounts: Account[] }> => {
    const service = linkAt(root, 'AccountService');
    const missing = new AppError('BMC_REFUSED', { detail: 'It has no account service.' });
    if (service === '') throw missing;
    const collection = linkAt((await http.get(service)).json, 'Accounts');
    if (collection === '') throw missing;
    const accounts: Account[] = [];
    for (const path of await http.members(collection))
      accounts.push({ path, ...(await http.get(path)) });
    return { collection, accounts };
  };
  const named = (accounts: readonly Account[], name: string) =>
    accounts.find(({ json }) => textAt(json, 'UserName') === name);
  return {
    async put({ name, password }) {
      assertAccountFits({ name, password });
      const { collection, accounts } = await all();
      const there = named(accounts, name);
      const rights = { Password: password, RoleId: ADMINISTRATOR, Enabled: true };
      if (there) {
        await http.patch(there.path, rights, there.etag);
        return 'changed';
      }
      try {
        await http.post(collection, { UserName: name, ...rights });
      } catch (error) {
        // No POST on the collection: its accounts are slots.
        if (!(error instanceof RedfishError) || ![404, 405, 501].includes(error.status))
          throw error;
        const slot = accounts.find(
          ({ json }, index) => index >= 2 && textAt(json, 'UserName') === '',
        );
        if (!slot) throw new AppError('BMC_REFUSED', { detail: 'It has no free account.' });
        await http.patch(slot.path, { UserName: name, ...rights }, slot.etag);
      }
      return 'made';
    },
    async disable(name) {
      // One without a name is a free slot.
      const accounts = (await all()).accounts.filter(
        ({ json }) => name !== '' && textAt(json, 'UserName') === name,
      );
      let closing: Closing = accounts.length > 0 ? 'was-closed' : 'not-found';
      for (const account of accounts) if (await close(http, account)) closing = 'closed';
      return closing;
    },
    async closeOthers(keep) {
      const kept = new Set<string>();
      const closed: string[] = [];
      for (const account of (await all()).accounts) {
        const name = textAt(account.json, 'UserName');
        if (name === '') continue;
        if (keep.includes(name) && !kept.has(name)) kept.add(name);
        else if (await close(http, account)) closed.push(name);
      }
      return closed;
    },
  };
}

/** @returns false for one that was closed already */
async function close(http: RedfishHttp, { path, json, etag }: Account): Promise<boolean> {
  if (at(json, 'Enabled') === false) return false;
  await http.patch(path, { Enabled: false }, etag);
  if (at((await http.get(path)).json, 'Enabled') === true) {
    const detail = 'It says that it has disabled the account, and the account is still enabled.';
    throw new AppError('BMC_REFUSED', { detail });
  }
  return true;
}
