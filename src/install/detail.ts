/**
 * What an install has been resolved to: the exact version of the image, the name, the rule for disks. It is kept with the
 * work order, so that each attempt of a job installs the same thing however channels move meanwhile.
 */
import type { ResolvedImage } from '../inventory/images.ts';
import type { Mac } from '../wire/mac.ts';
import type { DiskRule } from './disk-rule.ts';
import type { Layout } from './layout.ts';

export type NetworkWish =
  | { readonly kind: 'dhcp' }
  | {
      readonly kind: 'static';
      /** `10.0.0.5/24` */
      readonly address: string;
      readonly gateway?: string | undefined;
      readonly dns: readonly string[];
    };

export interface InstallDetail {
  /** What `GET /agent/TOKEN/work` says beside what it says of any work. */
  readonly lines: Readonly<Record<string, string | number>>;
  readonly image: ResolvedImage;
  readonly hostname: string;
  readonly role: string;
  readonly squad: string;
  readonly site: string;
  readonly rack: string;
  /** Absent for a raw image, which brings its own. */
  readonly layout: Layout | undefined;
  readonly disks: DiskRule;
  readonly sshKeys: readonly string[];
  readonly network: NetworkWish;
  /** The NIC that the network is for: names of interfaces differ between kernels, addresses do not. */
  readonly mac: Mac;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly userData: string;
  readonly verify: 'sample' | 'full';
}

/** It was written by the install job and by nobody else. */
export function parseInstallDetail(value: unknown): InstallDetail {
  return value as InstallDetail;
}
