/**
 * The part of the fleet's diff (fleet-diff.ts) that is about installs: which version of its image each machine would get by its next
 * install, and what that image's own installer would be told, rendered as it would be handed out.
 *
 * The next install is the last one once more: the same image as it was asked for, the same metadata and keys, with the name and the
 * role that the machine has now and what the record of its role brings. A machine that was never installed from here, or whose
 * job is kept no longer, has none. Metadata that a job was given for its machine alone is in no other answer of ours, and so not in
 * this one: it is rendered with it, so that what would be refused is known, and shown with `HIDDEN` in its place.
 */
import { AppError } from '../errors.ts';
import {
  type Part,
  parseImageTemplate,
  parseTemplate,
  renderArguments,
  renderTemplate,
} from '../images/template.ts';
import type { InstallDetail } from '../install/detail.ts';
import { withRole } from '../install/for-role.ts';
import { argumentValues, installerValues } from '../install/installer.ts';
import type { ImageCause, ResolvedImage } from '../inventory/images.ts';
import type { Inventory } from '../inventory/inventory.ts';
import { type InstallParams, installParams } from '../jobs/kinds/install-params.ts';
import { installDetailOf } from '../jobs/work.ts';
import { limit } from '../limits.ts';
import { readKept } from '../platform/boot-files.ts';
import { openImageFolder } from '../platform/image-folder.ts';
import type { Hardwarename } from '../wire/ids.ts';
import { parseImageRef } from '../wire/image-ref.ts';
import type { openCore } from './core.ts';

/** By the image as installs ask for it (`debian-12/stable`): what its template would be. */
export type Templates = Readonly<Record<string, string>>;
/** By channel (`debian-12/stable`): the version that it would point to. */
export type Channels = Readonly<Record<string, string>>;

/**
 * The last install of each machine that was not given up: what `NextInstalls` needs of the table of jobs. User data is a secret that
 * no template of an installer is told.
 */
export const LAST_INSTALLS = {
  rows: `number IN (SELECT max(number) FROM live.jobs
    WHERE kind IN ('install', 'reinstall') AND status NOT IN ('failed', 'cancelled') GROUP BY target)`,
  as: { params: "json_remove(params, '$.userData')" },
};

/** What the machine would be told, by what it is. */
export type NextInstalls = (hardwarename: Hardwarename) => ReadonlyMap<string, string>;

type Core = Pick<ReturnType<typeof openCore>, 'db' | 'inventory'>;

export interface InstallParts {
  /** Where the files of images are. */
  readonly folder: string;
  /** Of the site's machines. */
  readonly domain: string;
  /** Instead of those in the store. */
  readonly templates: Templates;
}

/** As an install would have them, but for what is new with each: the tokens. */
const FACTS = { url: 'http://appliance', token: 'TOKEN', metadataToken: 'TOKEN' };
const HIDDEN = 'HIDDEN';

export function openNextInstalls({ db, inventory }: Core, parts: InstallParts): NextInstalls {
  const last = db.prepare<[string], { params: string }>(
    'SELECT params FROM jobs WHERE target = ? ORDER BY number DESC LIMIT 1',
  );
  const templateOf = templatesOf(parts);
  return (hardwarename) => {
    const answers = new Map<string, string>();
    const row = last.get(hardwarename);
    const params = row && installParams.safeParse(JSON.parse(row.params)).data;
    if (!params) return answers;
    const image = inventory.images.resolve(params.image);
    answers.set('next install', `${params.image}: ${image ? nameOf(image) : 'no sound image'}`);
    if (image?.kind !== 'installer') return answers;
    const facts = { ...FACTS, hardwarename, domain: parts.domain };
    const tell = (what: string, render: (detail: InstallDetail) => string): void => {
      const rendered = (asked: InstallParams) =>
        render(detailFor(inventory, hardwarename, { params: asked, image }));
      const answer = orRefusal(() => rendered(params) && rendered(withoutSecrets(params)));
      answers.set(`${what} of ${params.image}`, answer);
    };
    tell('template', (detail) =>
      renderTemplate(templateOf(params.image, image), installerValues(detail, facts)),
    );
    tell('command line', (detail) =>
      renderArguments(image.doc.kernelArguments, argumentValues(detail, facts)),
    );
    return answers;
  };
}

const nameOf = ({ name, version }: ResolvedImage): string => `${name}@${version}`;

function detailFor(
  { machines, serverdb }: Inventory,
  hardwarename: Hardwarename,
  { params, image }: { params: InstallParams; image: ResolvedImage },
): InstallDetail {
  const machine = machines.byHardwarename(hardwarename);
  if (!machine) throw new AppError('MACHINE_UNKNOWN', { detail: hardwarename });
  const { hostname, role } = machine;
  const brought = withRole(params, serverdb.records.get('role', role)?.doc);
  return installDetailOf(machine, image, { ...params, hostname, role, brought });
}

function withoutSecrets({ metadata = {}, ...params }: InstallParams): InstallParams {
  const hidden = Object.keys(metadata).map((name) => [name, HIDDEN]);
  return { ...params, metadata: Object.fromEntries(hidden) };
}

/** Parsed once, however many machines are told by it. */
function templatesOf({ folder, templates }: InstallParts) {
  const parsed = new Map<string, Part[]>();
  return (ref: string, { files, doc }: ResolvedImage): Part[] => {
    const sha256 = files.find(({ role }) => role === 'template')?.sha256 ?? '';
    const proposed = templates[ref];
    const key = proposed === undefined ? sha256 : ref;
    const known = parsed.get(key);
    if (known) return known;
    const text = proposed ?? readKept(openImageFolder(folder).openKept(sha256));
    const parts = parseTemplate(doc.format ?? 'preseed', text);
    parsed.set(key, parts);
    return parts;
  };
}

/** A value that is missing ends an install: this is how it would be told. */
function orRefusal(render: () => string): string {
  try {
    return render();
  } catch (error) {
    return `refused: ${(error as Error).message}`;
  }
}

/** Inside a copy. @throws AppError REQUEST_INVALID for what names no channel, NOT_FOUND for a version that is not there */
export function moveChannels({ inventory }: Core, channels: Channels, cause: ImageCause): void {
  for (const [text, version] of Object.entries(channels)) {
    const ref = parseImageRef(text);
    if (!ref || !('channel' in ref))
      throw new AppError('REQUEST_INVALID', { detail: `'${text}' is not NAME/CHANNEL.` });
    inventory.transaction(() => inventory.images.move({ ...ref, version }, cause));
  }
}

/** @throws AppError REQUEST_INVALID, TEMPLATE_INVALID: what the store would refuse */
export function assertTemplates({ inventory }: Core, templates: Templates): void {
  for (const [ref, text] of Object.entries(templates)) {
    const path = `/templates/${ref}`;
    const image = inventory.images.resolve(ref);
    const invalid = (detail: string) => new AppError('TEMPLATE_INVALID', { detail, path });
    if (image?.kind !== 'installer') {
      const detail = image ? `${ref} is no installer.` : `There is no sound image ${ref}.`;
      throw new AppError('REQUEST_INVALID', { detail, path });
    }
    if (Buffer.byteLength(text) > limit('imageTemplateBytesMax')) throw invalid('It is too long.');
    try {
      parseImageTemplate(image.doc.format ?? 'preseed', text);
    } catch (error) {
      throw invalid(`${ref}: ${(error as Error).message}`);
    }
  }
}
