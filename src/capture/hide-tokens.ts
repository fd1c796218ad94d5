/**
 * Boot tokens travel in URLs, so captures hold them; what is printed of a capture is mailed around. A token opens the
 * machine's script and its report, so it is never printed: `/boot/…/script.ipxe`.
 */
export function hideTokens(text: string): string {
  return text.replace(
    /\/(boot|recon|agent|images|metadata)\/[A-Za-z0-9_-]{32}(?=[/?#"\s]|$)/g,
    '/$1/…',
  );
}
