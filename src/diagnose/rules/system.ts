/** Why Linux, the installer or the operating system on the disk did not come up; and the machine itself. */
import type { Facts } from '../facts.ts';
import { type Rule, seconds, silence, times } from '../rule.ts';
import { finished, osAck } from './agent.ts';

const LOOP_MS = 45 * 60_000;
/** A disk that starts keeps the machine away for longer than this; firmware that finds none is back sooner. */
const BACK_FROM_DISK_MS = 240_000;
/** For how long pxeimage shows why it gave up before it reboots (pxeimage/agent/lib.sh). */
const GIVE_UP_MS = 60_000;
const PHONE_HOME_MS = 80_000;
/** Longer than a server with much memory needs before its firmware asks. */
const FIRMWARE_MS = 300_000;

const recent = (f: Facts) =>
  f.previous.filter(({ lastAt }) => f.flight.startedAt - lastAt < LOOP_MS);
/** Unbroken from the newest: the boots in a row that were served this mode. */
function inARow(f: Facts, mode: string): number {
  const boots = recent(f);
  const other = boots.findIndex((one) => one.mode !== mode || one.reported);
  return other < 0 ? boots.length : other;
}
const bmc = (f: Facts) => f.of('bmc');
const poweredOn = (f: Facts) =>
  bmc(f).findLast(
    ({ step, phase }) => /^(power-on|reset|power-cycle)$/.test(step) && phase === 'succeeded',
  );
const overridden = (f: Facts) =>
  bmc(f).findLast(({ step, phase }) => step === 'pxe-once' && phase === 'succeeded');
/** Firmware that goes on to its next network entry on its way to the disk has not come back yet. */
const backFromDisk = (f: Facts) =>
  f.flight.restartedAt !== undefined &&
  f.flight.restartedAs === f.flight.client &&
  f.flight.restartedAt - f.lastAt < BACK_FROM_DISK_MS;
const osSign = (f: Facts) => {
  const from = f.of('script').at(-1)?.at ?? f.flight.startedAt;
  return (
    f.of('os').find(({ at }) => at > from) ?? f.messages('ack', 'os').find(({ at }) => at > from)
  );
};

const card = (f: Facts) => {
  const nic = f.dhcp.find(({ nic }) => nic !== '')?.nic;
  return nic ? ` (the card is ${nic})` : '';
};
const othersOfItsKind = (count: number) =>
  count > 0
    ? `${times(count, 'boot')} from a card of the same kind did get into Linux, so the driver is there`
    : 'no machine with such a card has got into Linux here yet';
/** It began anew by itself when the agent does that has given up; a crash or a button is mostly sooner. */
const beganAsAgentDoes = (f: Facts) => {
  const afterMs = f.restarted ? (f.flight.restartedAt ?? 0) - f.lastAt : 0;
  return afterMs >= GIVE_UP_MS && afterMs < FIRMWARE_MS;
};
const linuxAsked = (f: Facts) => f.messages('discover', 'os').length > 0;

const calledHome = (f: Facts) => f.of('os').some(({ what }) => /called home/.test(what));

