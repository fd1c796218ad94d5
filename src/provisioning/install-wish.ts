/**
 * What a request says of its installs, read as the jobs will read it: checked when it is asked for, so that nobody learns from the
 * first machine, or from all of them in turn, that it cannot be carried out. Pure.
 */
import { AppError } from '../errors.ts';
import { type DisksWanted, disksWanted, misplacedFor } from '../install/fits.ts';
import type { ResolvedImage } from '../inventory/images.ts';
import { installParams } from '../jobs/kinds/install-params.ts';
import { issueOf } from '../wire/schema.ts';

type Params = Readonly<Record<string, unknown>>;

/** Said by the request itself, for each of its machines. */
const OWN_PARAMS: readonly string[] = ['image', 'hostname', 'role', 'sshKeys'];

/** @param params of one of its installs. @throws AppError REQUEST_INVALID that points at the place in the request */
export function checkInstall(
  { install, count }: { readonly install: Params; readonly count: number },
  { params, image }: { readonly params: Params; readonly image: ResolvedImage },
): void {
  const twice = OWN_PARAMS.find((name) => name in install);
  if (twice !== undefined)
    throw refused(['install', twice], `${twice} stands in the request itself.`);
  const parsed = installParams.safeParse(params);
  if (!parsed.success) {
    const { path, message } = issueOf(parsed.error);
    throw refused(OWN_PARAMS.includes(path[0] ?? '') ? path : ['install', ...path], message);
  }
  const wrong = misplacedFor(image, parsed.data);
  if (wrong) throw refused(['install', wrong.param], wrong.detail);
  if (count > 1 && parsed.data.network?.kind === 'static')
    throw refused(['install', 'network'], `One address is none for ${count} machines.`);
}

function refused(place: readonly string[], detail: string): AppError {
  return new AppError('REQUEST_INVALID', { detail, path: `/${place.join('/')}` });
}

/** @returns undefined where nothing is known about it: the install itself will say */
export function disksOfInstall(
  image: ResolvedImage | undefined,
  params: Params,
): DisksWanted | undefined {
  const parsed = installParams.safeParse(params);
  return image && parsed.success ? disksWanted(image.kind, parsed.data) : undefined;
}
