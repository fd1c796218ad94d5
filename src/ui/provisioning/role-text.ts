/**
 * What a role brings, as a person writes and reads it: metadata a line each, a public key by who it is of. The appliance judges what may
 * stand there (src/inventory/role-record.ts). Pure: a test holds it.
 */

/**
 * `cluster: main` in each line. A value is JSON where it reads as JSON (`3`, `true`, `["a"]`), else the words that stand there.
 * @throws Error that names what cannot be read
 */
export function readMetadata(text: string): Record<string, unknown> {
  const metadata: Record<string, unknown> = {};
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue;
    const [, name, value] = /^([^\s:]+)\s*:\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined)
      throw new Error(`'${line}' is not a name and a value, as in cluster: main.`);
    if (Object.hasOwn(metadata, name)) throw new Error(`${name} is there twice.`);
    metadata[name] = readValue(value);
  }
  return metadata;
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The words themselves, but where they would be read as something else: the string `3` is not the number. */
export function metadataWord(value: unknown): string {
  const isPlain = typeof value === 'string' && value.trim() === value && !value.includes('\n');
  return isPlain && readValue(value) === value ? value : JSON.stringify(value);
}

export const metadataText = (metadata: Readonly<Record<string, unknown>>): string =>
  Object.entries(metadata)
    .map(([name, value]) => `${name}: ${metadataWord(value)}`)
    .join('\n');

/** A key by its comment, which is who it is of; without one, by its kind and its end. */
export function keyWord(key: string): string {
  const [kind = '', blob = '', ...comment] = key.split(' ');
  return comment.join(' ') || `${kind} …${blob.slice(-8)}`;
}

/** How many machines have each role. */
export function rolesOf(machines: Iterable<{ readonly role: string }>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { role } of machines) if (role !== '') counts.set(role, (counts.get(role) ?? 0) + 1);
  return counts;
}
