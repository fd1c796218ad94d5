/**
 * A site in the middle of an install, as a database file and an image folder: machines that have each taken the work of a job,
 * with a token that opens the files of its image. Written before the daemon starts, which then finds nothing unusual.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import type { InstallDetail } from '../../src/install/detail.ts';
import type { ResolvedImage } from '../../src/inventory/images.ts';
import { openInventory } from '../../src/inventory/inventory.ts';
import type { ReconReport } from '../../src/inventory/report.ts';
import { openJobStore } from '../../src/jobs/store.ts';
import type { Hardwarename } from '../../src/wire/ids.ts';
import type { Mac } from '../../src/wire/mac.ts';
import type { Millis } from '../../src/wire/time.ts';

export interface ImageSite {
  readonly sha256: string;
  /** The file itself, for other servers. */
  readonly file: string;
  /** One for each machine. */
  readonly tokens: readonly string[];
}

const BLOCK_BYTES = 2 ** 26;
const VERSION = { name: 'snapshot', version: '1' } as const;

/** @param dir holds `reveille.db` and `images/`, where a daemon that is configured for it looks for them */
export function makeImageSite(
  dir: string,
  { sizeBytes, machines }: { readonly sizeBytes: number; readonly machines: number },
): ImageSite {
  const { sha256, file } = writeSnapshot(join(dir, 'images'), sizeBytes);
  const db = new Sqlite(join(dir, 'reveille.db'));
  db.pragma('journal_mode = WAL');
  const clock = () => Date.now() as Millis;
  const inventory = openInventory({ db, clock });
  const { images, blobs, transaction } = inventory;
  const sizes = { sizeBytes, contentBytes: sizeBytes, contentSha256: sha256 };
  const cause = { who: 'bench', why: 'bench' };
  transaction(() => {
    blobs.add({ sha256, ...sizes, compression: 'none' });
    const doc = { description: '', kernelArguments: '' };
    const files = [{ role: 'disk', sha256 }] as const;
    images.add({ ...VERSION, kind: 'raw', signedBy: '', doc, files }, cause);
  });
  const image = images.resolve(`${VERSION.name}@${VERSION.version}`);
  if (!image) throw new Error('the snapshot is not in the store');
  const jobs = openJobStore(db, clock, inventory.events);
  const tokens = Array.from({ length: machines }, (_, index) =>
    transaction(() => installing({ inventory, jobs, image, index })),
  );
  db.close();
  return { sha256, file, tokens };
}

/** Random, so that nothing on its way gains by compressing; hashed as it is written. */
function writeSnapshot(folder: string, sizeBytes: number): { sha256: string; file: string } {
  mkdirSync(join(folder, 'files'), { recursive: true });
  const partial = join(folder, 'files', 'partial');
  const to = openSync(partial, 'w');
  const hash = createHash('sha256');
  for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) {
    const block = randomBytes(Math.min(BLOCK_BYTES, sizeBytes - at));
    hash.update(block);
    writeSync(to, block);
  }
  closeSync(to);
  const sha256 = hash.digest('hex');
  const shelf = join(folder, 'files', sha256.slice(0, 2));
  mkdirSync(shelf, { recursive: true });
  const file = join(shelf, sha256);
  renameSync(partial, file);
  return { sha256, file };
}

function installing({
  inventory,
  jobs,
  image,
  index,
}: {
  inventory: ReturnType<typeof openInventory>;
  jobs: ReturnType<typeof openJobStore>;
  image: ResolvedImage;
  index: number;
}): string {
  const { machines, boots, work } = inventory;
  const hardwarename = `SN${index}` as Hardwarename;
  const mac = `02:00:00:00:00:${index.toString(16).padStart(2, '0')}` as Mac;
  machines.insert(
    {
      ...{ hardwarename, serial: hardwarename, serialKey: hardwarename, uuid: '', digest: '' },
      ...{ manufacturer: 'LabCorp', product: 'X1', bootMac: mac, hardware: reportOf(mac) },
    },
    { state: 'available', why: 'bench' },
  );
  machines.transition(hardwarename, 'installing', { by: 'job', why: 'bench' });
  machines.setNics(hardwarename, [{ mac, name: 'eth0' }]);
  const boot = boots.sight({ mac, client: 'ipxe', arch: 'x', hardwarename })?.boot.id;
  const id = randomUUID();
  const who = { requester: 'bench', user: 'bench', priority: 0, bmc: '', hardwareType: '' };
  jobs.insert({ id, kind: 'install', version: 1, target: hardwarename, params: {}, ...who });
  const detail = detailOf(image, mac, index);
  const order = work.arm({ job: id, hardwarename, purpose: 'install', detail });
  const token = boot && work.take(order, { boot, mac });
  if (!token) throw new Error('the work is not taken');
  return token.token;
}

function detailOf(image: ResolvedImage, mac: Mac, index: number): InstallDetail {
  return {
    lines: {},
    ...{ image, mac, hostname: `web${index}`, role: 'web', squad: '', site: 'lab', rack: 'R1' },
    layout: undefined,
    disks: { kind: 'any', pick: 'only' },
    ...{ sshKeys: [], network: { kind: 'dhcp' }, metadata: {}, userData: '', verify: 'sample' },
  };
}

function reportOf(bootMac: Mac): ReconReport {
  return {
    ...{ schema: 1, agent: { version: 'bench' }, bootMac, dmi: {}, cpus: [], disks: [], pci: [] },
    memory: { totalBytes: 2 ** 30, modules: [] },
    nics: [{ name: 'eth0', mac: bootMac }],
  } as unknown as ReconReport;
}