export const SYSTEM_RULES: readonly Rule[] = [
  {
    name: 'install-loop',
    title: 'It boots into the installer over and over',
    confidence: 'certain',
    waitMs: 0,
    evidence: (f) =>
      f.mode === 'install' && inARow(f, 'install') >= 2 && f.place !== 'reported'
        ? [
            `${inARow(f, 'install') + 1} boots in a row were served the installer; none of them came to its end`,
          ]
        : undefined,
    says: 'The machine starts the installer, does not finish, and starts it again.',
    next: 'Stop the job, then look at what the installer said last. The machine is not installed again by itself.',
    not: {
      'boot-loop': 'there it is not the installer',
      'disk-not-found': 'there the installation was finished',
    },
  },
  {
    name: 'kernel-panic',
    title: 'The kernel crashed',
    confidence: 'certain',
    waitMs: 0,
    places: ['initrd', 'kernel', 'linux'],
    evidence: (f) => {
      // Its own words only: a diagnosis is read by more people than a console.
      const words = /kernel panic|Oops(?=:)|BUG(?=: )/i.exec(f.console)?.[0];
      return words ? [`the console says "${words}"`] : undefined;
    },
    says: 'Linux started and crashed; its last words are on the console.',
    next: 'The line on its console names the reason. Try the other profile of pxeimage; test the memory.',
    not: { 'memory-too-small-for-initrd': 'there memory ran out' },
  },
  {
    name: 'kernel-without-nic-driver',
    title: 'pxeimage has no driver for this card',
    confidence: 'likely',
    waitMs: 0,
    places: ['initrd'],
    evidence: (f) => {
      if (!f.fetched('initrd.img') || linuxAsked(f)) return undefined;
      const said = /FAILED: no network/.test(f.console);
      const gaveUp = f.flight.sameCardReachedLinux === 0 && beganAsAgentDoes(f);
      return said || gaveUp
        ? [
            `kernel and initrd were fetched whole; Linux asked for no address${card(f)}`,
            ...(said ? ['its console says "no network"'] : []),
            ...(gaveUp
              ? [
                  'no machine with such a card has got into Linux here yet',
                  'it began anew by itself, as pxeimage does a minute after it found no network',
                ]
              : []),
            silence(f),
          ]
        : undefined;
    },
    says: 'The firmware drives this network card, and the kernel of pxeimage does not: after it starts, the machine has no network.',
    next: 'Use the metal profile of pxeimage, or add the module for this card to it. The console says "no network".',
    not: {
      'agent-cannot-reach': 'there Linux has its address',
      'kernel-silent': 'there nothing but silence is known',
    },
  },
  {
    name: 'kernel-silent',
    title: 'Linux was started and is not heard of',
    confidence: 'possible',
    waitMs: 80_000,
    places: ['initrd'],
    evidence: (f) => {
      const others = f.flight.sameCardReachedLinux;
      return f.fetched('initrd.img')
        ? [
            `kernel and initrd were fetched whole; ${linuxAsked(f) ? 'Linux asked for an address and took none' : 'no DHCP, no HTTP since'}${card(f)}`,
            ...(others === undefined ? [] : [othersOfItsKind(others)]),
            silence(f),
          ]
        : undefined;
    },
    says: 'Kernel and initrd arrived, and nothing has been heard since. Linux may be slow, hang, have crashed, or have no driver for this card: from here nobody can tell.',
    next: 'Look at the screen or the serial console. A machine that is only slow goes on by itself; "no network" there is a missing driver: use the metal profile of pxeimage; a crash names its reason.',
    not: { 'kernel-without-nic-driver': 'there its console, or how it began anew, says so' },
  },
  {
    name: 'disk-not-found',
    title: 'It finds no disk to boot from',
    confidence: 'certain',
    waitMs: 0,
    places: ['left'],
    evidence: (f) =>
      f.mode === 'local-disk' &&
      backFromDisk(f) &&
      osSign(f) === undefined &&
      f.flight.machine.disks === 0
        ? [
            'its last report names no disk',
            `sent to its disk, it was back ${seconds((f.flight.restartedAt ?? 0) - f.lastAt)} later`,
          ]
        : undefined,
    says: 'The machine is in use and is sent to its local disk, and there is none: it comes back to the network at once.',
    next: 'Check disks, cables and controller. The data may be there and only the disk invisible: do not install it again before that.',
    not: { 'local-boot-failed': 'there is a disk, and the firmware does not start it' },
  },
  {
    name: 'local-boot-failed',
    title: 'It does not start from its disk',
    confidence: 'likely',
    waitMs: 0,
    places: ['left'],
    evidence: (f) =>
      f.mode === 'local-disk' && backFromDisk(f) && osSign(f) === undefined
        ? [
            `sent to its local disk, it was back ${seconds((f.flight.restartedAt ?? 0) - f.lastAt)} later without an operating system in between`,
          ]
        : undefined,
    says: 'The machine is sent to its local disk and comes back to the network: nothing that can be started is on it, or this firmware wants another way of being sent there.',
    next: 'The next attempt leaves for the disk in another way. If that fails too, look at the boot loader on the disk and the boot entries of the firmware.',
    not: { 'disk-not-found': 'there is no disk', 'os-never-phoned-home': 'there it stays away' },
    remedy: 'local-boot',
  },
  {
    name: 'os-never-phoned-home',
    title: 'The operating system never came up',
    confidence: 'likely',
    waitMs: PHONE_HOME_MS,
    places: ['left', 'agent'],
    evidence: (f) => {
      if (f.restarted || calledHome(f)) return undefined;
      // After the agent's work nothing tells when the disk is started: the job that waits says when it has waited enough.
      const gaveUp = bmc(f).findLast(({ phase }) => phase === 'failed');
      const last = f.of('agent').at(-1);
      if (last && finished(f) && last.message === 'install' && gaveUp) {
        const asked = f.messages('ack', 'os').some(({ at }) => at > last.at);
        const heard = asked
          ? 'its system asked for an address, and never called home'
          : 'no DHCP, no call home';
        return ['the installation was finished and checked', heard, `the job: ${gaveUp.detail}`];
      }
      const expected = bmc(f).some(({ step }) => /^started$|os-up|phone|first-boot/.test(step));
      return f.mode === 'local-disk' && expected && osSign(f) === undefined
        ? ['sent to its local disk after an installation', `no DHCP, no call home; ${silence(f)}`]
        : undefined;
    },
    says: 'The machine was installed and sent to its disk, and the operating system has not been heard of.',
    next: 'Look at its console: the boot loader, a file system check, or a network that the new system does not configure.',
    not: { 'local-boot-failed': 'there the machine comes back to the network' },
  },
  {
    name: 'boot-loop',
    title: 'It boots from the network over and over',
    confidence: 'likely',
    waitMs: 0,
    evidence: (f) => {
      const mode = f.mode || recent(f)[0]?.mode || '';
      return mode !== '' &&
        mode !== 'local-disk' &&
        mode !== 'nothing' &&
        inARow(f, mode) >= 3 &&
        f.place !== 'reported'
        ? [`${inARow(f, mode) + 1} boots in a row were served ${mode}; none of them reported`]
        : undefined;
    },
    says: 'The machine boots pxeimage, gets no further, and starts again by itself.',
    next: 'Look at the diagnoses of its boots before: the loop has their cause. A hardware watchdog that nobody feeds also looks like this.',
    not: { 'install-loop': 'there it is the installer' },
  },
  {
    name: 'boot-override-ignored',
    title: 'The BMC did not boot it from the network',
    confidence: 'certain',
    waitMs: 0,
    places: ['nothing'],
    evidence: (f) => {
      const [flag, on] = [overridden(f), poweredOn(f)];
      const os =
        f.messages('ack', 'os').find(({ at }) => on && at > on.at) ??
        f.of('os').find(({ at }) => on && at > on.at);
      if (flag && on && os)
        return [
          `the boot device was set to PXE and read back, the power went on`,
          `${seconds(os.at - on.at)} later its operating system asked for an address, and its firmware never did`,
        ];
      const again = bmc(f).filter(({ detail }) =>
        /has not asked for an address/.test(detail),
      ).length;
      return flag && on && f.quietMs >= (f.flight.firmwareMs ?? FIRMWARE_MS)
        ? [
            'the boot device was set to PXE and read back, the power went on',
            `the firmware has asked for no address; ${silence(f)}${again > 0 ? `; ${times(again, 'round')} before` : ''}`,
          ]
        : undefined;
    },
    says: 'The BMC took the order to boot from the network once, and the firmware booted something else, or nothing.',
    next: 'Check that network boot of this NIC is on in the setup, and the boot order. Some BMCs follow the order for BIOS only, or for UEFI only: the next attempt gives the other one.',
    not: {
      'wrong-boot-order': 'there no order was given',
      'no-netboot-after-power-on': 'there nothing is known to have come up',
    },
    remedy: 'override',
  },
  {
    name: 'wrong-boot-order',
    title: 'It boots its disk before the network',
    confidence: 'likely',
    waitMs: 0,
    places: ['nothing'],
    evidence: (f) => {
      const on = poweredOn(f);
      const os = osAck(f);
      return on && os && os.at > on.at && !overridden(f) && f.flight.machine.state !== 'in-use'
        ? [
            `${seconds(os.at - on.at)} after the power went on an operating system asked for an address, and no firmware did`,
          ]
        : undefined;
    },
    says: 'The machine is to boot from the network, and its firmware tries the disk first: an operating system comes up that nobody meant.',
    next: 'Put network boot first in the boot order of the firmware, or let a job set it once.',
    not: { 'boot-override-ignored': 'there the network was ordered for this boot' },
  },
  {
    name: 'no-netboot-after-power-on',
    title: 'Switched on, and no network boot',
    confidence: 'possible',
    waitMs: 0,
    places: ['nothing'],
    evidence: (f) =>
      poweredOn(f) && f.quietMs >= (f.flight.firmwareMs ?? FIRMWARE_MS)
        ? ['the power went on', `its firmware has asked for no address; ${silence(f)}`]
        : undefined,
    says: 'The machine was switched on and its firmware has not asked for an address.',
    next: 'Look at its console: memory that fails its test, a setup that waits for a key, network boot switched off, or no cable.',
    not: { 'boot-override-ignored': 'there the network was ordered for this boot' },
  },
];
