/** The agent's work, in the shell that it runs in: streams that break off and go on, what is whose fault, the boot order. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const AGENT = resolve('pxeimage/agent');
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Run {
  readonly code: number;
  readonly out: string;
  at(name: string): string;
}

/** Runs words of the agent in busybox's shell, as pxeimage does. */
function agent(script: string, environment: Record<string, string> = {}): Promise<Run> {
  const dir = temporaryFolder('agent');
  const AT = join(dir, 'work');
  mkdirSync(AT);
  const text = `set -- ; . "$AGENT/work-run.sh"; . "$AGENT/work.sh"; . "$AGENT/install.sh"\n${script}\n`;
  const env = { ...process.env, AGENT, RUN: dir, AT, ZSTD: 'zstd', WORK: 'w', ...environment };
  return new Promise((done) => {
    execFile('busybox', ['sh', '-c', text], { env, timeout: 60_000 }, (error, out) => {
      const code = error ? Number(error.code ?? 1) : 0;
      const at = (name: string) => readFileSync(join(AT, name), 'utf8').trim();
      done({ code, out: out.trim(), at });
    });
  });
}

/** A store of one file that cuts each answer short after so many bytes, or answers otherwise at first. */
async function store(
  content: Uint8Array,
  { cutAt = Number.POSITIVE_INFINITY, first = [] as number[] } = {},
) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.range ?? '');
    const status = first.shift();
    if (status !== undefined) {
      response.writeHead(status, { 'retry-after': '1', 'x-queue-position': '3' });
      return void response.end('no');
    }
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = content.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': rest.length });
    if (rest.length <= cutAt) return void response.end(rest);
    response.write(rest.subarray(0, cutAt), () => request.socket.destroy());
  });
  servers.push(server);
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const APPLIANCE = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { asked, environment: { APPLIANCE } };
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const content = randomBytes(300_000);
const packed = zstdCompressSync(content);
const copy = (sum: string, size: number, writer = 'dd of="$AT/disk" 2>/dev/null') =>
  `write() { ${writer}; }; copy ${sum} ${size} zstd 80 write; echo copied`;

