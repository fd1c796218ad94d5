/**
 * The appliance in a virtual machine, for what the kernel of the lab's computer lacks and Debian's has: VLAN interfaces.
 *
 * The kernel is pxeimage's, the modules come from the same package. There is no disk: the computer's own root file system is shared with
 * the machine by 9p, read-only, so that Node, the repository and the tools in it are what they are outside; /run is in memory and has
 * the database. NIC eth0 is where the caller plugs it in; eth1 is QEMU's user network, closed but for the API, which is forwarded to a port of
 * this computer's loopback. The first serial port is the log, the second takes lines of shell.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import type { Scope } from '../bench/support/scope.ts';

const ROOT = resolve(import.meta.dirname, '..');
const PXEIMAGE = join(ROOT, 'build/pxeimage/lab');
const DEBS = join(ROOT, 'build/cache/debs');
/** With what each of them needs, by modprobe. */
const MODULES = ['virtio_pci', 'virtio_net', '9pnet_virtio', '9p', '8021q'];
const MODULE_FOLDERS = ['drivers/virtio', 'drivers/net', 'fs', 'net'];
const MEMORY_MB = 1024;
/** Not `max`: Node was seen to end in a check of its own on it (QEMU 7.2, whose AVX and protection keys are young). */
const CPU = 'Nehalem';
const ENDED = 'the daemon has ended';
const COMMAND_MS = 60_000;
const BOOT_MS = 300_000;
const CONNECT_MS = 100;
const API_PORT = 8081;
/** QEMU's user network gives its only guest this one. */
const MANAGEMENT = '10.0.2.15/24';

export interface ApplianceVm {
  /** Where its people-facing listener is, from this computer. */
  readonly api: string;
  /** What the daemon has printed, once it has ended. */
  obituary(): string | undefined;
  /** Runs a line of shell in it. @returns what it printed @throws Error when it failed */
  shell(line: string): Promise<string>;
}

export interface ApplianceVmPlan {
  /** Of this machine alone. */
  readonly dir: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** What eth0 is plugged into: a `-netdev` without its id. */
  readonly cable: string;
  /** Lines of shell before the daemon starts: its network. */
  readonly network: readonly string[];
}

/** Starts it; the API answers when the daemon does. Ends with the scope. */
export async function startApplianceVm(scope: Scope, plan: ApplianceVmPlan): Promise<ApplianceVm> {
  const { dir } = plan;
  mkdirSync(dir, { recursive: true });
  const files = prepare(plan);
  const port = await freePort();
  const log = join(dir, 'console.log');
  const output = openSync(join(dir, 'qemu.log'), 'a');
  const command = qemuWords({ ...plan, ...files, port, log });
  const qemu = spawn('qemu-system-x86_64', command, { stdio: ['ignore', output, output] });
  scope.defer(() => end(qemu));
  const shell = await openShell(scope, join(dir, 'shell'), qemu);
  const obituary = () => {
    const said = readFileSync(log, 'utf8');
    return said.includes(ENDED) ? said : undefined;
  };
  return { api: `http://127.0.0.1:${port}`, obituary, shell };
}

function qemuWords(of: {
  readonly dir: string;
  readonly cable: string;
  readonly initrd: string;
  readonly script: string;
  readonly port: number;
  readonly log: string;
}): string[] {
  const { dir, cable, initrd, script, port, log } = of;
  const kernel = `console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off SCRIPT=${script}`;
  return [
    ...['-name', 'appliance', '-machine', 'q35,graphics=off', '-accel', 'tcg', '-cpu', CPU],
    ...['-m', String(MEMORY_MB), '-smp', '2', '-nodefaults', '-display', 'none', '-vga', 'none'],
    '-no-reboot',
    ...['-kernel', join(PXEIMAGE, 'vmlinuz'), '-initrd', initrd, '-append', kernel],
    ...['-serial', `file:${log}`, '-serial', `unix:${dir}/shell,server=on,wait=off`],
    ...['-device', 'virtio-rng-pci'],
    ...['-netdev', cable.replace(',', ',id=trunk,')],
    ...['-device', 'virtio-net-pci,netdev=trunk,mac=52:54:00:a0:00:01,romfile='],
    ...['-netdev', `user,id=people,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:${API_PORT}`],
    ...['-device', 'virtio-net-pci,netdev=people,mac=52:54:00:a0:00:02,romfile='],
    '-virtfs',
    'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap',
  ];
}

/** What the machine starts with, in its folder. */
function prepare({ dir, config, network }: ApplianceVmPlan): { initrd: string; script: string } {
  const file = join(dir, 'reveille.yaml');
  writeFileSync(file, stringify({ database: { file: '/run/reveille/reveille.db' }, ...config }));
  const script = join(dir, 'appliance.sh');
  const serve = `${ROOT}/bin/reveille serve --config ${file}`;
  writeFileSync(
    script,
    [
      'export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run TERM=dumb',
      'export NODE_COMPILE_CACHE=/run/cache',
      'mount -t tmpfs tmpfs /run',
      'mkdir -p /run/reveille',
      'ip link set lo up',
      `ip address add ${MANAGEMENT} dev eth1`,
      'ip link set eth1 up',
      ...network,
      `cd ${ROOT}`,
      `(${serve}; echo '${ENDED}') >/dev/ttyS0 2>&1 </dev/null &`,
      'stty -F /dev/ttyS1 raw -echo',
      'exec </dev/ttyS1 >/dev/ttyS1 2>&1',
      'echo "@@0 0"',
      // In a subshell: a line that exits does not end the machine.
      'while read -r number line; do (eval "$line") 2>&1; echo "@@$number $?"; done',
      'sleep 1000000',
      '',
    ].join('\n'),
  );
  return { initrd: packInitrd(dir), script };
}

