/** Times and sizes as people read them. Values come in with their unit in the name. */

export function seconds(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

export function bytes(count: number): string {
  if (count <= 0) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(count) / 10));
  const value = count / 1024 ** power;
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** Disks are sold by powers of ten. */
export function diskSize(count: number): string {
  return count >= 1e12
    ? `${(count / 1e12).toFixed(count % 1e12 > 5e10 ? 1 : 0)} TB`
    : `${Math.round(count / 1e9)} GB`;
}

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});
const day = new Intl.DateTimeFormat(undefined, { day: '2-digit', month: 'short' });

/** The time of today, the day and time of another day. */
export function moment(at: number): string {
  const date = new Date(at);
  const today = new Date().toDateString() === date.toDateString();
  return today ? clock.format(date) : `${day.format(date)} ${clock.format(date)}`;
}

/** Jobs tell UTC as `2015-07-31 17:36:31`. */
export function readTime(text: string | null): number {
  return text === null || text === '' ? 0 : Date.parse(`${text.replace(' ', 'T')}Z`);
}

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

/** Where it stands, as short as it can be said. */
export function slot({ rack, unit }: { readonly rack: string; readonly unit: number }): string {
  if (rack === '') return '';
  return unit > 0 ? `${rack} · U${unit}` : rack;
}
