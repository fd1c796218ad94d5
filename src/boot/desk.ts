/**
 * The boot desk: joins what is known about a client (its boot, its machine) with the boot decision, and renders the
 * answer for whoever asks. DHCP and the script route are its only callers; `explain` calls it in a transaction that is
 * rolled back. It runs inside the caller's transaction, because sighting a boot and minting its token are writes.
 */
import type { BootAnswer, BootQuery } from '../dhcp/ports.ts';
import type { NewEvent } from '../events.ts';
import type { Boot, BootSighting, Sighted } from '../inventory/boots.ts';
import type { MachineState } from '../inventory/states.ts';
import type { TokenPurpose } from '../inventory/tokens.ts';
import type { BootId, BootToken, Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import { type BootDecision, decide } from './decide.ts';
import { type BootAddresses, renderDhcp } from './render-dhcp.ts';
import type { Scripts } from './render-ipxe.ts';

/** What the desk needs of ServerDb. */
export interface DeskRecords {
  machineByMac(
    mac: Mac,
  ): { readonly hardwarename: Hardwarename; readonly state: MachineState } | undefined;
  sight(sighting: BootSighting): Sighted | undefined;
  mint(boot: BootId, mac: Mac, purpose: TokenPurpose): { readonly token: BootToken };
  append(event: NewEvent): void;
}

export interface DeskOptions {
  readonly httpPort: number;
  readonly binaries: BootAddresses['binaries'];
  readonly kernelArguments: string;
  readonly scripts: Scripts;
}

export interface BootDesk {
  /** For a DHCP client: its boot, and the boot part of the reply. */
  bootFor(query: BootQuery): BootAnswer;
  /** For an iPXE that shows its boot's token: the script, and the decision behind it. */
  scriptFor(boot: Boot, token: BootToken, url: string): { script: string; decision: BootDecision };
}

export function createBootDesk(records: DeskRecords, options: DeskOptions): BootDesk {
  return {
    bootFor({ client, mac, segment }) {
      const machine = records.machineByMac(mac);
      const sighted = records.sight({
        mac,
        client: client.stage,
        arch: client.archName,
        hardwarename: machine?.hardwarename,
      });
      if (sighted?.begun) {
        records.append({
          name: 'boot.started',
          mac,
          boot: sighted.boot.id,
          hardwarename: machine?.hardwarename,
          data: { client: client.stage, arch: client.archName, iface: segment.iface },
        });
      }
      if (sighted?.resumed) {
        const { id: boot, hardwarename } = sighted.boot;
        records.append({ name: 'boot.resumed', mac, boot, hardwarename, data: { after: 'dhcp' } });
      }
      const decision = decide({
        client,
        state: machine?.state ?? 'unknown',
        jobToken: undefined,
        binariesServed: sighted?.boot.binariesServed ?? 0,
      });
      const token =
        sighted && decision.delivery.kind === 'script'
          ? records.mint(sighted.boot.id, mac, 'boot').token
          : undefined;
      const addresses = { server: segment.serverAddress, ...options };
      return {
        boot: sighted?.boot.id,
        hardwarename: machine?.hardwarename ?? sighted?.boot.hardwarename,
        options: renderDhcp(decision, addresses, token),
        why: decision.reasons.join('; '),
      };
    },
    scriptFor(boot, token, url) {
      const machine = records.machineByMac(boot.mac);
      const decision = decide({
        client: { stage: 'ipxe', arch: 0, foreignIpxe: false },
        state: machine?.state ?? 'unknown',
        jobToken: undefined,
        binariesServed: boot.binariesServed,
      });
      const script = options.scripts.render(decision, {
        url,
        token,
        mac: boot.mac,
        machine: machine?.hardwarename ?? boot.mac,
        kernelArguments: options.kernelArguments,
      });
      return { script, decision };
    },
  };
}
