/** What is proposed as the API takes it, and its answer as the lines of a diff. Pure. */
import type { Operations } from '../../client/operations.generated.ts';

export type Answer = Operations['POST /configuration/diff']['answer'];
export type Kind = 'config' | 'script' | 'subnet' | 'naming' | 'type' | 'rack' | 'bmc';

/** @throws SyntaxError for a record that is no JSON */
export function proposalOf(kind: Kind, name: string, text: string): object {
  if (kind === 'config') return { config: text };
  if (kind === 'script') return { scripts: { [name]: text } };
  const doc = text.trim() === '' ? null : JSON.parse(text);
  return { records: [{ kind, name, doc }] };
}

/** Everything that differs, as lines of a diff. */
export function linesOf({ differences, leases, zones }: Answer): string {
  const both = (before: string, after: string) => [
    ...before
      .trimEnd()
      .split('\n')
      .map((line) => `- ${line}`),
    ...after
      .trimEnd()
      .split('\n')
      .map((line) => `+ ${line}`),
  ];
  return [
    ...[...differences, ...leases].flatMap(({ machine, mac, what, before, after }) => [
      `${`${machine} ${mac}`.trim()}, ${what}`,
      ...both(before, after),
    ]),
    ...zones.flatMap(({ zone, removed, added }) => [
      `zone ${zone}`,
      ...removed.map((line) => `- ${line}`),
      ...added.map((line) => `+ ${line}`),
    ]),
  ].join('\n');
}
