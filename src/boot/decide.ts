/**
 * The boot decision: what a machine boots, decided here and nowhere else.
 *
 * Two questions, in this order. *What* should this machine run (its target)? That depends on the state that ServerDb
 * has for it, and on whether a live job token allows something destructive. *How* does the client that is asking get
 * there (its delivery)? Firmware is handed an iPXE binary, iPXE is handed a script, an operating system is handed
 * nothing. DHCP, TFTP, HTTP, the board and the CLI render this result; none of them looks at a machine's state.
 *
 * Pure: no clock, no database, no I/O. The table of states is design law: unknown -> recon; held, available -> wait;
 * installing and recycling only with a job token, else wait; in-use -> local disk; broken -> rescue; retired -> nothing.
 */
import type { ClientStage } from '../events.ts';
import type { MachineState } from '../inventory/states.ts';
import { limit } from '../limits.ts';
import { unreachable } from '../wire/result.ts';

/** The modes of pxeimage. */
export type PxeimageMode = 'recon' | 'wait' | 'install' | 'recycle' | 'rescue';

export interface BootFacts {
  readonly client: BootClient;
  /** `unknown`: no record owns the NIC that is asking. */
  readonly state: MachineState | 'unknown';
  /** A job that is allowed to destroy data on this machine now. None exists before there is a job engine. */
  readonly jobToken: 'install' | 'recycle' | undefined;
  /** How often this boot has been handed a boot binary completely. */
  readonly binariesServed: number;
}

export interface BootClient {
  readonly stage: ClientStage;
  /** Option 93, IANA "Processor Architecture Types". */
  readonly arch: number;
  /** An iPXE that says it is not ours: it is treated as firmware, and must not loop. */
  readonly foreignIpxe: boolean;
}

export type Target =
  | { readonly kind: 'pxeimage'; readonly mode: PxeimageMode }
  | { readonly kind: 'local-disk' }
  | { readonly kind: 'nothing' };

export type Delivery =
  | { readonly kind: 'chain'; readonly binary: BinaryName; readonly via: 'tftp' | 'http' }
  | { readonly kind: 'script' }
  | { readonly kind: 'none' };

/** Which configured binary; the file's name is configuration. */
export type BinaryName = 'bios' | 'uefiX64';

export interface BootDecision {
  readonly target: Target;
  readonly delivery: Delivery;
  /** Why, in the order it was decided: one sentence each. */
  readonly reasons: readonly string[];
}

export function decide(facts: BootFacts): BootDecision {
  const what = decideTarget(facts);
  const how = decideDelivery(facts);
  return { target: what.target, delivery: how.delivery, reasons: [what.reason, how.reason] };
}

/** One word for a target, as events and pages show it. */
export function targetWord(target: Target): string {
  return target.kind === 'pxeimage' ? target.mode : target.kind;
}

function decideTarget({ state, jobToken }: BootFacts): { target: Target; reason: string } {
  const pxeimage = (mode: PxeimageMode, reason: string) =>
    ({ target: { kind: 'pxeimage', mode }, reason }) as const;
  switch (state) {
    case 'unknown':
      return pxeimage('recon', 'no record owns this NIC: pxeimage looks the machine over');
    case 'held':
      return pxeimage('wait', 'held: it waits for a person');
    case 'available':
      return pxeimage('wait', 'available: it waits for work');
    case 'broken':
      return pxeimage('rescue', 'broken: pxeimage in rescue');
    case 'installing':
      return jobToken === 'install'
        ? pxeimage('install', 'installing, with a live job token')
        : pxeimage('wait', 'installing, but no live job token: nothing destructive is served');
    case 'recycling':
      return jobToken === 'recycle'
        ? pxeimage('recycle', 'recycling, with a live job token')
        : pxeimage('wait', 'recycling, but no live job token: nothing destructive is served');
    case 'in-use':
      return { target: { kind: 'local-disk' }, reason: 'in use: its local disk' };
    case 'retired':
      return { target: { kind: 'nothing' }, reason: 'retired: nothing but a message' };
    default:
      return unreachable(state);
  }
}

function decideDelivery({ client, binariesServed }: BootFacts): {
  delivery: Delivery;
  reason: string;
} {
  switch (client.stage) {
    case 'os':
      return { delivery: { kind: 'none' }, reason: 'an operating system: addresses only' };
    case 'ipxe':
      return { delivery: { kind: 'script' }, reason: 'iPXE: its script over HTTP' };
    case 'http-boot': {
      const binary = binaryFor(client.arch);
      return binary
        ? {
            delivery: { kind: 'chain', binary, via: 'http' },
            reason: 'UEFI HTTP Boot: iPXE over HTTP',
          }
        : unsupported(client.arch);
    }
    case 'firmware': {
      if (client.foreignIpxe && binariesServed >= limit('binariesPerBoot')) {
        return {
          delivery: { kind: 'script' },
          reason: `handed ${binariesServed} binaries already and still asking: this iPXE gets the script`,
        };
      }
      const binary = binaryFor(client.arch);
      return binary
        ? {
            delivery: { kind: 'chain', binary, via: 'tftp' },
            reason: 'PXE firmware: iPXE over TFTP',
          }
        : unsupported(client.arch);
    }
    default:
      return unreachable(client.stage);
  }
}

function unsupported(arch: number): { delivery: Delivery; reason: string } {
  const code = `0x${arch.toString(16).padStart(2, '0')}`;
  return { delivery: { kind: 'none' }, reason: `no boot binary for architecture ${code}` };
}

/** IANA codes: 0 BIOS; 7 and (by an erratum of RFC 4578) 9 UEFI x64; 0x10 UEFI x64 HTTP. */
function binaryFor(arch: number): BinaryName | undefined {
  if (arch === 0x00) return 'bios';
  if (arch === 0x07 || arch === 0x09 || arch === 0x10) return 'uefiX64';
  return undefined;
}
