/** A point in time: milliseconds since the Unix epoch, UTC. */
export type Millis = number & { readonly __brand: 'Millis' };

/** Where time comes from. Injected, so that no rule reads a clock by itself. */
export type Clock = () => Millis;

const DAY_SECONDS = 86_400;
/** Days of 400, 100, 4 years and one, counted from the first of March: leap days come last. */
const ERA_DAYS = 146_097;

/**
 * Seconds since 1970 as RFC 3339 has them, to the second: `2026-01-31T12:00:00Z`. By arithmetic, because the core reads no
 * clock and makes no `Date`; from year 0 to 9999.
 */
export function formatUtc(seconds: number): string {
  const days = Math.floor(seconds / DAY_SECONDS) + 719_468;
  const rest = seconds - Math.floor(seconds / DAY_SECONDS) * DAY_SECONDS;
  const era = Math.floor(days / ERA_DAYS);
  const day = days - era * ERA_DAYS;
  const year = Math.floor(
    (day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365,
  );
  const dayOfYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * dayOfYear + 2) / 153);
  const date = dayOfYear - Math.floor((153 * month + 2) / 5) + 1;
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const years = String(year + era * 400 + (month >= 10 ? 1 : 0)).padStart(4, '0');
  const time = [rest / 3600, (rest % 3600) / 60, rest % 60].map(two).join(':');
  return `${years}-${two(month < 10 ? month + 3 : month - 9)}-${two(date)}T${time}Z`;
}
