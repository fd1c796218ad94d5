/** Runs the agent's eraser on files that stand for disks, under the shells that may run it, with tools that do as told. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { erasedSchema } from '../../../src/recycle/seen.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const AGENT = resolve('pxeimage/agent');
const SHELLS = [['busybox', 'sh'], ['dash']].filter(
  ([shell = '']) => spawnSync('sh', ['-c', `command -v ${shell}`]).status === 0,
);
const BYTES = 4 * 1024 * 1024;
const BLOCKS = '0,100,500,1023';
const PATTERN = 'secret of the last owner. ';

interface Wanted {
  readonly methods: string;
  /** Name of a tool to its text, as a shell script; `DISK` is the file. */
  readonly tools?: Readonly<Record<string, string>>;
  readonly depth?: 'full' | 'sample';
  readonly device?: string;
}

/** What work-run.sh gives to the scripts of work, and files in place of devices. */
const HARNESS = `
set -u
. "$AGENT/lib.sh"
AGENT=$AGENT
RECON_ONLY_FUNCTIONS=1
SYSROOT=
. "$AGENT/recon.sh"
say() { :; }
step() { :; }
fail() { echo "$1 $2" >"$AT/failed"; exit 1; }
seconds() { sed 's/\\..*//' /proc/uptime; }
. "$AGENT/recycle.sh"
is_the_disk() { return 0; }
controller_of() { echo /dev/fake0; }
disk_interface() { echo virtio; }
post() { cp "$1" "$AT/posted.json"; }
`;

function erase(
  shell: readonly string[],
  { methods, tools = {}, depth = 'sample', device }: Wanted,
) {
  const dir = temporaryFolder('recycle');
  const disk = join(dir, 'sdz');
  writeFileSync(disk, PATTERN.repeat(Math.ceil(BYTES / PATTERN.length)).slice(0, BYTES));
  mkdirSync(join(dir, 'bin'));
  const all = { blkdiscard: 'exit 1', blockdev: 'exit 0', hdparm: 'exit 1', ...tools };
  for (const [name, text] of Object.entries(all))
    writeFileSync(join(dir, 'bin', name), `#!/bin/sh\nDISK=${disk}\nDIR=${dir}\n${text}\n`, {
      mode: 0o755,
    });
  const script = `${HARNESS}
make_marker ${Buffer.from('reveille job-1').toString('base64')}
erase_in_background ${device ?? disk} ${BYTES} RDE= ${methods} ${BLOCKS} ${depth}
wait_for_disks
`;
  const [program = 'sh', ...words] = shell;
  const result = spawnSync(program, [...words, '-c', script], {
    encoding: 'utf8',
    env: {
      ...{ AT: dir, AGENT, RUN: dir, APPLIANCE: 'http://0', WORK: 'w', POLL_SECONDS: '0' },
      PATH: `${join(dir, 'bin')}:/usr/sbin:/usr/bin:/sbin:/bin`,
    },
    timeout: 60_000,
  });
  const read = (name: string) => readFileSync(join(dir, name), 'utf8');
  const failed = readdirSync(dir).includes('failed') ? read('failed').trim() : '';
  return {
    ...{ failed, log: result.stdout + result.stderr },
    told: erasedSchema.parse(JSON.parse(read('posted.json'))),
    bytes: readFileSync(disk),
  };
}

const ZEROS = Buffer.alloc(BYTES);
const nvme = (sanitize: string) => `
case $1 in
  sanitize) echo 0 >"$DIR/polls"; ${sanitize} ;;
  sanitize-log)
    polls=$(($(cat "$DIR/polls") + 1)); echo $polls >"$DIR/polls"
    if [ $polls -lt 3 ]; then echo 'Sanitize Progress                      (SPROG) :  32768'; echo 'Sanitize Status                        (SSTAT) :  0x2'
    else echo 'Sanitize Progress                      (SPROG) :  65535'; echo 'Sanitize Status                        (SSTAT) :  0x101'; fi ;;
  format) exit 0 ;;
esac`;
const SECURITY = (state: string) => `
ATA device, with non-removable media
Commands/features:
Security:
	Master password revision code = 65534
		supported
	not	enabled
	not	locked
	${state}
	not	expired: security count
		supported: enhanced erase
Logical Unit WWN Device Identifier: 5000000000000001
`;

