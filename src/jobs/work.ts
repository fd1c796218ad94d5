/**
 * Work for machines, as jobs see it: what an install needs looked up, the machine's names, orders armed and ended. Each call
 * runs in its caller's transaction and may be repeated.
 */
import { AppError } from '../errors.ts';
import { type InstallDetail, parseInstallDetail } from '../install/detail.ts';
import { ANY_ONE_DISK, chooseDisks } from '../install/disk-rule.ts';
import { disksWanted, misplacedFor } from '../install/fits.ts';
import { type Brought, withRole } from '../install/for-role.ts';
import type { ResolvedImage } from '../inventory/images.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Machine } from '../inventory/machines.ts';
import { limit } from '../limits.ts';
import type { RecycleDetail } from '../recycle/plan.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Clock, Millis } from '../wire/time.ts';
import type { Output } from './definition.ts';
import { createInstallAddress } from './install-address.ts';
import type { InstallParams } from './kinds/install-params.ts';
import type { JobWork } from './ports.ts';

const WHO = 'jobs';
/** A machine that waits asks again in less. */
const silentMs = limit('heartbeatMs') + limit('heartbeatGraceMs');

export function createJobWork(
  inventory: Pick<
    Inventory,
    'work' | 'images' | 'machines' | 'serverdb' | 'tokens' | 'certificates'
  >,
  clock: Clock,
): JobWork {
  const { work, images, machines, tokens, certificates } = inventory;
  const { editor, hostnames, records } = inventory.serverdb;
  const address = createInstallAddress(inventory, WHO);
  const read = (name: Hardwarename): Machine => {
    const machine = machines.byHardwarename(name);
    if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: name });
    return machine;
  };
  const resolve = (ref: string): ResolvedImage => {
    const image = images.resolve(ref);
    if (!image) throw new AppError('NOT_FOUND', { detail: `There is no sound image ${ref}.` });
    return image;
  };
  const nameFor = (machine: Machine, { hostname, role = '' }: InstallParams): string => {
    if (hostname !== undefined) return hostname;
    if (machine.hostname !== '') return machine.hostname;
    const { site, serial, hardwarename } = machine;
    try {
      const wish = { role: role || machine.role, site, serial, hardwarename };
      return hostnames.allocate(wish).hostname;
    } catch (error) {
      // A site without a naming rule for this role: the serial is a name, too.
      if (!(error instanceof AppError && error.code === 'NOT_FOUND')) throw error;
      return hardwarename.toLowerCase().replace(/[^a-z0-9-]+/g, '-');
    }
  };

  return {
    prepareInstall({ machine: name, params }): Output {
      const machine = read(name);
      const image = resolve(params.image);
      assertFits(machine, image, params);
      const hostname = nameFor(machine, params);
      const role = params.role ?? machine.role;
      const planned = address.plan(machine, params);
      editor.edit(name, { hostname, role }, { who: WHO, why: 'It is installed for this.' });
      const uefi = machine.hardware.agent.bootMode === 'uefi';
      const installer = image.kind === 'installer';
      const bytes = image.files.reduce((sum, { contentSize }) => sum + contentSize, 0);
      const found = { image: `${image.name}@${image.version}`, bytes, hostname, role, uefi };
      return { ...found, ...(installer && { installer }), ...planned };
    },
    armInstall({ job, machine: name, params, prepared }): Output {
      const role = String(prepared.role);
      // A later round installs what the first one did, whatever has become of the role meanwhile.
      const before = work.ofJob(job);
      const brought = before
        ? parseInstallDetail(before.detail)
        : withRole(params, records.get('role', role)?.doc);
      const hostname = String(prepared.hostname);
      const image = resolve(String(prepared.image));
      const detail = installDetailOf(read(name), image, { ...params, hostname, role, brought });
      address.reserve(name, prepared);
      const order = work.arm({ job, hardwarename: name, purpose: 'install', detail });
      return { round: order.round };
    },
    prepareRecycle: (name) => ({ uefi: read(name).hardware.agent.bootMode === 'uefi' }),
    armRecycle({ job, machine: name, params, requester }): Output {
      const { level, samples, verify, clearTpm, clearBootEntries } = params;
      const detail: RecycleDetail = {
        lines: { level },
        requester,
        ...{ level, samples, full: verify === 'full', clearTpm, clearBootEntries },
        expected: read(name).hardware.disks.map(({ serial }) => serial ?? ''),
      };
      const expiresAt = (clock() + limit('recycleMs')) as Millis;
      const order = work.arm({ job, hardwarename: name, purpose: 'recycle', detail, expiresAt });
      return { round: order.round };
    },
    takeBack(job, name) {
      const order = work.ofJob(job);
      const proof = order && certificates.ofRound(job, order.round);
      if (proof?.result !== 'sanitized')
        throw new AppError('DISK_FAILED', {
          detail: 'There is no certificate that says it is clean.',
        });
      const nobodys = { hostname: '', role: '', squad: '', owner: '' };
      editor.edit(name, nobodys, { who: WHO, why: 'It was handed back, and is clean.' });
      machines.write(name, { mayHoldData: false });
    },
    arm: (armed) => ({ round: work.arm(armed).round }),
    end: (job, why) => work.end(job, why),
    result: (job) => ({ ...work.ofJob(job)?.result?.measurements }),
    bootsByUefi: (name) => read(name).hardware.agent.bootMode !== 'bios',
    isTaken: (job) => (work.ofJob(job)?.takenAt ?? 0) > 0,
    isListening(name) {
      const heardAt = Math.max(0, ...machines.nicsOf(name).map(({ mac }) => tokens.heardAt(mac)));
      return clock() - heardAt < silentMs;
    },
    gone(name) {
      for (const { mac } of machines.nicsOf(name)) tokens.gone(mac, silentMs);
    },
    restoreAddress: address.restore,
    restoreNames(name, names) {
      if (!machines.record(name)) return;
      editor.edit(name, names, { who: WHO, why: 'Its install has ended early.' });
    },
  };
}

/** What the last report says already need not be found out by booting. */
function assertFits({ hardware }: Machine, image: ResolvedImage, params: InstallParams): void {
  const wrong = misplacedFor(image, params);
  if (wrong) {
    const path = `/params/${wrong.param}`;
    throw new AppError('REQUEST_INVALID', { detail: wrong.detail, path });
  }
  const wanted = disksWanted(image.kind, params);
  if (!wanted) return;
  const choice = chooseDisks(hardware.disks, wanted.rule, wanted.count);
  if (choice.ok) return;
  const { code, detail } = choice;
  // That a rule fits nothing of what is known to be there is the fault of the rule, and no reason to call the machine broken.
  if (code === 'DISK_NONE' && params.disks !== undefined && hardware.disks.length > 0)
    throw new AppError('REQUEST_INVALID', { detail, path: '/params/disks' });
  throw new AppError(code, { detail });
}

/** What an install with these parameters comes to, on this machine. */
export function installDetailOf(
  machine: Machine,
  image: ResolvedImage,
  params: InstallParams & {
    readonly hostname: string;
    readonly role: string;
    readonly brought: Brought;
  },
): InstallDetail {
  const { squad, site, rack, bootMac } = machine;
  const { hostname, role, layout, disks, network, verify, brought } = params;
  const { metadata, sshKeys, userData } = brought;
  return {
    lines: { image: `${image.name}@${image.version}`, kind: image.kind, hostname },
    ...{ image, hostname, role, squad, site, rack, layout, sshKeys, verify },
    disks: disks ?? ANY_ONE_DISK,
    network: network ?? { kind: 'dhcp' },
    mac: bootMac,
    ...{ metadata, userData },
  };
}
