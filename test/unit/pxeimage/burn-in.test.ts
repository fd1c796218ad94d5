/** Runs the agent's burn-in on machines of files, under busybox: what it measures, and that it finds what is broken. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const AGENT = resolve('pxeimage/agent');

/** Two processors, 4 MB of free memory, a disk of three mebibytes and one of none. */
function machine(files: Record<string, string> = {}): string {
  const root = temporaryFolder('burn');
  const all: Record<string, string> = {
    'proc/cpuinfo': 'processor\t: 0\n\nprocessor\t: 1\n',
    'proc/meminfo': 'MemTotal:  10000 kB\nMemAvailable:  4000 kB\n',
    'sys/block/vda/size': '6144\n',
    'sys/block/sr0/size': '6144\n',
    'sys/block/sdz/size': '0\n',
    'sys/devices/system/edac/mc/mc0/ce_count': '3\n',
    'sys/devices/system/edac/mc/mc0/ue_count': '0\n',
    'dev/vda': 'x'.repeat(3 * 2 ** 20),
    order: 'work: burn-in\ncpuSeconds: 0\nmemoryPercent: 90\nmemoryRounds: 1\ndiskPercent: 100\n',
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

/** The script with the functions of the process that runs it, and no file system but the test's. */
function burn(
  root: string,
  more = '',
): { status: number | null; measured: string; failed: string } {
  const script = `
set -u
AGENT=${AGENT} AT=${root} SYSROOT=${root} BURN=${root}/burn PATH=${root}/bin:$PATH
answer() { sed -n "s/^$1: //p" "$2"; }
seconds() { sed 's/\\..*//' /proc/uptime; }
step() { echo "$1 $2" >>"$AT/steps"; }
measured() { echo "$1=$2" >>"$AT/measured"; }
fail() { echo "$1 $2" >"$AT/failed"; exit 1; }
. ${AGENT}/burn-in.sh
BLOCK_KIB=1024 KNOWN=30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58
room_for_blocks() { mkdir -p "$BURN"; }
leave_room() { rm -rf "$BURN"; }
dmesg() { cat "$AT/dmesg" 2>/dev/null; }
${more}
perform
`;
  const { status } = spawnSync('busybox', ['sh', '-c', script], { encoding: 'utf8' });
  const read = (name: string) => {
    try {
      return readFileSync(join(root, name), 'utf8');
    } catch {
      return '';
    }
  };
  return { status, measured: read('measured'), failed: read('failed').trim() };
}

describe('burn-in', () => {
  it('measures every processor, memory and disk, and leaves nothing behind', () => {
    const root = machine();
    const { status, measured, failed } = burn(root);
    expect([status, failed]).toEqual([0, '']);
    expect(measured.trim().split('\n')).toEqual([
      ...['cpu-count=2', 'cpu-rounds=2', 'memory-bytes=3145728', 'memory-patterns=4'],
      ...[expect.stringMatching(/^disk-vda-mib-per-s=\d+$/), 'disk-count=1'],
      ...['memory-corrected=0', 'machine-checks=0'],
    ]);
    const steps = readFileSync(join(root, 'steps'), 'utf8').trim().split('\n');
    expect(steps).toEqual(['cpu 0', 'memory 30', 'disks 60', 'errors 99']);
    expect(readFileSync(join(root, 'dev/vda'), 'utf8')).toBe('x'.repeat(3 * 2 ** 20));
  });

  it.each([
    ['a processor that computes wrongly', {}, 'KNOWN=0000', /^CPU_FAILED .* round 1$/],
    [
      'memory that does not keep a pattern',
      {},
      'pattern() { head -c 1024 /dev/zero | tr "\\000" "\\\\$1"; [ "$1" != 125 ] || head -c 8 /dev/urandom; }',
      /^MEMORY_FAILED block 0 of 3 does not hold pattern 125$/,
    ],
    [
      'memory that the controller gave up',
      { 'sys/devices/system/edac/mc/mc0/ue_count': '1\n' },
      '',
      /^MEMORY_FAILED .* count 1 errors/,
    ],
    [
      'a disk that cannot be read',
      { 'sys/block/vdb/size': '6144\n', 'sys/block/vdb/serial': 'DISK-2     \n' },
      '',
      /^DISK_FAILED disk vdb \(serial DISK-2\) cannot be read at MiB 0: No such file/,
    ],
    [
      'where a disk cannot be read',
      {},
      // A disk whose third mebibyte is bad, in pieces of two.
      `PIECE_MIB=2
       dd() { case $4 in skip=2) echo "dd: /dev/vda: Input/output error" >&2; return 1 ;; esac; }`,
      /^DISK_FAILED disk vda \(serial unknown\) cannot be read at MiB 2: Input\/output error$/,
    ],
    [
      'machine checks',
      { dmesg: 'mce: [Hardware Error]: CPU 1: Machine Check: 0\n' },
      '',
      /^CPU_FAILED .* 1 machine checks$/,
    ],
  ])('finds %s', (_, files, more, expected) => {
    const { status, failed } = burn(machine(files), more);
    expect(status).toBe(1);
    expect(failed).toMatch(expected);
  });

  it('does with an order of nonsense what it usually does', () => {
    const root = machine({ order: 'work: burn-in\ncpuSeconds: ; rm -rf /\ndiskPercent: -1\n' });
    const { status, measured } = burn(root, 'burn_cpu() { echo "seconds $1"; measured cpu "$1"; }');
    expect(status).toBe(0);
    expect(measured).toContain('cpu=60\n');
    expect(measured).toContain('disk-count=1\n');
  });

  it('knows the digest that every processor has to compute', () => {
    const known = /^KNOWN=([0-9a-f]{64})$/m.exec(
      readFileSync(join(AGENT, 'burn-in.sh'), 'utf8'),
    )?.[1];
    const digest = createHash('sha256')
      .update(new Uint8Array(16 * 2 ** 20))
      .digest('hex');
    expect(known).toBe(digest);
  });

  it('is a script that sh can read', () => {
    expect(spawnSync('busybox', ['sh', '-n', join(AGENT, 'burn-in.sh')]).status).toBe(0);
  });
});
