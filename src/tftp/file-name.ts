/**
 * What a client means by a file name. Loaders send leading slashes, backslashes and, when option 67 was not terminated,
 * whatever stood behind it in memory (0xff, control characters): everything from the first such byte on is cut off.
 */
export function cleanFileName(raw: string): string | undefined {
  const name = raw
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is cut off
    .replace(/[\x00-\x1f\x7f-\xff].*$/s, '')
    .trimEnd()
    .replaceAll('\\', '/')
    .replace(/\/+/g, '/')
    .replace(/^\/+/, '');
  if (name === '' || name.split('/').some((part) => part === '..')) return undefined;
  return name;
}
