/**
 * Records that people wrote, as the assembly has them. A change is staged, so that it can be checked before it is kept, and
 * taken back when it is refused: what the database has was good when it was written.
 */
import type { Assembly } from '../dns/assembly.ts';
import type { Fault } from '../dns/check.ts';
import { type Contribution, type DnsPlan, NOTHING } from '../dns/generate.ts';
import type { DnsName } from '../dns/name.ts';
import type { RecordEdit, StaticRecord } from '../dns/ports.ts';
import { readStatic } from '../dns/static-record.ts';
import { AppError } from '../errors.ts';

const RECORD = 'record:';

export interface Staged {
  /** Names that the change is about. */
  readonly names: ReadonlySet<DnsName>;
  undo(): void;
}

export class Statics {
  private readonly plan: DnsPlan;
  private readonly assembly: Assembly;
  private found: readonly Fault[] = [];

  constructor(plan: DnsPlan, assembly: Assembly) {
    this.plan = plan;
    this.assembly = assembly;
  }

  /** Those that were good once and cannot be read any more, or lie in no zone any more. */
  get faults(): readonly Fault[] {
    return this.found;
  }

  /** Takes up all that there are. */
  read(records: readonly StaticRecord[]): void {
    const { assembly, plan } = this;
    const gone = new Set(assembly.ownersLike(RECORD));
    const faults: Fault[] = [];
    for (const record of records) {
      const read = readStatic(record, plan, assembly.zones());
      gone.delete(ownerOf(record));
      if ('code' in read) faults.push(read);
      else assembly.set(ownerOf(record), contributed(read));
    }
    for (const owner of gone) assembly.set(owner, NOTHING);
    this.found = faults;
  }

  /** @param zones that are served @throws AppError DNS_REFUSED for a record that cannot be read or lies in none of them */
  stage({ before, after }: RecordEdit, zones: ReadonlySet<DnsName>): Staged {
    const { assembly, plan } = this;
    const record = after ?? before;
    if (!record) return { names: new Set(), undo: () => undefined };
    const owner = ownerOf(record);
    const read = after && readStatic(after, plan, zones);
    if (read && 'code' in read) throw refusal([read]);
    const old = assembly.contributionOf(owner);
    const next = read ? contributed(read) : NOTHING;
    assembly.set(owner, next);
    const names = new Set([...old.shared, ...next.shared].map(({ name }) => name));
    return { names, undo: () => assembly.set(owner, old) };
  }
}

function ownerOf({ id }: StaticRecord): string {
  return `${RECORD}${id}`;
}

function contributed(record: Contribution['shared'][number]): Contribution {
  return { own: [], shared: [record], zones: [] };
}

/** What a person is told whose change is not served. */
export function refusal(faults: readonly Fault[]): AppError {
  const detail = faults.map(({ name, why }) => `${name} ${why}`).join('; ');
  return new AppError('DNS_REFUSED', { detail: `${detail}.` });
}
