/**
 * What is behind a name that is asked for by TFTP. Firmware asks for its boot file. A GRUB that was loaded below a token goes on
 * there: with the script of its machine, and with the kernel and initrd that the script names (boot/token-path.ts). A token that is
 * not known, or not any more, leads to nothing: GRUB then reboots for a new one.
 */
import { join } from 'node:path';
import { targetWord } from '../boot/decide.ts';
import { GRUB_SCRIPT, isGrubStart, parseTokenPath, type TokenPath } from '../boot/token-path.ts';
import { AppError } from '../errors.ts';
import { note } from '../http/machine/holder.ts';
import { parseInstallDetail } from '../install/detail.ts';
import type { Boot } from '../inventory/boots.ts';
import { isForInstaller, type WorkToken } from '../inventory/work.ts';
import { imageFolderOf, type Parts } from './core.ts';
import type { Served } from './tftp-service.ts';

type LookUpParts = Pick<Parts, 'config' | 'desk' | 'inventory' | 'clock'>;

const PXEIMAGE_FILES = ['vmlinuz', 'initrd.img'];

/**
 * @param name one with more behind it than a file of `boot.assets` (`isMade`)
 * @param server the address of ours that was asked
 * @returns undefined for a token that opens nothing
 */
export function lookUp(parts: LookUpParts, name: string, server: string): Served | undefined {
  const { config, desk } = parts;
  const { grubStart } = desk;
  if (isGrubStart(name)) return grubStart === undefined ? undefined : { text: grubStart };
  const path = parseTokenPath(name);
  if (!path) return undefined;
  if (path.folder === 'installer') return installerFile(parts, path);
  const boot = bootOf(parts, path);
  if (!boot) return undefined;
  if (path.file === GRUB_SCRIPT && grubStart !== undefined)
    return { text: scriptOf(parts, { path, boot, server }) };
  const isPayload = PXEIMAGE_FILES.includes(path.file);
  return isPayload
    ? { folder: config.boot.pxeimage, name: path.file }
    : { folder: config.boot.assets, name: desk.servedAs(path.file) };
}

/** The boot that a name's token was minted for, while it is valid. */
export function bootOf({ inventory, clock }: LookUpParts, { token }: TokenPath): Boot | undefined {
  const found = inventory.tokens.find(token);
  if (found?.purpose !== 'boot' || found.expiresAt <= clock()) return undefined;
  return inventory.boots.byId(found.boot);
}

function scriptOf(
  { config, desk, inventory }: LookUpParts,
  { path, boot, server }: { path: TokenPath; boot: Boot; server: string },
): string {
  const { port } = config.machineHttp;
  const url = `http://${server}${port === 80 ? '' : `:${port}`}`;
  const { script, decision } = desk.scriptFor(boot, path.token, { url, loader: 'grub' });
  const { target, delivery, reasons } = decision;
  const refused = delivery.kind === 'refusal' ? { refused: delivery.why } : {};
  const why = reasons.join('; ');
  const data = { mode: targetWord(target), why, ...refused, loader: 'grub' } as const;
  note({ inventory }, boot, { name: 'ipxe.script', data }, () =>
    inventory.boots.scriptServed(boot.id),
  );
  return script;
}

interface InstallerPart {
  readonly work: WorkToken;
  /** As events name a file of an image: `netinst@12 kernel`. */
  readonly shown: string;
  readonly sha256: string;
}

/** A token of no work, or of work that is over, is no fault to log: anybody can ask for any name. */
function workOf({ inventory }: LookUpParts, token: TokenPath['token']): WorkToken | undefined {
  try {
    return inventory.work.find(token);
  } catch (err) {
    if (err instanceof AppError) return undefined;
    throw err;
  }
}

/** Kernel or initrd of the live install that this token is of. */
function installerPart(parts: LookUpParts, { token, file }: TokenPath): InstallerPart | undefined {
  if (file !== 'kernel' && file !== 'initrd') return undefined;
  const work = workOf(parts, token);
  if (!work || !isForInstaller(work.order) || work.order.state !== 'armed') return undefined;
  const { name, version, files } = parseInstallDetail(work.order.detail).image;
  const sha256 = files.find(({ role }) => role === file)?.sha256;
  return sha256 === undefined ? undefined : { work, shown: `${name}@${version} ${file}`, sha256 };
}

/** A name as events have it: without the token, and a file of an image by the name of the image. */
export function shownName(parts: LookUpParts, name: string): string {
  const path = parseTokenPath(name);
  if (path?.folder !== 'installer') return path?.file ?? name;
  return installerPart(parts, path)?.shown ?? path.file;
}

function installerFile(parts: LookUpParts, path: TokenPath): Served | undefined {
  const part = installerPart(parts, path);
  if (!part || parts.inventory.blobs.get(part.sha256)?.damaged !== '') return undefined;
  const { sha256 } = part;
  return {
    folder: join(imageFolderOf(parts.config), 'files'),
    name: join(sha256.slice(0, 2), sha256),
  };
}
