/** Runs the agent's recon scripts on recorded machines, under the shells that may run them, and parses what comes out. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseReport } from '../../../src/inventory/report.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const AGENT = resolve('pxeimage/agent');
const SHELLS = [['busybox', 'sh'], ['dash'], ['bash', '--posix']].filter(
  ([shell = '']) => spawnSync('sh', ['-c', `command -v ${shell}`]).status === 0,
);

/** A machine as files below a folder: sysfs, procfs, and tools that answer like the real ones. */
function sysroot(
  files: Record<string, string | Buffer>,
  links: Record<string, string> = {},
): string {
  const root = temporaryFolder('sys');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text, { mode: 0o755 });
  }
  for (const [name, target] of Object.entries(links)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    symlinkSync(target.startsWith('/') ? join(root, target) : target, join(root, name));
  }
  return root;
}

const NIC = '/sys/devices/pci0000:00/0000:00:03.0';
const NVME = '/sys/devices/pci0000:00/0000:00:05.0/nvme/nvme0/nvme0n1';

/** VPD page 89: IDENTIFY data from byte 60 on, in which words 23 to 26 are the firmware, two characters the wrong way round. */
function identify(firmware: string): Buffer {
  const swapped = firmware.replaceAll(/(.)(.)/g, '$2$1');
  const head = `\0\x89\x02\x38${'\0'.repeat(56 + 46)}`;
  return Buffer.from(`${head}${swapped}${'\0'.repeat(458)}`, 'latin1');
}

const DISK = '/sys/devices/pci0000:00/0000:00:04.0/ata1/host0/block/sda';

function server(dmi: Record<string, string> = {}) {
  return sysroot(
    {
      cmdline: 'reveille.mode=recon BOOTIF=01-52-54-00-AA-00-01 quiet\n',
      ...Object.fromEntries(
        Object.entries({
          sys_vendor: 'ACME & "Sons"\n',
          product_name: 'Big\\Box  \n',
          product_serial: 'SN "7" \u00e9\u0001x\n',
          product_uuid: '4C4C4544-0042-3510-8052-B4C04F4E3732\n',
          chassis_type: '23\n',
          board_serial: '\n',
          bios_version: '1.2\n',
          ...dmi,
        }).map(([name, value]) => [`sys/class/dmi/id/${name}`, value]),
      ),
      'proc/cpuinfo': [0, 1, 2, 3]
        .map(
          (n) =>
            `processor\t: ${n}\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon(R) "Gold"\nphysical id\t: ${n >> 1}\ncore id\t\t: 0\ncpu MHz\t\t: 2400.123\n`,
        )
        .join('\n'),
      'proc/meminfo': 'MemTotal:  1000000 kB\n',
      [`${NIC}/net/eth0/address`]: '52:54:00:aa:00:01\n',
      [`${NIC}/net/eth0/carrier`]: '1\n',
      [`${NIC}/net/eth0/speed`]: '-1\n',
      [`${NIC}/class`]: '0x020000\n',
      [`${NIC}/vendor`]: '0x8086\n',
      [`${NIC}/device`]: '0x100e\n',
      'sys/bus/pci/drivers/e1000/x': '',
      [`${DISK}/size`]: '7814037168\n',
      [`${DISK}/queue/rotational`]: '1\n',
      [`${DISK}/device/model`]: 'WDC WD4000  \n',
      [`${DISK}/device/vpd_pg80`]: '\0\x80\0\x14 WD-1234          ',
      [`${DISK}/device/wwid`]: 'naa.50014ee2b5a1c3d4\n',
      'sys/devices/virtual/block/loop0/size': '8\n',
      'bin/dmidecode':
        "#!/bin/sh\ncat <<'EOF'\nMemory Device\n\tSize: 16 GB\n\tLocator: DIMM_A1\n\tType: DDR4\n\tSpeed: 3200 MT/s\n\tManufacturer: Not Specified\n\tSerial Number: 0012AB\n\tPart Number: M393A\n\nMemory Device\n\tSize: No Module Installed\n\tLocator: DIMM_A2\n\nMemory Device\n\tSize: 512 MB\n\tLocator: DIMM_B1\nEOF\n",
      [`${DISK}/device/rev`]: '5402\n',
      [`${DISK}/device/vpd_pg89`]: identify('GXA5402Q'),
      [`${NVME}/size`]: '3750748848\n',
      [`${NVME}/queue/rotational`]: '0\n',
      [`${NVME}/wwid`]: 'eui.0025385b01234567\n',
      [`${NVME}/../model`]: 'PM9A3\n',
      [`${NVME}/../firmware_rev`]: 'GDC5602Q\n',
      'bin/ethtool':
        '#!/bin/sh\n[ "$1" = -i ] && { echo "driver: e1000"; echo "firmware-version: 8.50 0x8000b6d4 1.3082.0"; exit; }\necho "Permanent address: 52:54:00:aa:00:01"\n',
      'run/lldp.eth0':
        '10:00:00 LLDP, length 60\n\tPort ID TLV (2), length 6\n\t  Subtype Interface Name (5): tap0\n\tSystem Name TLV (5), length 7: lab-sw1\n',
    },
    {
      'sys/class/net/eth0': `${NIC}/net/eth0`,
      [`${NIC}/net/eth0/device`]: '../..',
      [`${NIC}/driver`]: '/sys/bus/pci/drivers/e1000',
      'sys/block/sda': DISK,
      'sys/block/nvme0n1': NVME,
      [`${NVME}/device`]: '..',
      'sys/block/loop0': '/sys/devices/virtual/block/loop0',
      'sys/bus/pci/devices/0000:00:03.0': NIC,
    },
  );
}

