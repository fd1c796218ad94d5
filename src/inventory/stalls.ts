/**
 * Why a boot stopped, in a technician's words: the table of stall rules.
 *
 * A rule names where the boot stands, how long the next sign of life may take there, the likely cause and the next thing
 * to try. The first rule that fits is the one that is shown, so the furthest step comes first. Deadlines are those of
 * slow real firmware; a machine under emulation on a busy builder stays below them too.
 */
import type { Millis } from '../wire/time.ts';
import type { BootSigns, StepName } from './timeline.ts';

export interface Stall {
  readonly rule: string;
  readonly after: StepName | 'start';
  readonly waitedMs: number;
  readonly cause: string;
  readonly next: string;
}

interface StallRule {
  readonly name: string;
  readonly after: StepName | 'start';
  readonly deadlineMs: number;
  readonly fits: (signs: BootSigns) => boolean;
  /** `{s}` is the deadline in seconds, `{trouble}` the last thing that went wrong. */
  readonly cause: string;
  readonly next: string;
}

const is = (signs: BootSigns, step: StepName, ...states: string[]) =>
  states.includes(signs.steps[step].state);

export const STALL_RULES: readonly StallRule[] = [
  {
    name: 'report-refused',
    after: 'linux',
    deadlineMs: 5_000,
    fits: (s) => is(s, 'recon', 'failed'),
    cause: 'The machine found itself, but its report failed: {trouble}.',
    next: 'The path says which part of the hardware confused the report. Look at its console, then reboot it.',
  },
  {
    name: 'report-missing',
    after: 'linux',
    deadlineMs: 80_000,
    fits: (s) => is(s, 'linux', 'done'),
    cause: 'pxeimage is running but has said nothing for {s} s and sent no report.',
    next: 'Look at the console: a disk or BMC that does not answer holds the look-over up. Then reboot it.',
  },
  {
    name: 'kernel-silent',
    after: 'initrd',
    deadlineMs: 85_000,
    fits: (s) => is(s, 'initrd', 'done'),
    cause:
      'Kernel and initrd were sent, but Linux has not spoken for {s} s: it may be slow, have no driver for this NIC or too little memory, or have crashed.',
    next: 'Look at the screen or serial console. If the NIC is new to us, try the metal profile of pxeimage.',
  },
  {
    name: 'script-refused',
    after: 'script',
    deadlineMs: 5_000,
    fits: (s) => s.refused,
    cause: 'It boots nothing: {trouble}.',
    next: 'Leave it out, or register it by hand: what is in use boots its own disk.',
  },
  {
    name: 'download-broken',
    after: 'script',
    deadlineMs: 15_000,
    fits: (s) => is(s, 'kernel', 'failed') || is(s, 'initrd', 'failed'),
    cause: 'The download broke off ({trouble}) and was not taken up again within {s} s.',
    next: 'A flapping link or a full firewall table looks like this. Check cable and switch port, then power-cycle.',
  },
  {
    name: 'download-slow',
    after: 'script',
    deadlineMs: 60_000,
    fits: (s) => is(s, 'kernel', 'running') || is(s, 'initrd', 'running'),
    cause: 'A download has been running for more than {s} s.',
    next: 'Check the speed of the switch port: a port that fell back to 10 or 100 Mbit/s looks like this.',
  },
  {
    name: 'initrd-not-fetched',
    after: 'kernel',
    deadlineMs: 20_000,
    fits: (s) => is(s, 'kernel', 'done'),
    cause: 'The kernel was sent, but the machine asked for no initrd within {s} s.',
    next: 'Look at the screen for an error: too little memory below 4 GB, or an old iPXE in the card, looks like this.',
  },
  {
    name: 'kernel-not-fetched',
    after: 'script',
    deadlineMs: 20_000,
    fits: (s) => is(s, 'script', 'done'),
    cause: 'The loader has its script but asked for no kernel within {s} s.',
    next: 'Look at the screen for an error. An old iPXE in the card may lack what the script needs: update the card.',
  },
  {
    name: 'script-not-fetched',
    after: 'ack',
    deadlineMs: 45_000,
    fits: (s) => s.ipxeAcked,
    cause: 'iPXE has its address but did not fetch its script over HTTP within {s} s.',
    next: 'Something between machine and appliance blocks TCP port 8080: check VLAN, firewall and MTU.',
  },
  {
    name: 'ipxe-no-request',
    after: 'offer',
    deadlineMs: 20_000,
    fits: (s) => s.ipxeOffered,
    cause:
      'iPXE was offered an address but did not take it within {s} s: another DHCP server may have won, or the offer did not reach it.',
    next: 'Look for a second DHCP server in this VLAN.',
  },
  {
    name: 'grub-silent',
    after: 'tftp',
    deadlineMs: 30_000,
    fits: (s) => s.grub && is(s, 'tftp', 'done'),
    cause:
      'Shim or GRUB was loaded over TFTP and has fetched no script for {s} s: one of the two was refused, or GRUB does not work with this NIC.',
    next: 'Look at the screen. "Verification failed" is shim, which refused GRUB: boot.assets has to have two files that Debian has signed for each other.',
  },
  {
    name: 'ipxe-silent',
    after: 'tftp',
    deadlineMs: 30_000,
    fits: (s) => is(s, 'tftp', 'done'),
    cause:
      'iPXE was loaded over TFTP but has not asked for an address for {s} s: it does not work with this NIC, or the port went down (spanning tree).',
    next: 'Set the switch port to edge (portfast). If it stays so, the other iPXE binary (ipxe instead of snponly) may work.',
  },
  {
    name: 'tftp-broken',
    after: 'ack',
    deadlineMs: 15_000,
    fits: (s) => is(s, 'tftp', 'failed'),
    cause: 'The TFTP transfer failed: {trouble}.',
    next: 'A firewall that lets port 69 through but not the answer, or a small MTU, looks like this.',
  },
  {
    name: 'tftp-slow',
    after: 'ack',
    deadlineMs: 60_000,
    fits: (s) => is(s, 'tftp', 'running'),
    cause: 'The TFTP transfer has been running for more than {s} s.',
    next: 'Check for packet loss on the link: error counters of the switch port, cable, transceiver.',
  },
  {
    name: 'tftp-not-asked',
    after: 'ack',
    deadlineMs: 20_000,
    fits: (s) => is(s, 'ack', 'done'),
    cause: 'No TFTP request within {s} s of the ACK: the firmware did not accept the boot file.',
    next: 'Check that the machine boots in the mode (BIOS or UEFI) that is meant, and that Secure Boot is off.',
  },
  {
    name: 'no-address',
    after: 'start',
    deadlineMs: 5_000,
    fits: (s) => is(s, 'offer', 'failed'),
    cause: 'It was given no address: {trouble}.',
    next: 'Enlarge the pool of this segment, or wait until leases of unknown machines run out.',
  },
  {
    name: 'offer-not-taken',
    after: 'offer',
    deadlineMs: 20_000,
    fits: (s) => is(s, 'offer', 'done'),
    cause:
      'It was offered an address but never took it within {s} s: another DHCP server won, or the offer does not reach it.',
    next: 'Look for a second DHCP server in this VLAN, and check the relay and the VLAN of the port.',
  },
];

/** When this boot stalls if nothing more is heard of it; `undefined` where no rule waits for anything. */
export function stallsAt(signs: BootSigns): Millis | undefined {
  const rule = STALL_RULES.find(({ fits }) => fits(signs));
  return rule && ((signs.lastAt + rule.deadlineMs) as Millis);
}

/** The shortest patience of any rule: a boot that moved within it cannot have stalled. */
export const STALL_MS_MIN = Math.min(...STALL_RULES.map(({ deadlineMs }) => deadlineMs));

export function stallOf(signs: BootSigns, now: Millis): Stall | undefined {
  const rule = STALL_RULES.find(({ fits }) => fits(signs));
  const waitedMs = now - signs.lastAt;
  if (!rule || waitedMs < rule.deadlineMs) return undefined;
  const cause = rule.cause
    .replace('{s}', `${rule.deadlineMs / 1000}`)
    .replace('{trouble}', signs.trouble || 'no reason is known');
  return { rule: rule.name, after: rule.after, waitedMs, cause, next: rule.next };
}