describe.each(SHELLS)('under %s', (...shell) => {
  it('an overwrite leaves zeros everywhere, and says what was seen', () => {
    const { told, bytes, failed, log } = erase(shell, { methods: 'overwrite', depth: 'full' });
    expect(failed, log).toBe('');
    expect(bytes.equals(ZEROS)).toBe(true);
    expect(told).toMatchObject({
      ...{ name: 'sdz', serial: 'D1', method: 'overwrite', ok: true, samples: 4, full: true },
      ...{ sizeBytes: BYTES, interface: 'virtio', detail: '' },
    });
  });
  it('a method that reports success and erases nothing is found out, and the next one taken', () => {
    const { told, bytes } = erase(shell, {
      methods: 'nvme-format-user,overwrite',
      tools: { nvme: nvme('exit 0') },
    });
    expect(told).toMatchObject({ method: 'overwrite', ok: true });
    expect(told.detail).toMatch(/nvme-format-user: it reported success and block 0 holds what was/);
    expect(bytes.equals(ZEROS)).toBe(true);
  });
  it('a liar without another method is not clean', () => {
    const { told, failed } = erase(shell, {
      methods: 'nvme-format-user',
      tools: { nvme: nvme('exit 0') },
    });
    expect(told).toMatchObject({ ok: false, method: '' });
    expect(failed).toMatch(/^DISK_FAILED not clean: sdz: nvme-format-user: it reported success/);
  });
  it('a sanitize is waited for until its log says that it is over', () => {
    const { told } = erase(shell, {
      methods: 'nvme-sanitize-crypto,overwrite',
      tools: { nvme: nvme('head -c 4194304 /dev/urandom >"$DISK"') },
    });
    expect(told).toMatchObject({
      method: 'nvme-sanitize-crypto',
      ok: true,
      samples: 4,
      full: false,
    });
  });
  it('a disk that cannot be written is not clean', () => {
    const { told, failed, bytes } = erase(shell, { methods: 'overwrite', device: '/dev/full' });
    expect(told).toMatchObject({ name: 'full', ok: false });
    expect(told.detail).toMatch(/it cannot be written: .*[Nn]o space/);
    expect(failed).toMatch(/^DISK_FAILED/);
    expect(bytes.includes(PATTERN)).toBe(true);
  });
  it('a disk without a method of the level is not touched', () => {
    const { told, bytes } = erase(shell, { methods: '-' });
    expect(told).toMatchObject({ ok: false, samples: 0 });
    expect(told.detail).toMatch(/no method of the level/);
    expect(bytes.includes(PATTERN)).toBe(true);
  });
});

