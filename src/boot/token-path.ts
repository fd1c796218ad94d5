/**
 * Boot files below a token, for loaders that ask no DHCP server themselves: the first file is handed out as `/boot/TOKEN/NAME`, and
 * shim and GRUB go on asking in the folder that they came from (rhboot/shim, netboot.c, `parseDhcp4`; GRUB's `cmdpath`). So
 * what such a machine is served hangs on its boot's token, as with iPXE, and not on its address. Pure.
 */
import { type BootToken, parseBootToken } from '../wire/ids.ts';

/** GRUB's own script, in the folder with the token. */
export const GRUB_SCRIPT = 'grub.cfg';

export function tokenPath(token: string, file: string): string {
  return `/boot/${token}/${file}`;
}

export interface TokenPath {
  /** The token: `/boot/TOKEN` or `/installer/TOKEN`. */
  readonly token: BootToken;
  readonly folder: 'boot' | 'installer';
  readonly file: string;
}

/** @param name as a client asks for it, with or without the slash in front */
export function parseTokenPath(name: string): TokenPath | undefined {
  const [, folder, text = '', file = ''] =
    /^\/?(boot|installer)\/([^/]+)\/([^/]+)$/.exec(name) ?? [];
  const token = parseBootToken(text);
  return token && { token, folder: folder as TokenPath['folder'], file };
}

/**
 * What a GRUB of Debian asks for first: `/grub` is built into it (debian/build-efi-images of Debian's source package grub2). It
 * would rather have the one of its platform, and never asks for that by TFTP, which has no folders to look into.
 */
export function isGrubStart(name: string): boolean {
  return /^\/?grub\/([a-z0-9_]+-efi\/)?grub\.cfg$/.test(name);
}

/** Whether there may be more behind a name than a file of `boot.assets`. */
export function isMade(name: string): boolean {
  return isGrubStart(name) || parseTokenPath(name) !== undefined;
}
