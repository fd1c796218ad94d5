/**
 * The boot decision: what a machine boots, decided here and nowhere else.
 *
 * Two questions, in this order. *What* should this machine run (its target)? That depends on the state that ServerDb
 * has for it, and on whether a live job token allows something destructive. *How* does the client that is asking get
 * there (its delivery)? Firmware is handed an iPXE binary, iPXE is handed a script, or is told why there is none that it could
 * carry out, an operating system is handed nothing. DHCP, TFTP, HTTP, the board and the CLI render this result; none of them looks at a machine's state.
 *
 * Pure: no clock, no database, no I/O. The table of states is design law: unknown -> recon; held, available -> wait;
 * installing and recycling only with a live work order, else wait (an installed machine whose job still waits for the new
 * system's call: its local disk); in-use -> local disk; broken -> rescue; retired -> nothing.
 */
import { architecture, type BootFamily } from '../dhcp/architecture.ts';
import type { ClientStage } from '../events.ts';
import { type MachineState, statesOfWork } from '../inventory/states.ts';
import type { WorkPurpose } from '../inventory/work.ts';
import { limit } from '../limits.ts';
import { unreachable } from '../wire/result.ts';
import type { BinaryChoice } from './binaries.ts';
import type { Loader, LocalBootMethod } from './settings.ts';

/** The modes of pxeimage. */
export type PxeimageMode = 'recon' | 'wait' | 'install' | 'recycle' | 'burn-in' | 'rescue';

export interface BootFacts {
  readonly client: BootClient;
  /** `unknown`: no record owns the NIC that is asking. */
  readonly state: MachineState | 'unknown';
  /** The live work order of this machine: a job that may destroy data on it now (inventory/work.ts). */
  readonly work: WorkPurpose | undefined;
  /** The image of a live install is a distribution's own installer, which is booted itself and not by pxeimage. */
  readonly installer?: boolean | undefined;
  /** It is installed, and its job waits for the new system to call. */
  readonly installed: boolean;
  /** How often this boot has been handed a boot binary completely. */
  readonly binariesServed: number;
  /** The boot file for this client's architecture; undefined when we have none for it. */
  readonly binary: BinaryChoice | undefined;
  /** How this machine's firmware is made to go on to its disk. */
  readonly localBoot: LocalBootMethod;
  /** Another server leases the addresses of its segment. */
  readonly proxied?: boolean;
}

export interface BootClient {
  /** GRUB asks for a script and never for an address. */
  readonly stage: ClientStage | 'grub';
  /** Option 93, IANA "Processor Architecture Types". */
  readonly arch: number;
  /** An iPXE that says it is not ours: it is treated as firmware, and must not loop. */
  readonly foreignIpxe: boolean;
}

export type Target =
  | { readonly kind: 'pxeimage'; readonly mode: PxeimageMode }
  /** A distribution's own: it needs the live work order as an install by pxeimage does. */
  | { readonly kind: 'installer' }
  | { readonly kind: 'local-disk'; readonly method: LocalBootMethod }
  | { readonly kind: 'nothing' };

export type Delivery =
  | {
      readonly kind: 'chain';
      readonly file: string;
      readonly via: 'tftp' | 'http';
      readonly loader: Loader;
    }
  | { readonly kind: 'script' }
  /** The script says why the target cannot be had, and boots nothing. */
  | { readonly kind: 'refusal'; readonly why: string }
  | { readonly kind: 'none' };

export interface BootDecision {
  readonly target: Target;
  readonly delivery: Delivery;
  /** Why, in the order it was decided: one sentence each. */
  readonly reasons: readonly string[];
}

export function decide(facts: BootFacts): BootDecision {
  if (facts.client.stage === 'bmc') return BMC;
  const what = decideTarget(facts);
  const lacking = lackOf(what.target, facts.client);
  const how = decideDelivery(facts, lacking);
  // Firmware is handed its iPXE all the same: what the machine should run may be another thing by then.
  const foreseen = lacking !== undefined && how.delivery.kind === 'chain' ? [lacking] : [];
  const reasons = [what.reason, how.reason, ...foreseen];
  return { target: what.target, delivery: how.delivery, reasons };
}

/** Whether a script is fetched with what this client is told, whatever that script says: it is told a token, then. */
export function leadsToScript({ delivery }: BootDecision): boolean {
  if (delivery.kind === 'chain') return delivery.loader === 'grub';
  return delivery.kind === 'script' || delivery.kind === 'refusal';
}

/** pxeimage is built for x86-64, and UEFI of 32 bits starts no kernel of 64, whatever the processor can do. */
const RUN_PXEIMAGE: readonly BootFamily[] = ['bios', 'uefiX64'];

/** Why this client cannot run its target, if it cannot. An installer is an image's own, for the machines that it is for. */
function lackOf({ kind }: Target, { arch }: BootClient): string | undefined {
  const { name, family } = architecture(arch);
  if (kind !== 'pxeimage' || (family && RUN_PXEIMAGE.includes(family))) return undefined;
  return `pxeimage is built for x86-64 and does not run on ${name.replace(/-http$/, '')}`;
}

