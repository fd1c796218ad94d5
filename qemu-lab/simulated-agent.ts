/**
 * The agent of pxeimage without a machine: speaks docs/machine-protocol.md and docs/install.md as the shell scripts do, over HTTP,
 * and writes to a disk that is a record. It fetches whole images and checks them, so an install moves the bytes that a real
 * one does; what it does not do is run the commands of a plan.
 */
import { createHash } from 'node:crypto';

/** What outlives a boot. */
export interface SimulatedDisk {
  /** SHA-256 of the image that was written last; '' for an empty disk. */
  image: string;
  /** Where the installed system calls home; '' when it has, or there is none. */
  phoneHome: string;
}

export interface SimulatedHardware {
  /** Lower case, with colons. */
  readonly mac: string;
  readonly serial: string;
  readonly bmcAddress: string;
  readonly bmcMac: string;
}

export interface AgentBoot {
  readonly hardware: SimulatedHardware;
  readonly disk: SimulatedDisk;
  /** From the kernel's command line: `reveille.url`, `reveille.token`, `reveille.mode`. */
  readonly url: string;
  readonly token: string;
  readonly mode: string;
  /** Aborted: the power is off. */
  readonly power: AbortSignal;
  say(what: string): void;
}

const AGAIN_MS = 500;
/** A heartbeat is held for 20 s. */
const ANSWER_MS = 40_000;
const DISK_BYTES = 2 ** 31;

interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
  /** Of an answer in `name: value` lines. */
  line(name: string): string;
}

/** Until the machine starts anew. @throws Error when the power is off, or the image is another one than the plan says */
export async function runAgent(boot: AgentBoot): Promise<'reboot' | 'off'> {
  let { token } = boot;
  let instruction = boot.mode === 'recon' ? 'recon' : 'wait';
  for (;;) {
    const answer =
      instruction === 'recon'
        ? await ask(boot, `/recon/${token}`, reportOf(boot.hardware))
        : await ask(boot, `/agent/${token}/next`);
    // The token is no good any more: a real agent reboots for a new one.
    if (answer.status >= 400) return 'reboot';
    instruction = answer.line('instruction');
    token = answer.line('token') || token;
    if (instruction === 'reboot') return 'reboot';
    if (instruction === 'poweroff') return 'off';
    if (instruction === 'install') await install(boot, answer.line('work'));
  }
}

async function install(boot: AgentBoot, work: string): Promise<void> {
  const order = await ask(boot, `/agent/${work}/work`);
  if (order.status !== 200) return boot.say(`the work was not handed out (${order.status})`);
  boot.say(`installs ${order.line('image')} for job ${order.line('job')}`);
  const disks = disksOf(boot.hardware);
  const plan = await ask(boot, `/agent/${work}/plan`, { bootMode: 'bios', disks });
  if (plan.status !== 200) return boot.say(`no plan (${plan.status})`);
  const { disk } = boot;
  disk.phoneHome = '';
  const lines = plan.bytes
    .toString()
    .split('\n')
    .map((line) => line.split('\t'));
  for (const [verb = '', ...words] of lines) {
    if (verb === 'step') await progress(boot, work, { step: words[0] ?? '', percent: words[1] });
    if (verb === 'raw') disk.image = await fetchImage(boot, work, words[1] ?? '');
    if (verb === 'untar') disk.image = await fetchImage(boot, work, words[0] ?? '');
    if (verb === 'file' && words[0]?.endsWith('/phone-home')) {
      const script = Buffer.from(words[2] ?? '', 'base64').toString();
      disk.phoneHome = /^url='([^']+)'$/m.exec(script)?.[1] ?? '';
    }
  }
  const result = { ok: true, step: 'verify', measurements: { seconds: 1 } };
  await ask(boot, `/agent/${work}/result`, result);
}

async function progress(
  boot: AgentBoot,
  work: string,
  { step, percent }: { readonly step: string; readonly percent: string | undefined },
): Promise<void> {
  await ask(boot, `/agent/${work}/progress`, { step, percent: Number(percent ?? 0) });
}

/** @returns its SHA-256. @throws Error when it is another one */
async function fetchImage(boot: AgentBoot, work: string, sha256: string): Promise<string> {
  const image = await ask(boot, `/images/${work}/${sha256}`);
  const has = createHash('sha256').update(image.bytes).digest('hex');
  if (has !== sha256) throw new Error(`the image ${sha256} came as ${has} (${image.status})`);
  return has;
}

/** The installed system's first start. */
export async function callHome(boot: Pick<AgentBoot, 'power' | 'say'>, url: string): Promise<void> {
  const { origin, pathname } = new URL(url);
  const { status } = await ask({ ...boot, url: origin }, pathname, {});
  boot.say(`has called home (${status})`);
}

/** Tries for as long as the power is on, as curl does in the agent's loops. @throws Error when it goes off */
async function ask(
  { url, power }: Pick<AgentBoot, 'url' | 'power'>,
  path: string,
  body?: object,
): Promise<Answer> {
  for (;;) {
    power.throwIfAborted();
    try {
      const answer = await fetch(url + path, {
        signal: AbortSignal.any([power, AbortSignal.timeout(ANSWER_MS)]),
        ...(body === undefined
          ? {}
          : {
              method: 'POST',
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify(body),
            }),
      });
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (answer.status < 500) return readAnswer(answer.status, bytes);
    } catch {
      // The appliance is down, or the way to it: asked again below, unless it is our own power.
    }
    await new Promise((next) => setTimeout(next, AGAIN_MS));
  }
}

const readAnswer = (status: number, bytes: Buffer): Answer => ({
  ...{ status, bytes },
  line: (name) => new RegExp(`^${name}: (.*)$`, 'm').exec(bytes.toString())?.[1] ?? '',
});

const disksOf = ({ serial }: SimulatedHardware) => [
  { name: 'vda', serial: `DISK-${serial}`, sizeBytes: DISK_BYTES, interface: 'virtio' },
];

/** As recon.sh reports it. */
function reportOf({ mac, serial, bmcAddress, bmcMac }: SimulatedHardware): object {
  const tail = Buffer.from(mac.replaceAll(':', ''), 'hex').toString('hex');
  return {
    schema: 1,
    agent: { version: '0.1.0', profile: 'lab', kernel: '6.1.0', bootMode: 'bios' },
    bootMac: mac,
    dmi: {
      ...{ manufacturer: 'LabCorp', product: 'Simulated', serial },
      uuid: `4c4c4544-0042-3510-8052-${tail}`,
      bios: { vendor: 'SeaBIOS', version: '1.16.2' },
    },
    cpus: [{ socket: 0, model: 'Simulated', cores: 2, threads: 2 }],
    memory: { totalBytes: 2 ** 32, modules: [{ slot: 'DIMM 0', sizeBytes: 2 ** 32 }] },
    disks: disksOf({ mac, serial, bmcAddress, bmcMac }),
    nics: [{ name: 'eth0', mac, permanentMac: mac, driver: 'virtio_net', link: true }],
    bmc: { address: bmcAddress, mac: bmcMac, firmware: '2.5', manufacturer: '10876', inBand: true },
    pci: [
      { slot: '0000:00:03.0', class: '0x020000', vendor: '0x1af4', device: '0x1000', gpu: false },
    ],
  };
}