describe('a copy', () => {
  it('goes on where it broke off, and is the file it should be', async () => {
    const { asked, environment } = await store(packed, { cutAt: 120_000 });
    const run = await agent(
      `${copy(sha256(packed), packed.length)}; sha256sum <"$AT/disk"`,
      environment,
    );
    expect(run.out).toContain('copied');
    expect(asked).toHaveLength(3);
    expect(asked.slice(1).every((range) => /^bytes=[1-9]\d*-$/.test(range))).toBe(true);
    expect(run.out).toContain(sha256(content));
    expect(run.at('sum').slice(0, 64)).toBe(sha256(packed));
  });

  it('waits for its turn without counting that as a failure', async () => {
    const first = Array.from({ length: 3 }, () => 503);
    const { asked, environment } = await store(packed, { first });
    const run = await agent(copy(sha256(packed), packed.length), environment);
    expect(run.out).toContain('copied');
    expect(asked).toHaveLength(4);
    expect(run.at('note')).toContain('number 3 in the queue');
  });

  it('says IMAGE_CORRUPT of bytes that are others than they should be', async () => {
    const { environment } = await store(packed);
    const run = await agent(copy('0'.repeat(64), packed.length), environment);
    expect(run.code).toBe(1);
    expect(run.at('code')).toBe('IMAGE_CORRUPT');
  });

  it('says IMAGE_CORRUPT of bytes that do not unpack', async () => {
    const broken = Buffer.from(packed);
    broken.fill(0x55, 1000, 1200);
    const { environment } = await store(broken);
    const run = await agent(copy(sha256(packed), broken.length), environment);
    expect(run.at('code')).toBe('IMAGE_CORRUPT');
  });

  it('says DISK_FAILED when what writes fails, at its beginning or in the middle', async () => {
    for (const writer of ['false', 'head -c 100000 >/dev/null; false']) {
      const { environment } = await store(packed);
      const run = await agent(copy(sha256(packed), packed.length, writer), environment);
      expect(run.code).toBe(1);
      expect(run.at('code')).toBe('DISK_FAILED');
    }
  });

  it('goes straight onto a disk, and says whose fault it is when it does not', async () => {
    const onto = (disk: string, size = packed.length) =>
      `copy ${sha256(packed)} ${size} zstd 80 onto ${disk}; echo copied`;
    const good = await store(packed, { cutAt: 120_000 });
    // What is there is written over, and not made shorter.
    const before = 'head -c 400000 /dev/zero >"$AT/disk"';
    const after = 'wc -c <"$AT/disk"; head -c 300000 "$AT/disk" | sha256sum';
    const run = await agent(`${before}; ${onto('"$AT/disk"')}; ${after}`, good.environment);
    expect(run.out).toContain(`copied\n400000\n${sha256(content)}`);
    const full = await store(packed);
    const failed = await agent(onto('/dev/full'), full.environment);
    expect([failed.code, failed.at('code')]).toEqual([1, 'DISK_FAILED']);
    const broken = Buffer.from(packed);
    broken.fill(0x55, 1000, 1200);
    const bad = await store(broken);
    const corrupt = await agent(onto('"$AT/disk"'), bad.environment);
    expect([corrupt.code, corrupt.at('code')]).toEqual([1, 'IMAGE_CORRUPT']);
  });

  it('knows all of zstd’s words for a disk that does not take what is written', async () => {
    const ended = async (status: number) => {
      const { environment } = await store(packed);
      const script = `ended() { cat >/dev/null; return ${status}; }
        copy ${sha256(packed)} ${packed.length} zstd 80 onto "$AT/disk" --sparse; echo copied`;
      return (await agent(script, { ...environment, ZSTD: 'ended' })).at('code');
    };
    for (const status of [69, 70, 91, 92, 93, 95]) {
      expect([status, await ended(status)]).toEqual([status, 'DISK_FAILED']);
    }
    expect(await ended(1)).toBe('IMAGE_CORRUPT');
  });

  it('writes only what is not zero where the disk has made itself zeros, and looks whether it has', async () => {
    const image = Buffer.concat([content, Buffer.alloc(3_000_000), content, Buffer.alloc(70_000)]);
    const file = zstdCompressSync(image);
    const old = `head -c ${image.length + 5000} /dev/urandom >"$AT/disk"`;
    const queue = (spins: number) =>
      `q="$SYS/block/$AT/disk/queue"; mkdir -p "$q"; echo ${spins} >"$q/rotational"; echo 1024 >"$q/write_zeroes_max_bytes"`;
    const raw = `grow() { :; }; blockdev() { :; }; wait_for_parts() { :; }
      write_raw "$AT/disk" ${sha256(file)} ${file.length} zstd ${sha256(image)} ${image.length} sample
      cat "$AT/asked" 2>/dev/null; head -c ${image.length} "$AT/disk" | sha256sum; wc -c <"$AT/disk"`;
    const honest =
      'echo "$5 $6" >"$AT/asked"; dd if=/dev/zero of="$7" bs=$6 count=1 conv=notrunc 2>/dev/null';
    const disks: [spins: number, discards: string, asked: boolean][] = [
      [0, honest, true],
      [0, 'echo "$5 $6" >"$AT/asked"', true],
      [0, 'false', false],
      [1, honest, false],
    ];
    for (const [spins, discards, asked] of disks) {
      const { environment } = await store(file);
      const tool =
        'printf "#!/bin/sh\\n%s\\n" "$TOOL" >"$AT/tool"; chmod +x "$AT/tool"; BLKDISCARD=$AT/tool; SYS=$AT/sys';
      const script = `export AT; ${tool}; ${old}; ${queue(spins)}; ${raw}`;
      const run = await agent(script, { ...environment, TOOL: discards });
      const length = Math.ceil(image.length / 4096) * 4096;
      const lines = [...(asked ? [`-l ${length}`] : []), `${sha256(image)}  -`];
      expect(run.out).toContain(`${lines.join('\n')}\n`);
      expect(run.out.endsWith(String(image.length + 5000))).toBe(true);
    }
  });

  it('has the same SHA-256 of any processor', async () => {
    for (const flags of ['fpu sse2 sha_ni', 'fpu sse2']) {
      const script = `echo "flags : ${flags}" >"$AT/cpuinfo"; CPUINFO=$AT/cpuinfo; echo abc | digest`;
      expect((await agent(script)).out).toBe(sha256(Buffer.from('abc\n')));
    }
  });

  it('says IMAGE_UNREACHABLE, at once, when the work is over', async () => {
    const { asked, environment } = await store(packed, { first: [410] });
    const run = await agent(copy(sha256(packed), packed.length), environment);
    expect(run.at('code')).toBe('IMAGE_UNREACHABLE');
    expect(asked).toHaveLength(1);
  });
});

