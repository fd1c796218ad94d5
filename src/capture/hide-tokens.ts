/**
 * Boot tokens travel in URLs and in the names of files, so captures hold them; what is printed of a capture is mailed around. A token opens the
 * machine's script and its report, so it is never printed: `/boot/…/script.ipxe`.
 */
import { BEFORE_TOKEN } from '../wire/ids.ts';

const TOKEN = new RegExp(`(${BEFORE_TOKEN})[A-Za-z0-9_-]{32}(?![A-Za-z0-9_-])`, 'g');

export function hideTokens(text: string): string {
  return text.replace(TOKEN, '$1…');
}
