/**
 * The QEMU command line of one machine. Pure.
 *
 * Always TCG: on builders that open /dev/kvm the guest crawls. A UEFI machine boots by the firmware's own PXE, which
 * needs the option ROM of a virtio NIC taken out (`romfile=`); that of an e1000 stays, because OVMF has no other driver. QEMU's BIOS NIC ROM is an iPXE already, so a vendor's plain PXE ROM
 * is imitated: iPXE is started like a kernel, with a script that announces another user class, and is chainloaded like
 * any ROM that is not ours.
 */
import { fakeBmcOf, type RackMachine } from './rack.ts';

export interface VmPlace {
  /** Folder of this machine: disks, firmware variables, serial log. */
  readonly dir: string;
  /** Tap of each NIC, in the order of the rack. */
  readonly taps: readonly string[];
  /** Where they are no taps: what each NIC is plugged into, a `-netdev` without its id. */
  readonly cables?: readonly string[] | undefined;
  /** iPXE as a kernel, for `netboot: chain`. */
  readonly ipxeKernel: string;
  /** What the firmware tries before the rest. */
  readonly first: 'network' | 'disk';
}

interface FirmwareFiles {
  readonly code: string;
  /** What is copied for each machine. */
  readonly vars: string;
}

/** UEFI firmware by processor, as Debian's packages ovmf, ovmf-ia32 and qemu-efi-aarch64 have it. */
const FIRMWARE: Readonly<Record<RackMachine['arch'], FirmwareFiles>> = {
  x64: { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', vars: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
  ia32: {
    code: '/usr/share/OVMF/OVMF32_CODE_4M.secboot.fd',
    vars: '/usr/share/OVMF/OVMF32_VARS_4M.fd',
  },
  arm64: { code: '/usr/share/AAVMF/AAVMF_CODE.fd', vars: '/usr/share/AAVMF/AAVMF_VARS.fd' },
};
/** With Microsoft's keys enrolled. */
const SECURE_FIRMWARE: FirmwareFiles = {
  code: '/usr/share/OVMF/OVMF_CODE_4M.ms.fd',
  vars: '/usr/share/OVMF/OVMF_VARS_4M.ms.fd',
};

export function firmwareOf({
  arch,
  secureBoot,
}: Pick<RackMachine, 'arch' | 'secureBoot'>): FirmwareFiles {
  return secureBoot ? SECURE_FIRMWARE : FIRMWARE[arch];
}

export function qemuProgram({ arch }: Pick<RackMachine, 'arch'>): string {
  return arch === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64';
}

/** Where QEMU and a bad cable (faulty-link.ts) meet, on the loopback interface of the machines' namespace. */
export function linkPorts(tap: string): { readonly qemu: number; readonly link: number } {
  const number = Number(tap.replace(/\D/g, ''));
  return { qemu: 20_000 + 2 * number, link: 20_001 + 2 * number };
}

/** OVMF tries PXE over IPv4 and IPv6 for two minutes before HTTP Boot, unless it is told that it has neither. */
const without = (...names: readonly string[]) =>
  names.flatMap((name) => ['-fw_cfg', `name=opt/org.tianocore/${name},string=n`]);
/** What OVMF's HTTPS trusts, as if it had been enrolled in its setup; in the folder of the lab, for `netboot: https`. */
export const CA_LIST = 'cacerts';
const trusting = (file: string) => ['-fw_cfg', `name=etc/edk2/https/cacerts,file=${file}`];
const HTTP_BOOT_ONLY = without('IPv4PXESupport', 'IPv6PXESupport');

/**
 * What a plain PXE ROM does, in iPXE's words. The class is taken back before the boot file runs: `undionly.kpxe` asks the ROM
 * for its DHCP packets, finds the class in them, and would announce itself by it, too. Beside a ProxyDHCP server the file comes
 * from the server that named it, not from the one that gave the address.
 */
export const PLAIN_PXE_SCRIPT = `#!ipxe
set user-class PlainPXE
:again
dhcp || goto again
clear user-class
set from \${next-server}
isset \${proxydhcp/filename} && set from \${proxydhcp/next-server} ||
chain tftp://\${from}/\${filename} || echo The boot file did not run
sleep 2
reboot
`;

/** Variables that only firmware in system management mode may write: without it Secure Boot is off, and Debian's ia32 build stops. */
const SECURE_FLASH = [
  ...['-global', 'driver=cfi.pflash01,property=secure,value=on'],
  ...['-global', 'ICH9-LPC.disable_s3=1'],
];

function netdev({ link }: RackMachine, index: number, { taps, cables }: VmPlace): string {
  const cable = cables?.[index];
  if (cable) return cable.replace(',', `,id=net${index},`);
  const tap = taps[index] ?? '';
  if (!link) return `tap,id=net${index},ifname=${tap},script=no,downscript=no`;
  const ports = linkPorts(tap);
  return `socket,id=net${index},udp=127.0.0.1:${ports.link},localaddr=127.0.0.1:${ports.qemu}`;
}

export function qemuArguments(machine: RackMachine, place: VmPlace): string[] {
  const uefi = machine.firmware === 'uefi';
  const guarded = machine.secureBoot || machine.arch === 'ia32';
  const plain = uefi || machine.netboot === 'chain';
  const supervised = fakeBmcOf(machine) !== undefined;
  const [nicIndex, diskIndex] = place.first === 'network' ? [1, 2] : [2, 1];
  // OVMF drives virtio itself. Of an e1000 it knows nothing without the driver in the card's ROM.
  const withoutRom = (model: string) => plain && !(uefi && model !== 'virtio-net-pci');
  return [
    ...[
      '-name',
      machine.name,
      '-accel',
      'tcg',
      '-cpu',
      machine.arch === 'arm64' ? 'cortex-a57' : 'max',
      '-nodefaults',
      '-display',
      'none',
      '-vga',
      'none',
    ],
    ...['-machine', `${boardOf(machine)},graphics=off${guarded ? ',smm=on' : ''}`],
    ...(guarded ? SECURE_FLASH : []),
    ...['-m', String(machine.memoryMb), '-smp', `${machine.cpus},sockets=1`],
    ...['-boot', 'reboot-timeout=2000'],
    ...['-qmp', `unix:${place.dir}/qmp,server=on,wait=off`],
    // What is booted is decided at each start, and by us: a reset ends this QEMU, and the supervisor starts the next.
    ...(supervised ? ['-no-reboot'] : []),
    ...[
      '-chardev',
      `socket,id=serial,path=${place.dir}/${supervised ? 'serial' : 'console,server=on,wait=off'},logfile=${place.dir}/serial.log,logappend=on`,
    ],
    ...['-serial', 'chardev:serial'],
    ...['-device', 'virtio-rng-pci'],
    ...(uefi
      ? [
          ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${firmwareOf(machine).code}`],
          ...['-drive', `if=pflash,format=raw,unit=1,file=${place.dir}/vars.fd`],
        ]
      : []),
    ...(uefi && machine.netboot.startsWith('http') ? HTTP_BOOT_ONLY : []),
    ...(machine.netboot === 'https' ? trusting(`${place.dir}/../${CA_LIST}`) : []),
    // What it refused is followed by its next entry, and not by a minute of IPv6 that nobody answers.
    ...(machine.secureBoot || !machine.ipv6Boot ? without('IPv6PXESupport') : []),
    ...(!uefi && machine.netboot === 'chain' && place.first === 'network'
      ? ['-kernel', place.ipxeKernel, '-initrd', `${place.dir}/plain-pxe.ipxe`]
      : []),
    ...machine.nics.flatMap((nic, index) => [
      ...['-netdev', netdev(machine, index, place)],
      '-device',
      `${nic.model},netdev=net${index},mac=${nic.mac}${nic.boot ? `,bootindex=${nicIndex}` : ''}${withoutRom(nic.model) ? ',romfile=' : ''}`,
    ]),
    ...bmcArguments(machine, place.dir),
    ...machine.disks.flatMap((disk, index) =>
      diskArguments(disk, index, {
        dir: place.dir,
        boot: index === 0 ? `,bootindex=${diskIndex}` : '',
      }),
    ),
    ...[
      '-smbios',
      `type=1,manufacturer=${smbios(machine.manufacturer)},product=${smbios(machine.product)},serial=${smbios(machine.serial)},uuid=${machine.uuid}`,
    ],
    ...['-smbios', `type=3,asset=${smbios(machine.asset ?? `ASSET-${machine.name}`)}`],
  ];
}

function boardOf({ firmware, arch }: RackMachine): string {
  if (firmware === 'bios') return 'pc';
  return arch === 'arm64' ? 'virt' : 'q35';
}

function bmcArguments(machine: RackMachine, dir: string): string[] {
  if (machine.bmc === 'none') return [];
  const bmc =
    machine.bmc === 'internal'
      ? ['-device', 'ipmi-bmc-sim,id=bmc']
      : [
          // Without `reconnect` QEMU 7.2 dials before the KCS device exists, and crashes.
          ...['-chardev', `socket,id=bmc-line,path=${dir}/bmc,reconnect=1`],
          ...['-device', 'ipmi-bmc-extern,id=bmc,chardev=bmc-line'],
        ];
  return [...bmc, '-device', 'isa-ipmi-kcs,bmc=bmc,irq=5'];
}

function diskArguments(
  disk: RackMachine['disks'][number],
  index: number,
  { dir, boot }: { dir: string; boot: string },
): string[] {
  const drive = [
    '-drive',
    `if=none,id=disk${index},format=raw,cache=unsafe,discard=unmap,werror=report,rerror=report,${diskFile(disk, `${dir}/disk${index}.img`)}`,
  ];
  switch (disk.interface) {
    case 'nvme':
      return [...drive, '-device', `nvme,drive=disk${index},serial=${disk.serial}${boot}`];
    case 'ahci':
      return [
        ...drive,
        ...['-device', `ich9-ahci,id=ahci${index}`],
        ...['-device', `ide-hd,drive=disk${index},bus=ahci${index}.0,serial=${disk.serial}${boot}`],
      ];
    default:
      return [
        ...drive,
        '-device',
        `virtio-blk-pci,drive=disk${index},serial=${disk.serial}${boot}`,
      ];
  }
}

/** The file under a disk, with QEMU's `blkdebug` in between where reads or writes are to fail: error 5 is EIO. */
function diskFile({ failWrites, failReads }: RackMachine['disks'][number], file: string): string {
  const faults = [
    ['write', failWrites],
    ['read', failReads],
  ] as const;
  const rules = faults
    .filter(([, where]) => where !== false)
    .flatMap(([type, where], index) => {
      const rule = `file.inject-error.${index}`;
      return [
        ...[`${rule}.event=none`, `${rule}.iotype=${type}`, `${rule}.errno=5`],
        ...(typeof where === 'object' ? [`${rule}.sector=${where.sector}`] : []),
      ];
    });
  if (rules.length === 0) return `file=${file}`;
  const debug = ['file.driver=blkdebug', 'file.image.driver=file', `file.image.filename=${file}`];
  return [...debug, ...rules].join(',');
}

/** A comma ends a value in QEMU's option syntax unless it is doubled. */
function smbios(value: string): string {
  return value.replaceAll(',', ',,');
}