describe('a mirror', () => {
  const script = (action: string) => `
    SYS=$AT/sys; mkdir -p "$SYS/block/md0/md"; ${action}
    modprobe() { :; }; mdadm() { echo "$*"; }
    make_raid /dev/md0 root /dev/sda3 /dev/sdb3; echo made`;
  it('is not made alike beside the copy', async () => {
    const run = await agent(script('echo resync >"$SYS/block/md0/md/sync_action"'));
    expect(run.out).toMatch(
      /^--create \/dev\/md0 .*--raid-devices=2 \/dev\/sda3 \/dev\/sdb3\nmade$/,
    );
    expect(run.at('sys/block/md0/md/sync_action')).toBe('frozen');
  });
  it('is made all the same where the kernel does not let go of that', async () => {
    const run = await agent(script('mkdir "$SYS/block/md0/md/sync_action"'));
    expect(run.out).toMatch(/made$/);
  });
});

/** What efibootmgr 17 prints, of an OVMF, a Dell and a Supermicro. */
const ORDERS = {
  'OVMF, disk first': [
    'BootCurrent: 0002\nTimeout: 0 seconds\nBootOrder: 0001,0002,0003,0000\nBoot0000* UiApp\tFvVol(7cb8)\nBoot0001* UEFI Misc Device\tPciRoot(0x0)/Pci(0x4,0x0)\nBoot0002* UEFI PXEv4 (MAC:525400123456)\tPciRoot(0x0)\nBoot0003* UEFI HTTPv4 (MAC:525400123456)\tPciRoot(0x0)\n',
    '0002,0003,0001,0000',
  ],
  'a system that put itself first': [
    'BootOrder: 0009,0004,000A\nBoot0004* PXE Device 1: Integrated NIC 1 Port 1 Partition 1\nBoot0009* debian\tHD(1,GPT,aaaa)\nBoot000A* PXE Device 2: NIC in Slot 1\n',
    '0004,000A,0009',
  ],
  'network first already': [
    'BootOrder: 0005,0001\nBoot0001* Hard Drive\nBoot0005* UEFI: Network Card IPv4\n',
    '0005,0001',
  ],
  'no network at all': ['BootOrder: 0001,0002\nBoot0001* Hard Drive\nBoot0002* CD\n', '0001,0002'],
} as const;

describe('row 17: the boot order after an install', () => {
  it.each(Object.entries(ORDERS))('keeps the network first: %s', async (_name, [list, wanted]) => {
    const file = join(temporaryFolder('order'), 'list');
    writeFileSync(file, list);
    const { out } = await agent(`boot_order <'${file}'`);
    expect(out).toBe(wanted);
  });

  it.each([
    ['found on whichever partition has it', 'p2', 'yes'],
    ['missed where none has it', 'p9', 'no'],
  ])('a loader of a raw image is %s', async (_what, holder, says) => {
    const { out } =
      await agent(`ESP=$AT/esp; partitions_of() { echo p1 p2 p3; }; secure_boot() { :; }
      mount() { [ "$5" != p1 ] || return 1; [ "$5" != ${holder} ] || { mkdir -p "$ESP/EFI/BOOT"; echo MZ >"$ESP/EFI/BOOT/BOOTX64.EFI"; }; }
      umount() { rm -rf "$1/EFI"; }
      if has_loader /dev/sda; then echo yes; else echo no; fi; ls "$ESP"`);
    expect(out).toBe(says);
  });

  /** An image for UEFI as far as the agent reads it. */
  function efiImage(signatureBytes: number): string {
    const bytes = Buffer.alloc(1024);
    bytes.write('MZ');
    bytes.writeUInt32LE(0x80, 0x3c);
    bytes.write('PE\0\0', 0x80);
    bytes.writeUInt16LE(0x20b, 0x80 + 24);
    bytes.writeUInt32LE(signatureBytes, 0x80 + 24 + 148);
    const file = join(temporaryFolder('efi'), 'BOOTX64.EFI');
    writeFileSync(file, bytes);
    return file;
  }

  it.each([
    ['with a signature', 1, efiImage(2048), 'yes'],
    ['without one', 1, efiImage(0), 'no'],
    ['without one, and Secure Boot off', 0, efiImage(0), 'yes'],
    ['without one, where firmware has no Secure Boot', '', efiImage(0), 'yes'],
    ['that is no image at all', 1, '/dev/null', 'no'],
  ])('a loader %s may be started or not', async (_what, on, file, says) => {
    const script = `secure_boot() { echo ${on}; }; may_start '${file}' && echo yes || echo no`;
    expect((await agent(script)).out).toBe(says);
  });

  it.each([
    [2048, '1'],
    [0, '0'],
  ])('of a raw image, too (%i bytes of signature)', async (size, says) => {
    const { out } =
      await agent(`ESP=$AT/esp; partitions_of() { echo p1; }; secure_boot() { echo 1; }
      mount() { mkdir -p "$ESP/EFI/BOOT"; cp '${efiImage(size)}' "$ESP/EFI/BOOT/"; }
      umount() { rm -rf "$1/EFI"; }
      has_loader /dev/sda && echo "$startable"`);
    expect(out).toBe(says);
  });

  it('makes no entry of its own: the loader is where firmware looks without one', () => {
    const script = readFileSync(join(AGENT, 'install.sh'), 'utf8');
    expect(script).toContain('--removable --no-nvram');
    expect(script).not.toMatch(/efibootmgr .*(-c|--create)/);
  });
});

