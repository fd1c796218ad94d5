/**
 * A BMC as one caller has it for one turn: what it may be asked, and whether its session may serve the next caller. One that
 * has failed is not kept, and neither is one whose own account may have changed.
 */
import { AppError } from '../errors.ts';
import type { Bmc } from '../ipmi/bmc.ts';

export function turnOf(
  bmc: Bmc,
  told: {
    giveBack(reusable: boolean): void;
    /** Before an account is changed. */
    accountsChanged(): void;
    /** After an account has got its password. */
    accountGiven(): void;
  },
): Bmc {
  const { giveBack, accountsChanged, accountGiven } = told;
  let reusable = true;
  const watched =
    <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      try {
        return await call(...args);
      } catch (error) {
        // What it refuses says that it is there; anything else does not.
        if (!(error instanceof AppError && error.code === 'BMC_REFUSED')) reusable = false;
        throw error;
      }
    };
  const { accounts, upkeep } = bmc;
  const changing = <Args extends unknown[], Result>(call: (...args: Args) => Promise<Result>) =>
    watched(async (...args: Args) => {
      reusable = false;
      accountsChanged();
      return call(...args);
    });
  return {
    protocol: bmc.protocol,
    powerOn: watched(() => bmc.powerOn()),
    setPower: watched((action) => bmc.setPower(action)),
    startMark: watched(() => bmc.startMark()),
    startedSince: watched((mark) => bmc.startedSince(mark)),
    setBoot: watched((wish) => bmc.setBoot(wish)),
    identify: watched((seconds) => bmc.identify(seconds)),
    sensors: watched(() => bmc.sensors()),
    inventory: watched(() => bmc.inventory()),
    log: watched(() => bmc.log()),
    accounts: accounts && {
      put: changing(async (user) => {
        const outcome = await accounts.put(user);
        accountGiven();
        return outcome;
      }),
      disable: changing((name) => accounts.disable(name)),
      closeOthers: changing((keep) => accounts.closeOthers(keep)),
    },
    upkeep: upkeep && {
      restorePolicy: watched((wish) => upkeep.restorePolicy(wish)),
      setClock: watched((seconds) => upkeep.setClock(seconds)),
      useDhcp: watched(() => upkeep.useDhcp()),
      calmWatchdog: watched(() => upkeep.calmWatchdog()),
    },
    async close() {
      giveBack(reusable);
    },
  };
}