const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /host
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "/modules/$module"; done </modules/order
/bin/busybox mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=262144,cache=loose host /host
for one in proc sys dev; do /bin/busybox mount --move "/$one" "/host/$one"; done
exec /bin/busybox chroot /host /bin/sh "$SCRIPT"
`;

/** busybox, the modules in their order, and what mounts the computer's root. @throws Error when the kernel's package is not there */
function packInitrd(dir: string): string {
  const { kernel } = JSON.parse(readFileSync(join(PXEIMAGE, 'manifest.json'), 'utf8')) as {
    kernel: string;
  };
  const deb = readdirSync(DEBS).find((name) => name.startsWith(`linux-image-${kernel}_`));
  if (!deb) throw new Error(`${DEBS} has no linux-image-${kernel}: make pxeimage`);
  const [tree, root] = [join(dir, 'kernel'), join(dir, 'initrd')];
  mkdirSync(tree, { recursive: true });
  for (const one of ['bin', 'modules']) mkdirSync(join(root, one), { recursive: true });
  const place = `./lib/modules/${kernel}`;
  const wanted = MODULE_FOLDERS.map((name) => `${place}/kernel/${name}`).join(' ');
  const unpack = `tar -x -C '${tree}' --wildcards ${wanted} '${place}/modules.*'`;
  sh(`dpkg-deb --fsys-tarfile '${join(DEBS, deb)}' | ${unpack}`);
  sh(`depmod -b '${tree}' ${kernel}`);
  const order = MODULES.flatMap((name) => modulesOf(tree, kernel, name));
  for (const path of new Set(order)) {
    const plain = join(root, 'modules', nameOf(path));
    // busybox loads plain ones only.
    if (path.endsWith('.xz')) sh(`xz -dc '${path}' >'${plain}'`);
    else if (path.endsWith('.zst')) sh(`zstd -qdc '${path}' >'${plain}'`);
    else sh(`cp '${path}' '${plain}'`);
  }
  const names = [...new Set(order.map(nameOf))];
  writeFileSync(join(root, 'modules/order'), `${names.join('\n')}\n`);
  writeFileSync(join(root, 'init'), INIT, { mode: 0o755 });
  sh(`cp "$(command -v busybox)" '${root}/bin/busybox'`);
  const file = join(dir, 'initrd.img');
  sh(`cd '${root}' && find . | cpio -o -H newc --quiet -R 0:0 >'${file}'`);
  return file;
}

const nameOf = (path: string): string => (path.split('/').at(-1) ?? '').replace(/\.(xz|zst)$/, '');

/** In the order of loading; what the kernel has built in is not among them. */
function modulesOf(tree: string, kernel: string, name: string): string[] {
  const words = ['-d', tree, '-S', kernel, '--show-depends', name];
  const lines = execFileSync('modprobe', words, { encoding: 'utf8' }).split('\n');
  return lines.flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []);
}

function sh(line: string): void {
  execFileSync('/bin/sh', ['-ec', line], { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** One line at a time; each answer ends with a mark, the number of its line, and the status. */
async function openShell(
  scope: Scope,
  path: string,
  qemu: ChildProcess,
): Promise<ApplianceVm['shell']> {
  const socket = await connected(path, qemu);
  scope.defer(() => socket.destroy());
  let said = '';
  let count = 0;
  let wake: (() => void) | undefined;
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    said += text;
    wake?.();
  });
  const answerTo = async (number: number, withinMs = COMMAND_MS) => {
    const mark = new RegExp(`@@${number} (\\d+)\\r?\\n`);
    const deadline = Date.now() + withinMs;
    for (;;) {
      const found = mark.exec(said);
      if (found) {
        const text = said.slice(0, found.index).replaceAll('\r', '').trim();
        said = said.slice(found.index + found[0].length);
        return { text, status: Number(found[1]) };
      }
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`the appliance's shell is silent; it said: ${said}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  let last: Promise<unknown> = answerTo(0, BOOT_MS);
  await last;
  return (line) => {
    const asked = last.then(async () => {
      count += 1;
      socket.write(`${count} ${line}\n`);
      const { text, status } = await answerTo(count);
      if (status !== 0) throw new Error(`${line}: status ${status}: ${text}`);
      return text;
    });
    last = asked.catch(() => undefined);
    return asked;
  };
}

async function connected(path: string, qemu: ChildProcess): Promise<Socket> {
  for (;;) {
    if (qemu.exitCode !== null) throw new Error('QEMU ended; see its qemu.log');
    const socket = createConnection(path);
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (open) return socket;
    await new Promise((next) => setTimeout(next, CONNECT_MS));
  }
}
