/**
 * What the request form holds, and the body that the API takes (docs/provisioning.md). Fields are text, as people type them;
 * what was left empty is left out, so that the appliance's own defaults apply. Pure: a test holds it.
 */
import type { Operations } from '../../client/operations.generated.ts';

export type RequestBody = Operations['POST /requests']['body'];

export interface Wish {
  readonly role: string;
  readonly count: string;
  readonly image: string;
  readonly hardware: string;
  /** Which disks an install may take, as in `smallest ssd`. */
  readonly disks: string;
  readonly squad: string;
  readonly site: string;
  readonly hall: string;
  /** Divided by commas or blanks. */
  readonly racks: string;
  readonly perRackMax: string;
  readonly even: boolean;
  /** One a line. */
  readonly sshKeys: string;
  readonly pattern: string;
  readonly parallel: string;
  readonly priority: string;
  readonly why: string;
}

export const NO_WISH: Wish = {
  ...{ role: '', count: '1', image: '', hardware: '', disks: '' },
  ...{ squad: '', site: '', hall: '', racks: '' },
  ...{ perRackMax: '', even: false, sshKeys: '', pattern: '', parallel: '', priority: '', why: '' },
};

/** What a form has; a field that it lacks stays as it was. */
export function readWish(form: FormData, before: Wish): Wish {
  const text = (name: keyof Wish) => String(form.get(name) ?? before[name]);
  const names = Object.keys(NO_WISH) as (keyof Wish)[];
  const fields = names.filter((name) => name !== 'even').map((name) => [name, text(name)]);
  return { ...(Object.fromEntries(fields) as Omit<Wish, 'even'>), even: form.get('even') !== null };
}

/** What has to be said before the appliance can match anything, in the order of the form; empty when nothing lacks. */
export function lacking({ role, count, image }: Wish): readonly string[] {
  return [
    ...(wholeOf(count) ? [] : ['how many']),
    ...(role.trim() === '' ? ['the role'] : []),
    ...(image === '' ? ['the image'] : []),
  ];
}

export function bodyOf(wish: Wish): RequestBody {
  const racks = wish.racks.split(/[\s,]+/).filter(Boolean);
  const sshKeys = linesOf(wish.sshKeys);
  const perRackMax = wholeOf(wish.perRackMax);
  const spread = { ...(perRackMax && { perRackMax }), ...(wish.even && { even: true }) };
  const priority = Number(wish.priority);
  const parallel = wholeOf(wish.parallel);
  return {
    count: wholeOf(wish.count) ?? 0,
    role: wish.role.trim(),
    image: wish.image,
    ...given({ hardware: wish.hardware, squad: wish.squad, site: wish.site, hall: wish.hall }),
    ...given({ why: wish.why }),
    ...(wish.disks.trim() !== '' && { install: { disks: wish.disks.trim() } }),
    ...(racks.length > 0 && { racks }),
    ...(Object.keys(spread).length > 0 && { spread }),
    ...(sshKeys.length > 0 && { sshKeys }),
    ...(wish.pattern.trim() !== '' && { hostname: { pattern: wish.pattern.trim() } }),
    ...(parallel && { parallel }),
    ...(Number.isInteger(priority) && priority !== 0 && { priority }),
  };
}

function given<Name extends string>(fields: Readonly<Record<Name, string>>) {
  const kept = Object.entries<string>(fields).map(([name, text]) => [name, text.trim()]);
  return Object.fromEntries(kept.filter(([, text]) => text !== '')) as Partial<
    Record<Name, string>
  >;
}

/** Without the empty ones. */
export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

/** A whole number from 1 on, or undefined. */
function wholeOf(text: string): number | undefined {
  return /^[1-9]\d{0,8}$/.test(text.trim()) ? Number(text) : undefined;
}
