/**
 * What an image's own installer is told of its machine: the values for the places of its template and of its kernel's command
 * line. Pure.
 *
 * The addresses are of this install alone. `installedUrl` ends the installer's part, so that the machine starts from its disk
 * from then on; `phoneHomeUrl` is the installed system's, at its first start. A template that has only the latter is taken at
 * its word: a system that has started was installed.
 */
import type { InstallDetail } from './detail.ts';

export interface InstallerFacts {
  readonly hardwarename: string;
  /** Of the site's machines; '' when it has none. */
  readonly domain: string;
  /** The appliance, as the machine has reached it. */
  readonly url: string;
  /** Of this work. */
  readonly token: string;
  readonly metadataToken: string;
}

export type InstallerValues = Readonly<Record<string, string | readonly string[]>>;

export function installerValues(detail: InstallDetail, facts: InstallerFacts): InstallerValues {
  const { hardwarename, url, token, metadataToken } = facts;
  const [short = '', ...rest] = detail.hostname.split('.');
  const { role, squad, site, rack, sshKeys, metadata } = detail;
  return {
    ...{ hardwarename, role, squad, site, rack, sshKeys },
    hostname: short,
    domain: rest.join('.') || facts.domain,
    metadataUrl: `${url}/metadata/${metadataToken}/`,
    phoneHomeUrl: `${url}/phone-home/${metadataToken}`,
    installedUrl: `${url}/installer/${token}/installed`,
    ...Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [
        `metadata.${name}`,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]),
    ),
  };
}

/** Of the kernel's command line: the above, and where the rendered template is. */
export function argumentValues(detail: InstallDetail, facts: InstallerFacts): InstallerValues {
  const { url, token } = facts;
  return {
    ...installerValues(detail, facts),
    url: `${url}/installer/${token}/template`,
    // NoCloud takes a folder with its documents in it; the template is its user-data.
    seedUrl: `${url}/installer/${token}/seed/`,
  };
}
