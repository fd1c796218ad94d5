/** What is proposed as the API takes it, and its answer as the lines of a diff. Pure. */
import type { Operations } from '../../client/operations.generated.ts';

export type Answer = Operations['POST /configuration/diff']['answer'];
export type Kind = keyof typeof KINDS;

export const KINDS = {
  config: 'the configuration file (YAML)',
  script: 'a template of iPXE scripts',
  template: "an installer's template",
  channel: 'a channel of images',
  subnet: 'a subnet (JSON)',
  type: 'a hardware type (JSON)',
  naming: 'a naming rule (JSON)',
  role: 'a role (JSON)',
  rack: 'a rack (JSON)',
  bmc: 'a BMC profile (JSON)',
} as const;

/** @throws SyntaxError for a record that is no JSON */
export function proposalOf(kind: Kind, name: string, text: string): object {
  if (kind === 'config') return { config: text };
  if (kind === 'script') return { scripts: { [name]: text } };
  if (kind === 'template') return { templates: { [name]: text } };
  if (kind === 'channel') return { channels: { [name]: text.trim() } };
  const doc = text.trim() === '' ? null : JSON.parse(text);
  return { records: [{ kind, name, doc }] };
}

/** Everything that differs, as lines of a diff. */
export function linesOf({ differences, leases, zones }: Answer): string {
  const side = (sign: string, text: string) =>
    text === ''
      ? []
      : text
          .trimEnd()
          .split('\n')
          .map((line) => `${sign} ${line}`);
  const both = (before: string, after: string) => [...side('-', before), ...side('+', after)];
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