describe('progress', () => {
  /** Ticks at which it was told, of a loop whose seconds pass at once; at tick 30 or later the appliance says 410. */
  async function ticks(copied: string): Promise<number[]> {
    const script = [
      't=0',
      'sleep() { t=$((t + 1)); case $t in 1) echo look >"$AT/step" ;; 2) echo copy >"$AT/step" ;; esac; }',
      `copied() { ${copied}; }`,
      'progress_json() { :; }',
      'activity() { :; }',
      'curl() { echo "$t" >>"$AT/told"; if [ "$t" -ge 30 ]; then echo 410; else echo 204; fi; }',
      'kill() { echo "$*" >"$AT/killed"; }',
      'tell_progress 4711',
    ].join('\n');
    const run = await agent(script, { APPLIANCE: 'http://appliance' });
    expect(run.at('killed')).toBe('-KILL -4711');
    return run.at('told').split('\n').map(Number);
  }
  it('is told with each step at once, every three seconds while bytes move, every nine when nothing does', async () => {
    expect(await ticks('echo "$t"')).toEqual([1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32]);
    expect(await ticks(':')).toEqual([1, 2, 11, 20, 29, 38]);
  });
});

describe('the last word', () => {
  it('is JSON whatever the log holds', async () => {
    const script = [
      String.raw`printf 'a "quoted" \\ line\twith\001signs\r\nsecond \303\244 line\n' >"$AT/log"`,
      `echo copy >"$AT/step"; echo DISK_FAILED >"$AT/code"; echo 'vda "broke"' >"$AT/detail"`,
      `last_word 1`,
    ].join('\n');
    const { out } = await agent(script);
    const word = JSON.parse(out) as Record<string, unknown>;
    expect(word).toMatchObject({
      ok: false,
      step: 'copy',
      code: 'DISK_FAILED',
      detail: 'vda "broke"',
    });
    expect(word.log).toContain('a "quoted" \\ line with');
    expect(word.log).toContain('second');
  });

  it('has the measurements of work that went well', async () => {
    const { out } = await agent(
      'echo verified >"$AT/step"; measured seconds 12; measured disk "vda X"; last_word 0',
    );
    expect(JSON.parse(out)).toEqual({
      ...{ ok: true, step: 'verified', measurements: { seconds: 12, disk: 'vda X' } },
    });
  });
});

describe('what a piece of work does', () => {
  it('is a number that grows with its own processor time and with what disks have moved', async () => {
    const machine = temporaryFolder('proc');
    const write = (path: string, text: string) => {
      mkdirSync(join(machine, path, '..'), { recursive: true });
      writeFileSync(join(machine, path), text);
    };
    /** proc(5): pid (comm) state ppid pgrp session ... utime stime cutime cstime. */
    const process = (pid: number, session: number, ticks: number) =>
      write(
        `proc/${pid}/stat`,
        `${pid} (a) b) S 1 ${session} ${session} 0 -1 0 1 2 3 4 ${ticks} 0 0 0 20 0 1 0\n`,
      );
    const environment = { PROC: join(machine, 'proc'), SYS: join(machine, 'sys') };
    const activity = async () => (await agent('activity 40', environment)).out;
    process(40, 40, 100);
    process(41, 40, 60);
    process(7, 7, 100_000);
    write('sys/block/vda/stat', '1 0 200 5 9 0 300 5 0 0 0\n');
    expect(await activity()).toBe('503');
    process(7, 7, 200_000);
    process(41, 40, 61);
    expect(await activity()).toBe('503');
    process(41, 40, 160);
    write('sys/block/vda/stat', '1 0 208 5 9 0 300 5 0 0 0\n');
    expect(await activity()).toBe('513');
  });
});
