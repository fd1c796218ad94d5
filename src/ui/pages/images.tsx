/**
 * Images: what each channel points to and has pointed to, every version, and what the store holds. Moving a channel decides what
 * installs that begin from now on get; what runs already keeps its version.
 */
import { useState } from 'preact/hooks';
import type { ToldSite } from '../../central/records.ts';
import type { Operations } from '../../client/operations.generated.ts';
import { bytes, plural, seconds } from '../format.ts';
import { ChannelDialog } from '../images/channel-dialog.tsx';
import { Badge, Empty, Facts, Panel, Reading, Table, Title, When } from '../parts/common.tsx';
import { ToldSites } from '../provisioning/parts.tsx';
import { named, useRead } from '../resource.ts';
import { machinePath } from '../router.ts';
import { isFleet } from '../session.ts';
import '../styles/provisioning.css';

type Answer = Operations['GET /images']['answer'];
/** At central with what came of it at each site. */
type Image = Answer['images'][number] & { readonly sites?: readonly ToldSite[] };
type Channel = Answer['channels'][number];
interface List {
  readonly images: readonly Image[];
  readonly channels: readonly Channel[];
}
type Store = Operations['GET /image-store']['answer'];
type Streams = Operations['GET /image-streams']['answer'];
type Uploads = Operations['GET /image-uploads']['answer'];

export function ImagesPage() {
  const list = useRead<List>('images', named('image.'));
  const [open, setOpen] = useState<Channel | undefined>();
  const { images = [], channels = [] } = list.value ?? {};
  const names = [...new Set(images.map(({ name }) => name))].sort();
  return (
    <>
      <Title beside={<span class="dim">{plural(names.length, 'image')}</span>}>Images</Title>
      <Reading of={list} />
      {list.value && names.length === 0 && (
        <Empty>
          No image is here. <code>reveille images upload</code> brings one in.
        </Empty>
      )}
      <div class="panels">
        {names.map((name) => (
          <ImagePanel
            key={name}
            name={name}
            versions={images.filter((one) => one.name === name)}
            channels={channels.filter((one) => one.name === name)}
            open={setOpen}
          />
        ))}
        {!isFleet.value && (
          <>
            <StreamPanel />
            <UploadPanel />
            <StorePanel />
          </>
        )}
      </div>
      {open && (
        <ChannelDialog
          of={open}
          versions={images.filter(({ name }) => name === open.name).map(({ version }) => version)}
          close={() => {
            setOpen(undefined);
            list.reload();
          }}
        />
      )}
    </>
  );
}

interface ImageProps {
  readonly name: string;
  readonly versions: readonly Image[];
  readonly channels: readonly Channel[];
  open(channel: Channel): void;
}

const HEADS = ['Version', 'Kind', { figures: 'Size' }, 'Signed by', 'Made', 'State'];

function ImagePanel({ name, versions, channels, open }: ImageProps) {
  return (
    <Panel title={name} wide>
      {channels.length === 0 && <p class="dim">No channel points to it.</p>}
      <ul class="channels" aria-label={`Channels of ${name}`}>
        {channels.map((one) => (
          <li key={one.channel}>
            <button type="button" onClick={() => open(one)}>
              {one.channel} → <b>{one.version}</b>
            </button>{' '}
            <span class="dim">
              since <When at={one.movedAt} />
            </span>
          </li>
        ))}
      </ul>
      <Table label={`Versions of ${name}`} head={isFleet.value ? [...HEADS, 'Sites'] : HEADS}>
        {versions.map((version) => (
          <Version key={version.version} of={version} />
        ))}
      </Table>
    </Panel>
  );
}

function Version({ of }: { of: Image }) {
  const { version, kind, format, files, signedBy, createdAt, createdBy, damaged, channels } = of;
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  return (
    <tr>
      <td>
        <b>{version}</b> <span class="dim">{of.description}</span>
      </td>
      <td>{format === null ? kind : `${kind}, ${format}`}</td>
      <td class="number">{bytes(sizeBytes)}</td>
      <td>
        <span class="on-phone">signed by </span>
        {signedBy || <span class="dim">{isFleet.value ? 'each site judges' : 'nobody'}</span>}
      </td>
      <td>
        <When at={createdAt} /> <span class="dim">{createdBy}</span>
      </td>
      <td>
        {damaged === '' ? channels.join(', ') : <Badge word="broken" />} {damaged}
      </td>
      {of.sites && (
        <td>
          <ToldSites of={of.sites} />
        </td>
      )}
    </tr>
  );
}

/** Who is being sent an image now: where an install that seems slow is found to wait for its turn. */
function StreamPanel() {
  const streams = useRead<Streams>(
    'image-streams',
    named('job.step', 'job.finished', 'job.failed'),
  );
  const list = streams.value?.streams ?? [];
  return (
    <Panel title="Being sent">
      <Reading of={streams} />
      {streams.value && list.length === 0 && <Empty>No machine is being sent an image.</Empty>}
      <ul class="plain-list">
        {list.map(({ job, hardwarename, state, position, leftBytes, bytesPerSecond }) => (
          <li key={`${job} ${hardwarename}`}>
            <a href={machinePath(hardwarename)}>{hardwarename}</a>
            <span class="dim">
              {state === 'waiting' ? `waits, number ${position}` : `${bytes(leftBytes)} left`}
              {bytesPerSecond > 0 && `, ${bytes(bytesPerSecond)}/s`}
              {bytesPerSecond > 0 &&
                leftBytes > 0 &&
                `, about ${seconds((1000 * leftBytes) / bytesPerSecond)}`}
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

const UPLOADS_SHOWN = 8;

function UploadPanel() {
  const uploads = useRead<Uploads>('image-uploads', named('image.'));
  const list = uploads.value?.uploads ?? [];
  return (
    <Panel title="Brought in">
      <Reading of={uploads} />
      {uploads.value && list.length === 0 && <Empty>Nothing was brought in lately.</Empty>}
      <ul class="plain-list">
        {list.slice(0, UPLOADS_SHOWN).map((one) => (
          <li key={one.id}>
            <span>
              <Badge word={one.state} /> {one.source || one.sha256.slice(0, 12)}
            </span>
            <span class="dim">
              {one.state === 'receiving' &&
                `${bytes(one.receivedBytes)} of ${bytes(one.sizeBytes)}`}
              {one.code} {one.detail} {one.who}, <When at={one.updatedAt} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function StorePanel() {
  const store = useRead<Store>('image-store', named('image.'));
  const held = store.value;
  return (
    <Panel title="The store">
      <Reading of={store} />
      {held && (
        <Facts
          of={[
            ['Holds', `${bytes(held.sizeBytes)} in ${plural(held.files, 'file')}`],
            ['Unused', held.unusedFiles > 0 && `${bytes(held.unusedBytes)} in ${held.unusedFiles}`],
            ['Damaged', held.damagedFiles > 0 && plural(held.damagedFiles, 'file')],
            ['Free', bytes(held.freeBytes)],
            ['Signatures', held.requireSignature ? 'are required' : 'are not required'],
            ['Keys', held.keys.join(', ')],
          ]}
        />
      )}
    </Panel>
  );
}
