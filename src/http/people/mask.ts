/** A request's path for events and logs: without its query, which may hold what somebody typed, and bounded. */
const PATH_CHARS_MAX = 200;

export function maskPath(url: string): string {
  return (url.split('?')[0] ?? '').slice(0, PATH_CHARS_MAX);
}

/** What is handed to machines alone is not for every reader: user data and metadata may hold secrets. */
export function maskInstall(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const hidden = ['userData', 'metadata'];
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, hidden.includes(name) ? '…' : value]),
  );
}