/** A BMC boots from its own flash, whatever the state of the machine around it. */
const BMC: BootDecision = {
  target: { kind: 'nothing' },
  delivery: { kind: 'none' },
  reasons: ['a BMC: an address, and nothing to boot'],
};

/** One word for a target, as events and pages show it. Whoever installs, it is an install. */
export function targetWord(target: Target): string {
  switch (target.kind) {
    case 'pxeimage':
      return target.mode;
    case 'installer':
      return 'install';
    default:
      return target.kind;
  }
}

function decideTarget({ state, work, installer, installed, localBoot }: BootFacts): {
  target: Target;
  reason: string;
} {
  const pxeimage = (mode: PxeimageMode, reason: string) =>
    ({ target: { kind: 'pxeimage', mode }, reason }) as const;
  if (work === 'burn-in' && statesOfWork(work).some((each) => each === state))
    return pxeimage('burn-in', `${state}, with a live order to burn it in`);
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
      if (work === 'install' && installer)
        return {
          target: { kind: 'installer' },
          reason: 'installing by its own installer, with a live work order',
        };
      if (work === 'install') return pxeimage('install', 'installing, with a live work order');
      if (installed)
        return {
          target: { kind: 'local-disk', method: localBoot },
          reason: 'installed: its local disk, from which it has yet to call',
        };
      return pxeimage('wait', 'installing, but no live work order: nothing destructive is served');
    case 'recycling':
      return work === 'recycle'
        ? pxeimage('recycle', 'recycling, with a live work order')
        : pxeimage('wait', 'recycling, but no live work order: nothing destructive is served');
    case 'in-use':
      return {
        target: { kind: 'local-disk', method: localBoot },
        reason: 'in use: its local disk',
      };
    case 'retired':
      return { target: { kind: 'nothing' }, reason: 'retired: nothing but a message' };
    default:
      return unreachable(state);
  }
}

interface Delivered {
  readonly delivery: Delivery;
  readonly reason: string;
}

function decideDelivery(
  { client, binariesServed, binary, proxied = false }: BootFacts,
  lacking: string | undefined,
): Delivered {
  const script = (reason: string): Delivered =>
    lacking === undefined
      ? { delivery: { kind: 'script' }, reason }
      : { delivery: { kind: 'refusal', why: lacking }, reason: lacking };
  switch (client.stage) {
    case 'os':
    case 'bmc':
      return { delivery: { kind: 'none' }, reason: 'an operating system: addresses only' };
    case 'ipxe':
      return script('iPXE: its script over HTTP');
    case 'grub':
      return script('GRUB: its script over TFTP');
    case 'http-boot':
      return chain({ client, binary, proxied }, 'http');
    case 'firmware':
      if (client.foreignIpxe && binariesServed >= limit('binariesPerBoot')) {
        return script(
          `handed ${binariesServed} binaries already and still asking: this iPXE gets the script`,
        );
      }
      return chain({ client, binary, proxied }, 'tftp');
    default:
      return unreachable(client.stage);
  }
}

const CHAIN_REASONS = {
  'ipxe tftp': 'PXE firmware: iPXE over TFTP',
  'ipxe http': 'UEFI HTTP Boot: iPXE over HTTP',
  'grub tftp': 'PXE firmware: GRUB over TFTP',
  'grub http': 'UEFI HTTP Boot: GRUB over HTTP',
};

/** Debian's signed GRUB has no HTTP in it and may load no more, and looks for its server in the answer with its address. */
function lackOfGrub(via: 'tftp' | 'http', proxied: boolean): string | undefined {
  if (via === 'http')
    return 'UEFI HTTP Boot: the GRUB behind the shim speaks TFTP only; this machine has to boot by PXE';
  return proxied
    ? 'PXE firmware: the GRUB behind the shim finds only the server that leases the addresses, and another one does'
    : undefined;
}

function chain(
  {
    client: { arch },
    binary,
    proxied,
  }: { client: BootClient; binary: BinaryChoice | undefined; proxied: boolean },
  via: 'tftp' | 'http',
): Delivered {
  const nothing = (reason: string): Delivered => ({ delivery: { kind: 'none' }, reason });
  const { name, family } = architecture(arch);
  if (!binary || !family) {
    const code = `0x${arch.toString(16).padStart(2, '0')}`;
    return nothing(`no boot binary for architecture ${code} (${name})`);
  }
  const { file, present, why, loader } = binary;
  if (!present) {
    return nothing(`${file} for ${name} is not in boot.assets: put it there, or name another file`);
  }
  const lacks = loader === 'grub' ? lackOfGrub(via, proxied) : undefined;
  if (lacks !== undefined) return nothing(lacks);
  const usual = CHAIN_REASONS[`${loader} ${via}`];
  const reason = why === undefined ? usual : `${usual} as ${file} (${why})`;
  return { delivery: { kind: 'chain', file, via, loader }, reason };
}
