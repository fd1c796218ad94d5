/**
 * What an appliance answers and central does not, by the beginning of its path, each with the reason: a closed list, so that nothing is refused
 * by accident. docs/central.md shows it, and a test holds it to what an appliance's API has.
 */
import { AppError } from '../errors.ts';

/** `*` is one word of a path. The first that fits holds. */
export const SITE_ONLY: readonly (readonly [beginnings: readonly string[], why: string])[] = [
  [['machines/*/bmc', 'bmcs'], 'BMCs are on the out-of-band network of their site.'],
  [['machines/*/console'], 'What a machine prints is recorded by its site.'],
  [
    ['machines/*/explain', 'nics', 'past', 'configuration', 'segments'],
    'What a machine is served, the appliance of its site decides by its own configuration.',
  ],
  [
    ['machines/*/addresses', 'racks', 'subnets'],
    'Racks, networks and who has which address are a matter of each site.',
  ],
  [
    ['machines/*/merge', 'machines/*/merges', 'machines/*/nics', 'merges', 'machines/import'],
    'Which machine it is, its site tells by what it has reported.',
  ],
  [
    ['board', 'boots', 'diagnoses', 'expected-times', 'quirks'],
    'Boots are watched and judged by the appliance that serves them.',
  ],
  [
    ['certificates', 'certificate-key'],
    'That disks are clean is certified by the appliance that has seen it.',
  ],
  [['hardware-types/apply'], 'Rules are applied to reports, and sites keep those.'],
  [['credentials'], 'Passwords of BMCs do not leave their site.'],
  [['webhooks'], 'An appliance pushes its own events.'],
  [['enc'], 'Configuration management asks its own site, which answers when central is gone.'],
  [
    ['backups'],
    'An appliance copies its own database; that of central is copied as databases are.',
  ],
  [['dns'], 'Each site makes and serves its own zones.'],
  [
    ['jobs/kinds', 'jobs/stats', 'jobs/queue', 'jobs/pause', 'jobs/resume'],
    'Jobs are run by the queue of each site.',
  ],
  [
    ['image-store', 'image-streams', 'image-uploads'],
    'Each site has a store of its own; central takes a file whole, by its hash (PUT /blobs/SHA256).',
  ],
  [['breakers'], 'Breakers open where machines fail, and are closed there.'],
  [['deliveries'], 'Pallets arrive at a site.'],
  [['standby'], 'Which of two appliances is active is a matter of their site.'],
  [
    ['federation'],
    'How its line to central stands, an appliance says itself; here it is in sites.',
  ],
  [['openapi.json'], 'An appliance describes its own API.'],
];

const fits = (words: readonly string[], beginning: string): boolean =>
  beginning.split('/').every((word, place) => word === '*' || word === words[place]);

/** Why central leaves this path to sites. @param path below /api/v1/ */
function reasonFor(path: string): string | undefined {
  const words = path.split('/');
  return SITE_ONLY.find(([beginnings]) => beginnings.some((one) => fits(words, one)))?.[1];
}

/** The machine that a path is about. */
export const machineIn = (path: string): string | undefined => {
  const [first, name] = path.split('/');
  return first === 'machines' && name !== undefined ? decodeURIComponent(name) : undefined;
};

/**
 * What is left to sites, or is nowhere.
 *
 * @param ask the site of the machine that it is about, else all of them
 */
export function refusalOfPath(path: string, ask: readonly string[]): AppError {
  const why = reasonFor(path);
  if (why === undefined) return new AppError('NOT_FOUND');
  const where =
    ask.length === 0 ? 'No site has joined yet.' : `Ask the appliance of ${ask.join(' or ')}.`;
  return new AppError('SITE_ONLY', { detail: `${why} ${where}` });
}
