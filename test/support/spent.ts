/**
 * Processor time that this thread takes for something, in milliseconds. The time of day would have in it what others on the same
 * machine were let do first.
 */
export function spentMs(act: () => unknown): number {
  const before = process.threadCpuUsage();
  act();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}
