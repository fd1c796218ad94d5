/**
 * Which disks of the last report are not among those that are there. By their serials, and each as often as there are disks of it: two
 * of one serial, or of none, are two disks, and nothing is known of the data on the one that has gone. Pure.
 */

/** @returns words for people, one for each disk */
export function missingFrom(there: readonly string[], expected: readonly string[]): string[] {
  const left = new Map<string, number>();
  for (const serial of there) left.set(serial, (left.get(serial) ?? 0) + 1);
  return expected.flatMap((serial) => {
    const count = left.get(serial) ?? 0;
    left.set(serial, count - 1);
    return count > 0 ? [] : [serial || 'one without a serial'];
  });
}
