/**
 * Answers of the database that are asked for with every packet, remembered until something may have changed them.
 *
 * Every change of ServerDb is an event, so the event store's count of changes says whether an answer may be stale; traffic
 * (`dhcp.*`, `tftp.*`, ...) changes no record and does not count. A bounded map: when it is full it starts anew.
 */
import { limit } from '../limits.ts';

/** @param changes a number that differs after each change; @param load asks the database. */
export function recall<Key, Value>(
  changes: () => number,
  load: (key: Key) => Value,
): (key: Key) => Value {
  const answers = new Map<Key, { readonly value: Value }>();
  let asOf = changes();
  return (key) => {
    if (asOf !== changes() || answers.size >= limit('recalledAnswersMax')) {
      answers.clear();
      asOf = changes();
    }
    const known = answers.get(key);
    if (known) return known.value;
    const value = load(key);
    answers.set(key, { value });
    return value;
  };
}
