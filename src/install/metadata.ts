/**
 * Documents for the installed system: NoCloud's four, and the machine's own page for configuration management.
 *
 * A scalar of YAML is written as a JSON string, which YAML 1.2 takes as it is (section 1.3), so no value can become
 * structure. Lists are one item a line: small readers without a YAML parser understand them too. Pure.
 */
import type { InstallDetail } from './detail.ts';

export interface DocumentFacts {
  readonly job: string;
  readonly hardwarename: string;
  readonly phoneHome: string;
}

const quote = (text: string) => JSON.stringify(text);

/** cloud-init's NoCloud: `instance-id` is the job, so that a new install is a new instance. */
export function metaData(detail: InstallDetail, { job, hardwarename }: DocumentFacts): string {
  const { hostname, role, squad, site, sshKeys, metadata } = detail;
  const keys = sshKeys.map((key) => `  - ${quote(key)}\n`).join('');
  return [
    `instance-id: ${quote(job)}\n`,
    hostname === '' ? '' : `local-hostname: ${quote(hostname)}\n`,
    keys === '' ? '' : `public-keys:\n${keys}`,
    `hardwarename: ${quote(hardwarename)}\n`,
    `role: ${quote(role)}\nsquad: ${quote(squad)}\nsite: ${quote(site)}\n`,
    ...Object.entries(metadata).map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`),
  ].join('');
}

export function userData({ userData: text }: InstallDetail): string {
  return text === '' ? '#cloud-config\n{}\n' : text;
}

export function vendorData(_detail: InstallDetail, { phoneHome }: DocumentFacts): string {
  const block = { phone_home: { url: phoneHome, post: ['instance_id', 'hostname'], tries: 30 } };
  return `#cloud-config\n${JSON.stringify(block)}\n`;
}

/** Network config version 2; the NIC is found by its address. */
export function networkConfig({ network, mac }: InstallDetail): string {
  const match = { match: { macaddress: mac } };
  const nic =
    network.kind === 'dhcp'
      ? { ...match, dhcp4: true, 'dhcp-identifier': 'mac' }
      : {
          ...match,
          addresses: [network.address],
          ...(network.gateway === undefined
            ? {}
            : { routes: [{ to: 'default', via: network.gateway }] }),
          ...(network.dns.length > 0 ? { nameservers: { addresses: network.dns } } : {}),
        };
  return `${JSON.stringify({ version: 2, ethernets: { boot: nic } })}\n`;
}

/** /etc/reveille/machine.json: what this machine is, for configuration management. */
export function machinePage(detail: InstallDetail, { job, hardwarename }: DocumentFacts): string {
  const { hostname, role, squad, site, rack, image, metadata } = detail;
  const page = {
    ...{ hardwarename, hostname, role, squad, site, rack },
    ...{ image: `${image.name}@${image.version}`, job, metadata },
  };
  return `${JSON.stringify(page, undefined, 2)}\n`;
}
