/** A request's path for events and logs: without its query, which may hold what somebody typed, and bounded. */
const PATH_CHARS_MAX = 200;

export function maskPath(url: string): string {
  return (url.split('?')[0] ?? '').slice(0, PATH_CHARS_MAX);
}
