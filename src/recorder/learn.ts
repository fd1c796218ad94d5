/**
 * Turns verdicts and successes into quirks.
 *
 * A named failure with a remedy marks the value that was used as failing on this machine; the next boot decision passes
 * it over. When a machine that has such marks gets further, the value that it got there with is marked as working, for
 * the machine and, once it is known, for its model and firmware. Machines that never had trouble leave no rows.
 */
import type { Diagnosis } from '../diagnose/diagnose.ts';
import { isBelowToken, ofGrub } from '../diagnose/facts.ts';
import type { Flight, TftpEntry } from '../diagnose/flight.ts';
import type { Remedy } from '../diagnose/rule.ts';
import type { StoredEvent } from '../events.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { QuirkTrait } from '../inventory/quirks.ts';
import type { BootId, Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Collector } from './collect.ts';

export interface LearnerParts {
  readonly inventory: Inventory;
  readonly collector: Collector;
  /** How it leaves for its disk, and how its BMC is told to boot from the network, at present. */
  localBootOf(mac: Mac): string;
  overrideOf(mac: Mac): string;
}

export type Learner = ReturnType<typeof createLearner>;

const TRAIT_OF = {
  ...{ binary: 'binary', blksize: 'blksize', 'local-boot': 'local-boot', override: 'override' },
} as const satisfies Record<Remedy, QuirkTrait>;

export function createLearner(parts: LearnerParts) {
  const { inventory, localBootOf } = parts;
  const { quirks } = inventory.serverdb;

  const works = (
    { mac, hardwarename, boot, at }: Pick<StoredEvent, 'mac' | 'hardwarename' | 'boot' | 'at'>,
    trait: QuirkTrait,
    value: string,
  ): void => {
    if (!mac || !isUsable(value)) return;
    const known = quirks.known(trait, mac, hardwarename);
    const key = { scope: 'machine', subject: mac, trait, value } as const;
    const own = quirks.row(key);
    const since = (boot && inventory.boots.byId(boot)?.startedAt) ?? at;
    if (own?.outcome === 'fails') {
      // Only a later boot shows that the fault was elsewhere: one that limped on is no proof.
      if (own.at >= since) return;
    } else if (own?.doubts !== 1) {
      if (known.fails.size === 0 || known.works === value || known.fails.has(value)) return;
    }
    const others = [...known.fails].filter((one) => one !== value);
    const why =
      others.length === 0 ? 'it has worked again' : `${others.join(' and ')} failed before`;
    quirks.learn({ ...key, outcome: 'works', why, since });
    if (hardwarename) promote(mac, hardwarename);
  };

  /** What works on one machine is believed of its model, until another one says otherwise. */
  const promote = (mac: Mac, hardwarename: Hardwarename): void => {
    const model = quirks.modelOf(hardwarename);
    if (model === '') return;
    for (const trait of Object.values(TRAIT_OF)) {
      const { works: value } = quirks.known(trait, mac, undefined);
      if (value === undefined || quirks.has(trait, model)) continue;
      const why = `it worked on ${hardwarename}`;
      const key = { scope: 'model', subject: model, trait, value } as const;
      quirks.learn({ ...key, outcome: 'works', why, since: 0 });
    }
  };

  return {
    /** Within the transaction that keeps the diagnosis. */
    failed(flight: Flight, { remedy, name, confidence }: Diagnosis): void {
      if (remedy === undefined || flight.mac === '') return;
      const value = usedValue(flight, remedy, parts);
      const subject = flight.mac;
      const trait = TRAIT_OF[remedy];
      if (!isUsable(value)) return;
      const key = { scope: 'machine', subject, trait, value } as const;
      const weight = { certain: confidence === 'certain', since: flight.startedAt };
      quirks.learn({ ...key, ...weight, outcome: 'fails', why: name });
    },
    /** iPXE has its script: the binary and the block size that brought it there are good. */
    gotScript(event: StoredEvent): void {
      const { mac, boot } = event;
      if (!mac || !boot || quirks.isEmpty()) return;
      const events = inventory.events.ofBoot(boot);
      // What GRUB fetches by itself, scripts of some hundred bytes among it, proves neither a boot file nor a block size.
      const isOther = ({ file }: { readonly file: string }) => !ofGrub(file);
      const started = events.findLast((one) => one.name === 'tftp.started' && isOther(one.data));
      const sent = events.findLast(
        ({ name, data }) =>
          (name === 'tftp.sent' && isOther(data as { file: string })) ||
          (name === 'http.sent' && /\.(efi|kpxe)$/.test((data as { file: string }).file)),
      );
      if (!sent || !('file' in sent.data)) return;
      works(event, 'binary', shimOf(events) ?? String(sent.data.file));
      if (started?.name === 'tftp.started') {
        works(event, 'blksize', String(started.data.blksizeBytes));
      }
    },
    /** Its firmware asked for an address after its BMC was told to boot it from the network. */
    netbooted(event: StoredEvent): void {
      if (event.mac) works(event, 'override', parts.overrideOf(event.mac));
    },
    registered({ mac, hardwarename }: StoredEvent): void {
      if (mac && hardwarename && !quirks.isEmpty()) promote(mac, hardwarename);
    },
    /** Its operating system asked for an address after it was sent to its disk. @returns whether it is that */
    leftForDisk(event: StoredEvent): boolean {
      if (!event.mac || !event.boot || !sentToDisk(inventory, event.boot)) return false;
      works(event, 'local-boot', localBootOf(event.mac));
      return true;
    },
  };
}

/** No value of any trait has a folder in it (boot/quirks.ts, isValueOf): a row with one would never be used. */
const isUsable = (value: string): boolean => value !== '' && !value.includes('/');

function sentToDisk({ events }: Inventory, boot: BootId): boolean {
  return events
    .ofBoot(boot)
    .some((one) => one.name === 'ipxe.script' && one.data.mode === 'local-disk');
}

/** The first file of a chain of shim and GRUB: the one that was chosen. What the shim goes on to is not handed to anybody. */
function shimOf(events: readonly StoredEvent[]): string | undefined {
  const acked = events.findLast((one) => one.name === 'dhcp.acked' && one.data.bootFile !== '');
  const told = acked?.name === 'dhcp.acked' ? acked.data.bootFile : '';
  return isBelowToken(told) ? told.split('/').at(-1) : undefined;
}

function usedValue(
  { entries, mac }: Flight,
  remedy: NonNullable<Diagnosis['remedy']>,
  { localBootOf, overrideOf }: Pick<LearnerParts, 'localBootOf' | 'overrideOf'>,
): string {
  const transfer = entries.findLast(
    (one): one is TftpEntry => one.kind === 'tftp' && !ofGrub(one.file),
  );
  switch (remedy) {
    case 'binary': {
      const fetched = entries.findLast(
        (one) => one.kind === 'http' && /\.(efi|kpxe)$/.test(one.file),
      );
      const told = entries.findLast((one) => one.kind === 'dhcp' && one.bootFile !== '');
      const first =
        told?.kind === 'dhcp' && isBelowToken(told.bootFile) ? told.bootFile : undefined;
      const file =
        first ??
        transfer?.file ??
        (fetched?.kind === 'http' ? fetched.file : undefined) ??
        (told?.kind === 'dhcp' ? told.bootFile : '');
      return file.split('/').at(-1) ?? '';
    }
    case 'blksize':
      return transfer?.granted.blksize ?? '512';
    case 'local-boot':
      return localBootOf(mac as Mac);
    case 'override':
      return overrideOf(mac as Mac);
  }
}
