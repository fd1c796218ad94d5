/**
 * Whose word counts for an installed system: the job's before its role's, name by name. Keys are added up, because who may look
 * after all machines of a role is not to be locked out of one by the keys that somebody else has asked for. Pure.
 */
import type { RoleRecord } from '../inventory/role-record.ts';
import type { InstallDetail } from './detail.ts';

/** What ends in an installed system of a job and of its machine's role. */
export type Brought = Pick<InstallDetail, 'metadata' | 'sshKeys' | 'userData'>;

/** @param role absent: there is no record of that name */
export function withRole(
  job: { readonly [Name in keyof Brought]?: Brought[Name] | undefined },
  role: Pick<RoleRecord, keyof Brought> | undefined,
): Brought {
  return {
    metadata: { ...role?.metadata, ...job.metadata },
    sshKeys: [...new Set([...(role?.sshKeys ?? []), ...(job.sshKeys ?? [])])],
    userData: job.userData ?? role?.userData ?? '',
  };
}
