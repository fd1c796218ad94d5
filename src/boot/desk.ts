/**
 * The boot desk: joins what is known about a client (its boot, its machine) with the boot decision, and renders the
 * answer for whoever asks. DHCP and the script route are its only callers; `explain` calls it in a transaction that is
 * rolled back. It runs inside the caller's transaction, because sighting a boot and minting its token are writes.
 */
import { archCode, architecture } from '../dhcp/architecture.ts';
import { type DhcpClient, isBootClient } from '../dhcp/client-class.ts';
import type { BootAnswer, BootQuery } from '../dhcp/ports.ts';
import type { NewEvent } from '../events.ts';
import type { Boot, BootSighting, Sighted } from '../inventory/boots.ts';
import type { MachineState } from '../inventory/states.ts';
import type { TokenPurpose } from '../inventory/tokens.ts';
import type { WorkPurpose } from '../inventory/work.ts';
import type { BootId, BootToken, Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { BinaryChoice, BootRules, BootSubject } from './binaries.ts';
import { type BootDecision, decide, leadsToScript } from './decide.ts';
import type { Experience, Trait } from './quirks.ts';
import { renderDhcp } from './render-dhcp.ts';
import type { GrubScripts } from './render-grub.ts';
import type { Loader } from './settings.ts';
import type { Scripts } from './templates.ts';

/** What the desk needs of ServerDb. */
export interface DeskRecords {
  machineByMac(
    mac: Mac,
  ): { readonly hardwarename: Hardwarename; readonly state: MachineState } | undefined;
  sight(sighting: BootSighting): Sighted | undefined;
  mint(boot: BootId, mac: Mac, purpose: TokenPurpose): { readonly token: BootToken };
  append(event: NewEvent): void;
  /** What a job has this machine do. */
  workOf?(hardwarename: Hardwarename): {
    readonly work: WorkPurpose | undefined;
    readonly installer?: boolean;
    readonly installed: boolean;
  };
  /**
   * Hands the live install of this machine to a boot that starts its image's own installer.
   * @param url of the appliance, as the machine has reached it
   * @returns undefined when it may not be had: the order has failed, and says why
   */
  takeInstaller?(
    hardwarename: Hardwarename,
    by: { readonly boot: Boot; readonly url: string },
  ): { readonly work: string; readonly kernelArguments: string } | undefined;
  /** SMBIOS product name of a machine on record. */
  hardwareTypeOf?(hardwarename: Hardwarename): string | undefined;
  /** Did the boot before this one end with a boot binary fetched, and nothing after it? */
  stuckBefore?(mac: Mac, boot: BootId): boolean;
  /** What has worked and failed on this machine, or on others of its model. */
  experience?(trait: Trait, mac: Mac, hardwarename: Hardwarename | undefined): Experience;
}

export interface DeskOptions {
  readonly httpPort: number;
  /** Set where an iPXE that speaks HTTPS is to fetch its script by it. */
  readonly httpsPort?: number | undefined;
  /** Set where UEFI HTTP Boot is to fetch its file by it. */
  readonly firmwareHttpsPort?: number | undefined;
  readonly rules: BootRules;
  readonly kernelArguments: string;
  readonly scripts: Scripts;
  /** Absent where no chain ends in GRUB. */
  readonly grubScripts?: GrubScripts | undefined;
}

export interface BootDesk {
  /** The machine on record with this NIC; nothing is written. */
  hardwarenameOf(mac: Mac): Hardwarename | undefined;
  /** For a DHCP client: its boot, and the boot part of the reply. */
  bootFor(query: BootQuery): BootAnswer;
  /** For a loader that shows its boot's token: the script in its language, and the decision behind it. */
  scriptFor(
    boot: Boot,
    token: BootToken,
    { url, loader }: { readonly url: string; readonly loader: Loader },
  ): { script: string; decision: BootDecision };
  /** What every GRUB asks for first; undefined where no chain ends in one. */
  readonly grubStart: string | undefined;
  /** The file behind a name that a client asks for by TFTP or HTTP. */
  servedAs(name: string): string;
  readonly standIns: BootRules['standIns'];
}

export function createBootDesk(records: DeskRecords, options: DeskOptions): BootDesk {
  return {
    hardwarenameOf: (mac) => records.machineByMac(mac)?.hardwarename,
    bootFor: (query) => bootFor(records, options, query),
    grubStart: options.grubScripts?.start,
    scriptFor(boot, token, { url, loader }) {
      const machine = records.machineByMac(boot.mac);
      const subject = subjectOf(records, options.rules, {
        mac: boot.mac,
        hardwarename: machine?.hardwarename,
      });
      const decideNow = () =>
        decide({
          client: { stage: loader, arch: archCode(boot.arch), foreignIpxe: false },
          state: machine?.state ?? 'unknown',
          ...workOf(records, machine),
          binariesServed: boot.binariesServed,
          binary: undefined,
          localBoot: localBootOf(records, options.rules, subject),
        });
      const first = decideNow();
      const installer =
        machine && first.target.kind === 'installer'
          ? records.takeInstaller?.(machine.hardwarename, { boot, url })
          : undefined;
      // An order that was refused has failed by that: what is left is decided anew.
      const decision = first.target.kind === 'installer' && !installer ? decideNow() : first;
      const scripts = loader === 'grub' ? options.grubScripts : options.scripts;
      if (!scripts) throw new Error('no chain ends in GRUB');
      const script = scripts.render(decision, {
        url,
        token,
        mac: boot.mac,
        machine: machine?.hardwarename ?? boot.mac,
        kernelArguments: options.kernelArguments,
        installer,
      });
      return { script, decision };
    },
    servedAs: options.rules.servedAs,
    standIns: options.rules.standIns,
  };
}

function bootFor(
  records: DeskRecords,
  options: DeskOptions,
  { client: asking, mac, segment }: BootQuery,
): BootAnswer {
  const client = asServed(asking, options);
  const machine = records.machineByMac(mac);
  const hardwarename = machine?.hardwarename;
  // A BMC shares a wire with its machine, and sometimes a MAC's neighbourhood; it has no boot of its own.
  const sighted =
    client.stage === 'bmc'
      ? undefined
      : records.sight({ mac, client: client.stage, arch: client.archName, hardwarename });
  if (!machine && !sighted && isPlain(client)) return GUEST;
  noteSighting(records, sighted, {
    ...{ mac, hardwarename, client },
    iface: segment.iface ?? `relayed to ${segment.name}`,
  });
  const subject = subjectOf(records, options.rules, { mac, hardwarename });
  const decision = decide({
    client,
    state: machine?.state ?? 'unknown',
    ...workOf(records, machine),
    binariesServed: sighted?.boot.binariesServed ?? 0,
    binary: binaryFor(records, options.rules, { client, subject, boot: sighted?.boot.id }),
    localBoot: localBootOf(records, options.rules, subject),
    proxied: segment.mode === 'proxy',
  });
  const token =
    sighted && leadsToScript(decision)
      ? records.mint(sighted.boot.id, mac, 'boot').token
      : undefined;
  const addresses = {
    server: segment.serverAddress,
    httpPort: options.httpPort,
    httpsPort: httpsPortFor(client, options),
  };
  return {
    boot: sighted?.boot.id,
    hardwarename: hardwarename ?? sighted?.boot.hardwarename,
    state: machine?.state ?? 'unknown',
    options: renderDhcp(decision, addresses, token),
    why: [...decision.reasons, ...(client === asking ? [] : [NO_HTTPS])].join('; '),
  };
}

/** An iPXE with HTTPS alone can fetch no script where it is offered none by HTTPS: it is handed our loader, like a card's. */
function asServed(client: DhcpClient, { httpsPort }: DeskOptions): DhcpClient {
  if (client.stage !== 'ipxe' || !client.httpsAlone || httpsPort !== undefined) return client;
  return { ...client, stage: 'firmware', foreignIpxe: true };
}

const NO_HTTPS =
  'it is an iPXE with HTTPS and without HTTP, and its script is not offered by HTTPS (machineHttp.tls.offer)';

/** An operating system says nothing of its processor. */
function isPlain({ stage, arch }: DhcpClient): boolean {
  return stage === 'os' && arch === 0;
}

/** All that are on no record and boot nothing are told the same, thousands a second in a storm. */
const GUEST: BootAnswer = (() => {
  const decision = decide({
    client: { stage: 'os', arch: 0, foreignIpxe: false },
    state: 'unknown',
    ...{ work: undefined, installed: false, binariesServed: 0, binary: undefined },
    localBoot: 'auto',
  });
  return {
    ...{ boot: undefined, hardwarename: undefined, state: 'unknown', options: {} },
    why: decision.reasons.join('; '),
  };
})();

/** What speaks HTTPS does not say which CA it trusts: the site has to know. */
function httpsPortFor(
  { stage, ipxeHttps }: DhcpClient,
  { httpsPort, firmwareHttpsPort }: DeskOptions,
): number | undefined {
  if (stage === 'http-boot') return firmwareHttpsPort;
  return ipxeHttps ? httpsPort : undefined;
}

const NO_WORK = { work: undefined, installed: false } as const;

/** Asked anew with every packet and script: an order that has just ended must not be served from a memory. */
function workOf(
  records: DeskRecords,
  machine: { readonly hardwarename: Hardwarename; readonly state: MachineState } | undefined,
): { work: WorkPurpose | undefined; installer?: boolean; installed: boolean } {
  return (machine && records.workOf?.(machine.hardwarename)) ?? NO_WORK;
}

function noteSighting(
  records: DeskRecords,
  sighted: Sighted | undefined,
  seen: { mac: Mac; hardwarename: Hardwarename | undefined; client: DhcpClient; iface: string },
): void {
  const { mac, hardwarename, client, iface } = seen;
  if (sighted?.begun) {
    const data = { client: client.stage, arch: client.archName, iface };
    records.append({ name: 'boot.started', mac, boot: sighted.boot.id, hardwarename, data });
  }
  if (sighted?.resumed) {
    const { id: boot, hardwarename } = sighted.boot;
    records.append({ name: 'boot.resumed', mac, boot, hardwarename, data: { after: 'dhcp' } });
  }
}

function subjectOf(
  records: DeskRecords,
  rules: BootRules,
  { mac, hardwarename }: { mac: Mac; hardwarename: Hardwarename | undefined },
): BootSubject {
  const product =
    rules.usesProducts && hardwarename ? records.hardwareTypeOf?.(hardwarename) : undefined;
  return { mac, hardwarename, product };
}

/** Only firmware is handed a file; an iPXE that asks under a foreign name is firmware too. */
function binaryFor(
  records: DeskRecords,
  rules: BootRules,
  asking: { client: DhcpClient; subject: BootSubject; boot: BootId | undefined },
): BinaryChoice | undefined {
  const { client, subject, boot } = asking;
  if (!isBootClient(client) || client.stage === 'ipxe') return undefined;
  const { family } = architecture(client.arch);
  if (!family) return undefined;
  const stuck =
    boot !== undefined &&
    rules.hasAlternative(family) &&
    records.stuckBefore?.(subject.mac, boot) === true;
  const experience = records.experience?.('binary', subject.mac, subject.hardwarename);
  return rules.choose(family, subject, experience ? { stuck, experience } : { stuck });
}

function localBootOf(records: DeskRecords, rules: BootRules, subject: BootSubject) {
  const { mac, hardwarename } = subject;
  return rules.localBootOf(subject, records.experience?.('local-boot', mac, hardwarename));
}