function recon(root: string, shell: readonly string[]): Uint8Array {
  const [command = 'sh', ...words] = shell;
  const script = `. "$AGENT/lib.sh"; say() { :; }; progress() { :; }; RECON_ONLY_FUNCTIONS=1; . "$AGENT/recon.sh"; write_report`;
  execFileSync(command, [...words, '-c', script], {
    env: {
      ...process.env,
      AGENT,
      SYSROOT: root,
      RUN: join(root, 'run'),
      CMDLINE: join(root, 'cmdline'),
      DMIDECODE: join(root, 'bin/dmidecode'),
      ETHTOOL: join(root, 'bin/ethtool'),
      AGENT_VERSION: '0.1.0',
      PROFILE: 'test',
      KERNEL: '6.1.0',
      LC_ALL: 'C',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return readFileSync(join(root, 'run/report.json'));
}

describe('recon', () => {
  it('there is a shell to run it', () => expect(SHELLS.length).toBeGreaterThan(0));

  it.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
    'under %s reports what the machine has',
    (_name, shell) => {
      const parsed = parseReport(recon(server(), shell));
      if (!parsed.ok) throw new Error(`${parsed.path}: ${parsed.why}`);
      expect(parsed.report).toEqual({
        schema: 1,
        agent: { version: '0.1.0', profile: 'test', kernel: '6.1.0', bootMode: 'bios' },
        bootMac: '52:54:00:aa:00:01',
        dmi: {
          manufacturer: 'ACME & "Sons"',
          product: 'Big\\Box',
          serial: 'SN "7" x',
          uuid: '4C4C4544-0042-3510-8052-B4C04F4E3732',
          chassis: { type: '23' },
          bios: { version: '1.2' },
        },
        cpus: [0, 1].map((socket) => ({
          socket,
          model: 'Xeon(R) "Gold"',
          vendor: 'GenuineIntel',
          cores: 1,
          threads: 2,
          mhz: 2400,
        })),
        memory: {
          totalBytes: 16 * 2 ** 30 + 512 * 2 ** 20,
          modules: [
            {
              slot: 'DIMM_A1',
              sizeBytes: 16 * 2 ** 30,
              type: 'DDR4',
              speedMts: 3200,
              serial: '0012AB',
              part: 'M393A',
            },
            { slot: 'DIMM_B1', sizeBytes: 512 * 2 ** 20 },
          ],
        },
        disks: [
          {
            name: 'nvme0n1',
            model: 'PM9A3',
            wwn: 'eui.0025385b01234567',
            sizeBytes: 1_920_383_410_176,
            rotational: false,
            interface: 'nvme',
            path: 'pci-0000:00:05.0',
            firmware: 'GDC5602Q',
          },
          {
            name: 'sda',
            model: 'WDC WD4000',
            serial: 'WD-1234',
            wwn: '0x50014ee2b5a1c3d4',
            sizeBytes: 4_000_787_030_016,
            rotational: true,
            interface: 'sata',
            path: 'pci-0000:00:04.0',
            firmware: 'GXA5402Q',
          },
        ],
        nics: [
          {
            name: 'eth0',
            mac: '52:54:00:aa:00:01',
            permanentMac: '52:54:00:aa:00:01',
            driver: 'e1000',
            link: true,
            pci: '0000:00:03.0',
            firmware: '8.50 0x8000b6d4 1.3082.0',
            lldp: { switch: 'lab-sw1', port: 'tap0' },
          },
        ],
        pci: [
          {
            slot: '0000:00:03.0',
            class: '0x020000',
            vendor: '0x8086',
            device: '0x100e',
            gpu: false,
          },
        ],
      });
    },
  );

  it('leaves out what a machine does not know', () => {
    const parsed = parseReport(
      recon(
        server({ product_serial: '   \n', product_uuid: '', sys_vendor: '\n' }),
        SHELLS[0] ?? ['sh'],
      ),
    );
    expect(parsed.ok && Object.keys(parsed.report.dmi).sort()).toEqual([
      'bios',
      'chassis',
      'product',
    ]);
  });

  it('cuts what is too long', () => {
    const parsed = parseReport(
      recon(server({ product_serial: `${'A'.repeat(5000)}\n` }), SHELLS[0] ?? ['sh']),
    );
    expect(parsed.ok && parsed.report.dmi.serial).toBe('A'.repeat(256));
  });

  /** The variable as efivarfs has it: attributes, then the value. */
  const SECURE_BOOT = 'sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';
  it.each(
    SHELLS.flatMap((shell) =>
      [
        { value: Buffer.from([6, 0, 0, 0, 1]), secureBoot: true },
        { value: Buffer.from([6, 0, 0, 0, 0]), secureBoot: false },
        { value: Buffer.from([6, 0, 0, 0]), secureBoot: undefined },
      ].map((one) => ({ ...one, shell, name: shell.join(' ') })),
    ),
  )('under $name says that Secure Boot is $secureBoot', ({ value, secureBoot, shell }) => {
    const root = server();
    mkdirSync(dirname(join(root, SECURE_BOOT)), { recursive: true });
    writeFileSync(join(root, SECURE_BOOT), value);
    const parsed = parseReport(recon(root, shell));
    if (!parsed.ok) throw new Error(`${parsed.path}: ${parsed.why}`);
    expect(parsed.report.agent).toMatchObject({ bootMode: 'uefi' });
    expect(parsed.report.agent.secureBoot).toBe(secureBoot);
  });
});
