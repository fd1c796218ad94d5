/**
 * Boot tokens travel in URLs and in the names of files, so captures hold them; what is printed of a capture is mailed around. A token opens the
 * machine's script and its report, so it is never printed: `/boot/…/script.ipxe`.
 */
export function hideTokens(text: string): string {
  return text.replace(
    /(?<![A-Za-z0-9_-])(boot|installer|recon|agent|images|metadata)\/[A-Za-z0-9_-]{32}(?=[/?#"\s]|$)/g,
    '$1/…',
  );
}
