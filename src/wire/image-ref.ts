/**
 * How an image is named: `debian-12/stable` is whatever version the channel holds when it is looked up, `debian-12@20261121`
 * is that version for ever. Names stand in URLs and file names of other people's scripts, so they are few characters; a
 * version may be anything that dpkg would take, but for the colon.
 */

/** What is named, before it is known whether it exists. */
export type ImageRef =
  | { readonly name: string; readonly channel: string }
  | { readonly name: string; readonly version: string };

export const IMAGE_NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;
export const IMAGE_CHANNEL = /^[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?$/;
export const IMAGE_VERSION = /^[A-Za-z0-9][A-Za-z0-9._+~-]{0,62}$/;

/** `NAME/CHANNEL` or `NAME@VERSION`. */
export function parseImageRef(text: string): ImageRef | undefined {
  const [, name = '', sign, rest = ''] = /^([^/@]{1,63})([/@])([^/@]{1,63})$/.exec(text) ?? [];
  if (!IMAGE_NAME.test(name)) return undefined;
  if (sign === '/') return IMAGE_CHANNEL.test(rest) ? { name, channel: rest } : undefined;
  return IMAGE_VERSION.test(rest) ? { name, version: rest } : undefined;
}

export function formatImageRef(ref: ImageRef): string {
  return 'channel' in ref ? `${ref.name}/${ref.channel}` : `${ref.name}@${ref.version}`;
}

/** SHA-256 as 64 lower-case hex digits. */
export function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}
