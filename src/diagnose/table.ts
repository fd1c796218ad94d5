/**
 * Every diagnosis, in the order in which they are asked: the first that fits is the cause.
 *
 * The order is the whole of the precedence. First what says that the machine as such is wrong, whatever the boot came to
 * (a loop, one MAC twice); then what needs particular evidence, from the furthest step back to the first; last the rules
 * that take what is left at a step, because they would fit beside every other. docs/diagnoses.md has the same table, held
 * by a test.
 */

import type { Rule } from './rule.ts';
import { ADDRESS_RULES } from './rules/address.ts';
import { AGENT_RULES } from './rules/agent.ts';
import { DOWNLOAD_RULES } from './rules/download.ts';
import { GRUB_RULES } from './rules/grub.ts';
import { LOADER_RULES } from './rules/loader.ts';
import { SYSTEM_RULES } from './rules/system.ts';

const FIRST = ['duplicate-mac', 'install-loop', 'boot-loop'];
const LAST = [
  'local-boot-failed',
  'kernel-without-nic-driver',
  'kernel-silent',
  'restarted-in-pxeimage',
  'agent-stuck',
  'http-stalled',
  'initrd-not-fetched',
  'kernel-not-fetched',
  'http-blocked',
  'grub-never-asked',
  'ipxe-never-asked',
  'tftp-cut',
  'boot-file-not-asked',
  'offer-not-received',
  'offer-not-taken',
  'no-offer',
  'no-netboot-after-power-on',
];
const UNORDERED = [
  ...AGENT_RULES,
  ...SYSTEM_RULES,
  ...DOWNLOAD_RULES,
  ...LOADER_RULES,
  ...GRUB_RULES,
  ...ADDRESS_RULES,
];

export const RULES: readonly Rule[] = [
  ...UNORDERED.filter(({ name }) => FIRST.includes(name)),
  ...UNORDERED.filter(({ name }) => !FIRST.includes(name) && !LAST.includes(name)),
  ...LAST.flatMap((last) => UNORDERED.filter(({ name }) => name === last)),
];

/** Names of diagnoses; a name may have several rules, when one cause shows itself in several places. */
export const DIAGNOSES: readonly string[] = [...new Set(RULES.map(({ name }) => name))];

export function ruleOf(name: string): Rule | undefined {
  return RULES.find((rule) => rule.name === name);
}
