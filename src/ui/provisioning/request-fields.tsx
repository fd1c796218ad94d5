/** The fields of a request: what nobody can leave out first, the rest folded away, every one with an example of its form. */
import type { Operations } from '../../client/operations.generated.ts';
import { useRead } from '../resource.ts';
import { isFleet, may } from '../session.ts';
import type { Wish } from './wish.ts';

type Images = Operations['GET /images']['answer'];
type Squads = Operations['GET /squads']['answer'];

export function MainFields({ wish, roles }: { wish: Wish; roles: readonly string[] }) {
  return (
    <>
      <div class="form-row">
        <label>
          How many
          <input name="count" type="number" min="1" max="100000" required value={wish.count} />
        </label>
        <label>
          Role
          <input
            name="role"
            required
            list="roles"
            placeholder="fancydb"
            value={wish.role}
            {...PLAIN}
          />
        </label>
      </div>
      <datalist id="roles">
        {roles.map((role) => (
          <option key={role} value={role} />
        ))}
      </datalist>
      <div class="form-row">
        <ImageField chosen={wish.image} />
        <SquadField chosen={wish.squad} />
      </div>
      <div class="form-row">
        <label>
          Hardware, in words; empty takes any
          <input
            name="hardware"
            placeholder="2 NVMe >= 1 TB, 256 GB memory"
            value={wish.hardware}
            {...PLAIN}
          />
        </label>
        <label>
          Disk to install on, where there are several
          <input name="disks" placeholder="smallest ssd" value={wish.disks} {...PLAIN} />
        </label>
      </div>
    </>
  );
}

const PLAIN = { autocapitalize: 'none', autocomplete: 'off', spellcheck: false } as const;

function ImageField({ chosen }: { chosen: string }) {
  const { value } = useRead<Images>('images');
  const channels = value?.channels.map(({ name, channel }) => `${name}/${channel}`) ?? [];
  const versions = value?.images
    .filter(({ damaged }) => damaged === '')
    .map(({ name, version }) => `${name}@${version}`);
  return (
    <label>
      Image
      <select name="image" required value={chosen}>
        <option value="">{value && channels.length === 0 ? 'none is here yet' : 'choose'}</option>
        <optgroup label="Channels">
          {channels.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </optgroup>
        <optgroup label="Versions">
          {versions?.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </optgroup>
      </select>
    </label>
  );
}

function SquadField({ chosen }: { chosen: string }) {
  const { value } = useRead<Squads>('squads?limit=1000');
  const squads = (value?.items ?? []).filter(({ name }) => may('operator', name));
  return (
    <label>
      Squad
      <select name="squad" value={chosen}>
        <option value="">{may('operator') ? 'none' : 'choose'}</option>
        {squads.map(({ name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

export function MoreFields({ wish }: { wish: Wish }) {
  return (
    <details>
      <summary>Where, how they are called, how fast</summary>
      <div class="form spaced">
        <PlaceFields wish={wish} />
        <label class="check">
          <input name="even" type="checkbox" checked={wish.even} /> As even over the racks as
          possible
        </label>
        <div class="form-row">
          <label>
            Installs at once
            <input
              name="parallel"
              type="number"
              min="1"
              max="1000"
              placeholder="100"
              value={wish.parallel}
            />
          </label>
          <label>
            Priority
            <input
              name="priority"
              type="number"
              min="-1000"
              max="1000"
              placeholder="0"
              value={wish.priority}
            />
          </label>
        </div>
        <label>
          SSH keys, one a line
          <textarea name="sshKeys" value={wish.sshKeys} spellcheck={false} />
        </label>
        <label>
          Why
          <input name="why" value={wish.why} />
        </label>
      </div>
    </details>
  );
}

function PlaceFields({ wish }: { wish: Wish }) {
  return (
    <>
      <div class="form-row">
        <label>
          Site
          <input
            name="site"
            placeholder={isFleet.value ? 'any' : 'this one'}
            value={wish.site}
            {...PLAIN}
          />
        </label>
        <label>
          Hall
          <input name="hall" value={wish.hall} {...PLAIN} />
        </label>
        <label>
          Racks
          <input name="racks" placeholder="any, or R01, R02" value={wish.racks} {...PLAIN} />
        </label>
      </div>
      <div class="form-row">
        <label>
          At most in one rack
          <input name="perRackMax" type="number" min="1" max="1000" value={wish.perRackMax} />
        </label>
        <label>
          Hostnames
          <input
            name="pattern"
            placeholder="by the naming rule, or {role}{n:2}"
            value={wish.pattern}
            {...PLAIN}
          />
        </label>
      </div>
    </>
  );
}
