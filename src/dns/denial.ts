/**
 * Names around a name that does not exist, for denials that cover nothing else (RFC 4470, "white lies").
 *
 * An NSEC from `justBefore(x)` to `justAfter(x)` covers x, what is below x, and no name that a zone of ours can hold. That
 * rests on two rules which every generation is checked for (`canBeSignedAround`): no label holds the octet 255, and no
 * name is so long that a label could not be put in front of it. The absolute neighbours of RFC 4471 fill labels to their
 * ends; with the first rule one octet does, and denials stay short.
 *
 * Why not RFC 9824 (compact denial): it says NOERROR for names that do not exist, so that our answers and those of our
 * secondaries, which serve the full chain of a transfer, would differ in what programs look at first. Covering names
 * costs one signature more for each enclosing name (its wildcard's), which is cached.
 */
import { type DnsName, LABEL_BYTES_MAX, parentOf } from './name.ts';

/** Longest name of a zone that can be signed: a label of 63 and two octets must still fit in front of it. */
export const SIGNABLE_NAME_BYTES_MAX = 180;
const HIGH = '\xff';

/** Whether denials near this name stay true and fit: no octet 255, and short enough. */
export function canBeSignedAround(name: DnsName): boolean {
  return name.length <= SIGNABLE_NAME_BYTES_MAX && !name.includes(HIGH);
}

function firstLabel(name: DnsName): string {
  return name.slice(1, 1 + name.charCodeAt(0));
}

function under(label: string, parent: string): DnsName {
  return `${String.fromCharCode(label.length)}${label}${parent}` as DnsName;
}

/** Letters A-Z stand in no folded name: the order has no place there. */
function isUpper(octet: number): boolean {
  return octet >= 65 && octet <= 90;
}

/**
 * A name before `name` in canonical order (RFC 4034 section 6.1), with no name of a zone in between. It is a name of
 * the zone only in one case: the parent of a name whose first label is the octet zero alone.
 */
export function justBefore(name: DnsName): DnsName {
  const label = firstLabel(name);
  const parent = parentOf(name) ?? name;
  const head = label.slice(0, -1);
  const last = label.charCodeAt(label.length - 1);
  if (last === 0) return head === '' ? parent : under(HIGH, under(head, parent));
  const lower = last - 1;
  const before = head + String.fromCharCode(isUpper(lower) ? 64 : lower);
  return before.length < LABEL_BYTES_MAX
    ? under(before + HIGH, parent)
    : under(HIGH, under(before, parent));
}

/** A name behind `name` and all that is below it, with no name of a zone in between; the zone's own at its end. */
export function justAfter(name: DnsName, zone: DnsName): DnsName {
  if (name === zone) return zone;
  const label = firstLabel(name);
  const parent = parentOf(name) ?? zone;
  if (label.length < LABEL_BYTES_MAX) return under(`${label}\0`, parent);
  // A label of 63 octets has no longer one behind it: the next is the one with its last octet raised.
  let end = label.length;
  while (end > 0 && label.charCodeAt(end - 1) === 255) end -= 1;
  if (end === 0) return justAfter(parent, zone);
  const raised = label.charCodeAt(end - 1) + 1;
  const octet = String.fromCharCode(isUpper(raised) ? 91 : raised);
  return under(label.slice(0, end - 1) + octet, parent);
}

/** The name right behind a name that exists: its first possible child. */
export function firstChild(name: DnsName): DnsName {
  return under('\0', name);
}
