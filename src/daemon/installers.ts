/**
 * Boots that are handed an image's own installer: the token of the work, minted for this boot as an agent's would be, and the
 * installer's command line with it. An order whose command line cannot be rendered fails here, with what is missing.
 */
import type { DeskRecords } from '../boot/desk.ts';
import { renderArguments } from '../images/template.ts';
import { parseInstallDetail } from '../install/detail.ts';
import { argumentValues } from '../install/installer.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { isForInstaller } from '../inventory/work.ts';

export function takeInstaller(
  inventory: Pick<Inventory, 'work' | 'events' | 'transaction'>,
  domain = '',
): NonNullable<DeskRecords['takeInstaller']> {
  const { work, events, transaction } = inventory;
  return (hardwarename, { boot, url }) =>
    transaction(() => {
      const order = work.liveOf(hardwarename);
      if (!order || !isForInstaller(order)) return undefined;
      const taken = work.take(order, { boot: boot.id, mac: boot.mac });
      if (!taken) return undefined;
      const { token } = taken;
      const { job, purpose, round } = order;
      const detail = parseInstallDetail(order.detail);
      const metadataToken = work.metadataToken(job);
      try {
        const facts = { hardwarename, domain, url, token, metadataToken };
        const text = detail.image.doc.kernelArguments;
        return {
          work: token,
          kernelArguments: renderArguments(text, argumentValues(detail, facts)),
        };
      } catch (error) {
        const why = `Its command line: ${(error as Error).message}.`;
        const result = { ok: false, step: 'boot', code: 'TEMPLATE_INVALID', detail: why } as const;
        work.concluded(taken, result);
        const data = { job, purpose, round, ...result, retry: false, log: '' };
        events.append({ name: 'agent.failed', hardwarename, boot: boot.id, mac: boot.mac, data });
        return undefined;
      }
    });
}
