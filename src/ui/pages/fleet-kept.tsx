/** What the fleet tells each of its sites to keep, and how far each is with it: pools, images, squads. Changed over the API. */
import type { ComponentChildren } from 'preact';
import type { ToldSite } from '../../central/records.ts';
import type { SquadView } from '../../central/squads.ts';
import { bytes } from '../format.ts';
import { Badge, Empty, Panel, Reading, Table, Title } from '../parts/common.tsx';
import { type Resource, useRead } from '../resource.ts';

type Told = readonly (ToldSite & { readonly count?: number })[];

/** At each site: done, still on its way, or refused and why. */
function Sites({ of }: { of: Told }) {
  return (
    <>
      {of.map(({ site, status, code, detail, count }) => (
        <div key={site}>
          {site} {count !== undefined && <b>{count}</b>} <Badge word={status} />{' '}
          {code !== '' && (
            <span class="dim">
              {code}: {detail}
            </span>
          )}
        </div>
      ))}
    </>
  );
}

interface Kept<Item> {
  readonly title: string;
  readonly of: Resource<unknown>;
  readonly items: readonly Item[];
  readonly heads: readonly string[];
  row(item: Item): readonly ComponentChildren[];
}

function Page<Item>({ title, of, items, heads, row }: Kept<Item>) {
  return (
    <>
      <Title>{title}</Title>
      <Panel title="What every site is told" wide>
        <Reading of={of} />
        {of.value !== undefined && items.length === 0 && <Empty>There are none.</Empty>}
        {items.length > 0 && (
          <Table label={title}>
            <thead>
              <tr>
                {heads.map((word) => (
                  <th key={word} scope="col">
                    {word}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {items.map((item, index) => (
                <tr key={index}>
                  {row(item).map((cell, at) => (
                    <td key={heads[at]}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </Table>
        )}
      </Panel>
    </>
  );
}

interface Image {
  readonly name: string;
  readonly version: string;
  readonly kind: string;
  readonly channels: readonly string[];
  readonly files: readonly { readonly sizeBytes: number }[];
  readonly sites: Told;
}

export function FleetImagesPage() {
  const of = useRead<{ images: readonly Image[] }>('images', () => false);
  return (
    <Page
      {...{ title: 'Images', of, items: of.value?.images ?? [] }}
      heads={['Image', 'Channels', 'Kind', 'Size', 'Sites']}
      row={({ name, version, kind, channels, files, sites }) => [
        `${name}@${version}`,
        channels.join(', '),
        kind,
        bytes(files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)),
        <Sites key="s" of={sites} />,
      ]}
    />
  );
}

interface Pool {
  readonly name: string;
  readonly role: string;
  readonly image: string;
  readonly squad: string;
  readonly count: number;
  readonly sites: Told;
}

export function FleetPoolsPage() {
  const of = useRead<{ pools: readonly Pool[] }>('pools', () => false);
  return (
    <Page
      {...{ title: 'Pools', of, items: of.value?.pools ?? [] }}
      heads={['Pool', 'Role', 'Image', 'Squad', 'Machines', 'Sites']}
      row={({ name, role, image, squad, count, sites }) => [
        ...[name, role, image, squad, count],
        <Sites key="s" of={sites} />,
      ]}
    />
  );
}

export function FleetSquadsPage() {
  const of = useRead<{ items: readonly SquadView[] }>('squads', () => false);
  return (
    <Page
      {...{ title: 'Squads', of, items: of.value?.items ?? [] }}
      heads={['Squad', 'Has', 'Promised', 'May have', 'Of types']}
      row={({ name, has, promised, quota }) => [
        ...[name, has, promised, quota?.machines ?? 'any number'],
        Object.entries(quota?.types ?? {})
          .map(([type, most]) => `${type} ${most}`)
          .join(', '),
      ]}
    />
  );
}
