/**
 * Which boot file a machine's firmware is handed: the configuration's rules, looked up once for each question.
 *
 * From the most particular to the most general: the machine by MAC, the machine by hardwarename, its hardware type (the
 * SMBIOS product name), the Secure Boot chain of its family, what was learned of it (quirks.ts), the last boot's
 * experience, the family's usual file. The
 * DHCP request does not show whether Secure Boot is on, and shim starts without it as well: a family with a shim chain
 * is always handed the shim, and no alternative, which nobody has signed, after a boot that stopped.
 *
 * A file that is not there is no error of the start: a site without ARM machines builds no ARM binary. The decision then
 * carries the reason, and `reveille explain` shows it before a machine does.
 */
import type { BootFamily } from '../dhcp/architecture.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import { choose, type Experience, LOCAL_BOOT_ORDER, NO_EXPERIENCE } from './quirks.ts';
import type { BootSettings, Loader, LocalBootMethod, ShimChain } from './settings.ts';

/** The machine that a rule may be about. */
export interface BootSubject {
  readonly mac: Mac;
  readonly hardwarename: Hardwarename | undefined;
  /** SMBIOS product name, where the inventory knows it. */
  readonly product: string | undefined;
}

export interface BinaryChoice {
  readonly file: string;
  /** It is in the assets folder. */
  readonly present: boolean;
  /** Why this one, when it is not the family's usual file. */
  readonly why: string | undefined;
  /** What it is, or what a shim goes on to. */
  readonly loader: Loader;
}

export interface BootRules {
  /** @param stuck the machine's last boot fetched its binary, and nothing came after it. */
  choose(
    family: BootFamily,
    subject: BootSubject,
    past: { readonly stuck: boolean; readonly experience?: Experience },
  ): BinaryChoice;
  /** Never beside a Secure Boot chain. */
  hasAlternative(family: BootFamily): boolean;
  /** Some rule is about a hardware type: only then is a machine's product worth a question. */
  readonly usesProducts: boolean;
  localBootOf(subject: BootSubject, experience?: Experience): LocalBootMethod;
  /** The file behind a name that a client asks for: the second stage of a shim has the name that shim wants. */
  servedAs(name: string): string;
  /** All names that stand for another file. */
  readonly standIns: ReadonlyMap<string, string>;
}

type RuleSettings = Pick<
  BootSettings,
  'binaries' | 'alternatives' | 'secureBoot' | 'localBoot' | 'machines' | 'hardwareTypes'
>;
type Override = Pick<BootSettings['hardwareTypes'][number], 'binaries' | 'localBoot'>;

/** @param present is this file in the assets folder? Asked for each choice, so that a file added later counts. */
export function createBootRules(
  settings: RuleSettings,
  present: (file: string) => boolean,
): BootRules {
  const { binaries, alternatives, secureBoot } = settings;
  const overrides = collectOverrides(settings);
  const names = secondStages(secureBoot);
  const chainOf = (family: BootFamily): ShimChain | undefined =>
    family in secureBoot ? secureBoot[family as keyof typeof secureBoot] : undefined;
  return {
    choose(family, subject, { stuck, experience = NO_EXPERIENCE }) {
      const shim = chainOf(family);
      const pick = (file: string, why?: string): BinaryChoice => {
        const chain = shim?.first === file ? shim : undefined;
        // A shim without its second file boots nothing: what is missing is what is told.
        const lacks = chain && present(file) && !present(chain.second);
        return {
          file: lacks ? chain.second : file,
          present: present(file) && !lacks,
          why,
          loader: chain?.loader ?? 'ipxe',
        };
      };
      for (const [own, whose] of overrides(subject)) {
        const file = own.binaries[family];
        if (file !== undefined) return pick(file, `configured for ${whose}`);
      }
      if (shim) return pick(shim.first, `Secure Boot: it then asks for ${shim.asksFor}`);
      const alternative = alternatives[family];
      const usual = binaries[family];
      const others = alternative !== undefined && present(alternative) ? [alternative] : [];
      const learned = choose([usual, ...others], experience);
      if (experience.works !== undefined && learned.value === experience.works)
        return pick(learned.value, learned.why);
      if (learned.why !== undefined) return pick(learned.value, learned.why);
      if (
        stuck &&
        !experience.fails.has(alternative ?? '') &&
        alternative !== undefined &&
        present(alternative)
      ) {
        return pick(alternative, 'its last boot fetched the usual file and iPXE never came up');
      }
      return pick(usual);
    },
    usesProducts: settings.hardwareTypes.length > 0,
    hasAlternative: (family) => alternatives[family] !== undefined && !chainOf(family),
    localBootOf(subject, experience = NO_EXPERIENCE) {
      for (const [own] of overrides(subject)) {
        if (own.localBoot !== undefined) return own.localBoot;
      }
      const others = LOCAL_BOOT_ORDER.filter((method) => method !== settings.localBoot);
      return choose([settings.localBoot, ...others], experience).value;
    },
    servedAs: (name) => names.get(name) ?? name,
    standIns: names,
  };
}

/** The overrides that apply to a machine, the most particular first, each with whose it is. */
function collectOverrides({
  machines,
  hardwareTypes,
}: RuleSettings): (subject: BootSubject) => (readonly [Override, string])[] {
  const byMac = new Map<string, Override>();
  const byName = new Map<string, Override>();
  for (const machine of machines) {
    if (machine.mac !== undefined) byMac.set(machine.mac, machine);
    if (machine.hardwarename !== undefined) byName.set(machine.hardwarename, machine);
  }
  const byProduct = new Map(hardwareTypes.map((type) => [type.product.toLowerCase(), type]));
  if (byMac.size + byName.size + byProduct.size === 0) return () => NONE;
  return ({ mac, hardwarename, product }) => {
    const found: (readonly [Override, string])[] = [];
    const add = (own: Override | undefined, whose: string) => own && found.push([own, whose]);
    add(byMac.get(mac), mac);
    if (hardwarename !== undefined) add(byName.get(hardwarename), hardwarename);
    if (product !== undefined) add(byProduct.get(product.toLowerCase()), `'${product}' machines`);
    return found;
  };
}

const NONE: (readonly [Override, string])[] = [];

function chainsOf(chains: BootSettings['secureBoot']): ShimChain[] {
  return Object.values(chains).filter((chain) => chain !== undefined);
}

/** Shim asks for its second stage in its own folder (rhboot/shim, netboot.c), which is the one folder that there is. */
function secondStages(chains: BootSettings['secureBoot']): Map<string, string> {
  return new Map(chainsOf(chains).map(({ asksFor, second }) => [asksFor, second]));
}

/** Every file that the configuration names, for a warning at the start about those that are not there. */
export function namedFiles({
  binaries,
  alternatives,
  secureBoot,
  ...rest
}: RuleSettings): string[] {
  const overrides = [...rest.machines, ...rest.hardwareTypes];
  const files = [
    ...Object.values(binaries),
    ...Object.values(alternatives),
    ...chainsOf(secureBoot).flatMap(({ first, second }) => [first, second]),
    ...overrides.flatMap((own) => Object.values(own.binaries)),
  ];
  return [...new Set(files.filter((file) => file !== undefined))];
}