describe('ATA', () => {
  const shell = SHELLS[0] ?? ['sh'];
  /** The security commands of a disk in this state; `run` erases. */
  const source = (functions: string, hdparm: string) => {
    const dir = temporaryFolder('ata');
    mkdirSync(join(dir, 'bin'));
    writeFileSync(
      join(dir, 'bin', 'hdparm'),
      `#!/bin/sh\nDIR=${dir}\necho "$*" >>"$DIR/asked"\n${hdparm}\n`,
      { mode: 0o755 },
    );
    writeFileSync(join(dir, 'bin', 'rtcwake'), `#!/bin/sh\n: >"${dir}/slept"\n`, { mode: 0o755 });
    const [program = 'sh', ...words] = shell;
    const run = spawnSync(
      program,
      [...words, '-c', `${HARNESS}\ndevice=/dev/sdz name=sdz tried=\n${functions}`],
      {
        encoding: 'utf8',
        env: {
          AT: dir,
          AGENT,
          RUN: dir,
          PATH: `${join(dir, 'bin')}:/usr/bin:/bin:/usr/sbin:/sbin`,
        },
      },
    );
    const asked = () => readFileSync(join(dir, 'asked'), 'utf8');
    return { ...run, asked };
  };
  const identity = (state: string) => `cat <<'END'\n${SECURITY(state)}\nEND`;

  it('offers are read from the identity, erase by security too', () => {
    const text = SECURITY('not\tfrozen').replace(
      'Commands/features:',
      'Commands/features:\n\t   *\tSANITIZE feature set\n\t   *\tCRYPTO_SCRAMBLE_EXT command',
    );
    const { stdout } = source('offers_of /dev/sdz', `cat <<'END'\n${text}\nEND`);
    expect(stdout.trim().split('\n')).toEqual([
      ...['ata-sanitize-crypto', 'ata-secure-enhanced', 'ata-secure'],
    ]);
    const none = source(
      'offers_of /dev/sdz',
      `cat <<'END'\n${SECURITY('not\tfrozen').replace('\t\tsupported: enh', '\tnot\tsupported: enh')}\nEND`,
    );
    expect(none.stdout.trim()).toBe('ata-secure');
  });
  it('a frozen disk that stays frozen is said to be', () => {
    const { stdout, status, asked } = source(
      'hdparm -I $device >"$AT/identity.sdz"; ata_secure --security-erase-enhanced',
      identity('\tfrozen'),
    );
    expect(status).toBe(1);
    expect(stdout).toMatch(/frozen by the firmware/);
    expect(asked()).not.toMatch(/security-set-pass/);
  });
  it('an erase sets a password, erases, and is over when security is off again', () => {
    const { status, asked } = source(
      'hdparm -I $device >"$AT/identity.sdz"; ata_secure --security-erase-enhanced',
      identity('not\tfrozen'),
    );
    expect(status).toBe(0);
    expect(asked()).toMatch(
      /--security-set-pass reveille \/dev\/sdz\n.*--security-erase-enhanced reveille \/dev\/sdz\n-I/,
    );
  });
  it('a disk that an erase left locked is opened first; one with another password is not touched', () => {
    const locked = SECURITY('not\tfrozen').replace('not\tlocked', '\tlocked');
    const open = source(
      'opened && echo open',
      `case "$*" in *unlock*reveille*) : >"$DIR/unlocked" ;; *unlock*) exit 1 ;; -N*) exit 0 ;;
-I*) if [ -e "$DIR/unlocked" ]; then cat <<'END'\n${SECURITY('not\tfrozen')}\nEND
else cat <<'END'\n${locked}\nEND\nfi ;; esac`,
    );
    expect(open.stdout).toMatch(/open/);
    const shut = source(
      'opened || echo "shut:$tried"',
      `case "$*" in *unlock*) exit 1 ;; -I*) cat <<'END'\n${locked}\nEND\n;; esac`,
    );
    expect(shut.stdout).toMatch(/shut: it is locked by a password that nobody here knows/);
  });
});

describe.each(SHELLS)('what is beside ATA and NVMe, under %s', (...shell) => {
  it.each([
    ['scsi-sanitize-block', 'sg_sanitize', '--block --quick --wait'],
    ['scsi-sanitize-crypto', 'sg_sanitize', '--crypto --quick --wait'],
    ['scsi-sanitize-overwrite', 'sg_sanitize', '--overwrite --zero --quick --wait'],
    ['scsi-format', 'sg_format', '--format --quick'],
  ])('%s is asked of the disk and counts when the marker is gone', (method, tool, words) => {
    const works = `case "$*" in '${words} '*) head -c ${BYTES} /dev/urandom >"$DISK" ;; *) exit 1 ;; esac`;
    const { told, failed } = erase(shell, { methods: method, tools: { [tool]: works } });
    expect(failed).toBe('');
    expect(told).toMatchObject({ method, ok: true, samples: 4, detail: '' });
  });
  it('a SCSI disk that refuses three of them is formatted', () => {
    const { told } = erase(shell, {
      methods: 'scsi-sanitize-block,scsi-sanitize-crypto,scsi-format',
      tools: {
        sg_sanitize: 'echo "Illegal request, Invalid opcode"; exit 5',
        sg_format: `head -c ${BYTES} /dev/urandom >"$DISK"`,
      },
    });
    expect(told).toMatchObject({ method: 'scsi-format', ok: true });
    expect(told.detail).toMatch(/^scsi-sanitize-block: Illegal.*; scsi-sanitize-crypto: Illegal/);
  });

  /** Functions of the script over a made-up sysfs and tools. */
  const beside = (
    functions: string,
    { files = {}, tools = {} }: Record<'files' | 'tools', Record<string, string>> = {
      files: {},
      tools: {},
    },
  ) => {
    const dir = temporaryFolder('beside');
    const put = (name: string, text: string, mode: number) => {
      mkdirSync(join(dir, name, '..'), { recursive: true });
      writeFileSync(join(dir, name), text, { mode });
    };
    for (const [name, text] of Object.entries(files)) put(name, text, 0o644);
    for (const [name, text] of Object.entries({ hdparm: 'exit 1', mount: 'exit 0', ...tools }))
      put(`bin/${name}`, `#!/bin/sh\nDIR=${dir}\n${text}\n`, 0o755);
    const [program = 'sh', ...words] = shell;
    const result = spawnSync(
      program,
      [
        ...words,
        '-c',
        `${HARNESS}\nmeasured() { echo "measured $*"; }\nSYSROOT=${dir}\n${functions}`,
      ],
      {
        encoding: 'utf8',
        env: { AT: dir, AGENT, RUN: dir, PATH: `${join(dir, 'bin')}:/usr/bin:/bin` },
      },
    );
    const read = (name: string) =>
      existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : '';
    return { ...result, read };
  };

  it('a disk with a SCSI serial is asked for all four; one without offers nothing', () => {
    const tools = { sg_sanitize: 'exit 0' };
    const sas = beside('offers_of /dev/sdq', {
      ...{ tools, files: { 'sys/block/sdq/device/vpd_pg80': 'xxxxS1' } },
    });
    expect(sas.stdout.trim().split('\n')).toEqual([
      ...['scsi-sanitize-block', 'scsi-sanitize-crypto', 'scsi-sanitize-overwrite', 'scsi-format'],
    ]);
    const stick = beside('offers_of /dev/sdq', {
      ...{ tools, files: { 'sys/block/sdq/device/model': 'stick' } },
    });
    expect(stick.stdout.trim()).toBe('');
  });

  const LISTED = `BootCurrent: 0003
Boot0001* debian\tHD(1,GPT,0a1b)/File(\\EFI\\debian\\shimx64.efi)
Boot0002* UEFI PXE\tPciRoot(0x0)/Pci(0x3,0x0)/MAC(525400123456,1)
Boot0003* UEFI shell\tFvVol(7cb8)/FvFile(7c04)
Boot00AF  windows\tHD(2,GPT,0c1d)/File(\\EFI\\Microsoft\\Boot\\bootmgfw.efi)`;
  const efibootmgr = `case $1 in -v) cat <<'END'\n${LISTED}\nEND\n;; *) echo "$*" >>"$DIR/asked" ;; esac`;
  it('boot entries that lead to files on disks are removed, and no others', () => {
    const { stdout, read } = beside('boot_entries', {
      files: { 'sys/firmware/efi/efivars/x': '' },
      tools: { efibootmgr },
    });
    expect(read('asked')).toBe('-q -b 0001 -B\n-q -b 00AF -B\n');
    expect(stdout).toMatch(/0001 is removed\n.*00AF is removed/);
  });
  it('a machine that booted by BIOS has no boot entries', () => {
    const { status, read } = beside('boot_entries', { files: {}, tools: { efibootmgr } });
    expect([status, read('asked')]).toEqual([0, '']);
  });
  it('the firmware is asked to clear the TPM, and a machine without one is left alone', () => {
    const request = 'sys/class/tpm/tpm0/ppi/request';
    const asked = beside('clear_tpm', { files: { [request]: '' }, tools: {} });
    expect(asked.read(request)).toBe('22\n');
    expect(asked.stdout).toBe('measured tpm asked\n');
    const none = beside('clear_tpm');
    expect([none.status, none.stdout]).toEqual([0, '']);
  });
  it('firmware that refuses to clear the TPM fails the work', () => {
    const request = 'sys/class/tpm/tpm0/ppi/request';
    // A file that can be opened and not be written, as sysfs has them.
    const refused = beside(
      `rm "$SYSROOT/${request}"; ln -s /dev/full "$SYSROOT/${request}"; clear_tpm`,
      { files: { [request]: '' }, tools: {} },
    );
    expect(refused.status).toBe(1);
    expect(refused.read('failed')).toMatch(/^AGENT_FAILED the firmware does not take the order/);
  });
});

it('the scripts are POSIX', () => {
  for (const [program = 'sh', ...words] of SHELLS)
    for (const script of ['recycle.sh', 'recycle-methods.sh'])
      execFileSync(program, [...words, '-n', join(AGENT, script)]);
});
