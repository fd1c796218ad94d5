/** Versions, channels and guards as rows: what resolves to what, what may go, and what the events tell. */
import { beforeEach, describe, expect, it } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { formatImageRef, parseImageRef } from '../../../src/wire/image-ref.ts';
import { createWorld, type World } from '../../support/world.ts';

const cause = { who: 'ann', why: 'a test' };
const hash = (digit: string) => digit.repeat(64);

let world: World;
beforeEach(() => {
  world = createWorld();
});

const run = <T>(change: () => T): T => world.inventory.transaction(change);
const codeOf = (change: () => unknown): string => {
  try {
    run(change);
  } catch (error) {
    if (error instanceof AppError) return `${error.code} ${error.detail ?? ''}`;
    throw error;
  }
  return 'nothing was refused';
};
const keep = (sha256: string, contentSha256 = sha256) =>
  run(() =>
    world.inventory.blobs.add({
      ...{ sha256, sizeBytes: 100, compression: 'zstd', contentSha256, contentBytes: 300 },
    }),
  );
const addRaw = (version: string, sha256 = hash('a')) => {
  keep(sha256);
  return run(() =>
    world.inventory.images.add(
      {
        ...{ name: 'debian-12', version, kind: 'raw', signedBy: '' },
        ...{ doc: { description: '', kernelArguments: '' }, files: [{ role: 'disk', sha256 }] },
      },
      cause,
    ),
  );
};
const images = () => world.inventory.images;
const point = (channel: string, version: string) =>
  run(() => images().move({ name: 'debian-12', channel, version }, cause));

describe('a reference', () => {
  it.each(['debian-12/stable', 'debian-12@2026.11.21', 'a@1', 'x.y_z/next-1'])('%s', (text) => {
    const ref = parseImageRef(text);
    expect(ref && formatImageRef(ref)).toBe(text);
  });
  it.each([
    ...['', 'debian-12', 'debian-12/', '/stable', 'Debian/stable', 'a/b/c', 'a@1@2', '../x@1'],
    ...['a/Stable', 'a@', 'a@1 2', `${'n'.repeat(64)}@1`, 'a-@1', 'a/1st', 'a@1\n'],
  ])('is not %j', (text) => expect(parseImageRef(text)).toBeUndefined());
});

describe('resolving', () => {
  it('finds a version by its number and by its channel, with what an install needs', () => {
    addRaw('1');
    point('stable', '1');
    const file = {
      ...{ role: 'disk', sha256: hash('a'), size: 100, compression: 'zstd' },
      ...{ contentSha256: hash('a'), contentSize: 300 },
    };
    const image = { name: 'debian-12', version: '1', kind: 'raw', files: [file] };
    expect(images().resolve('debian-12/stable')).toMatchObject(image);
    expect(images().resolve('debian-12@1')).toEqual(images().resolve('debian-12/stable'));
  });
  it.each(['debian-12/stable', 'debian-12@2', 'other@1', 'debian-12', ''])(
    '%s is nothing',
    (ref) => {
      addRaw('1');
      expect(images().resolve(ref)).toBeUndefined();
    },
  );
  it('gives nothing whose file is damaged', () => {
    addRaw('1');
    run(() => world.inventory.blobs.setDamaged(hash('a'), 'the file is shorter than it was'));
    expect(images().resolve('debian-12@1')).toBeUndefined();
    expect(images().get('debian-12', '1')?.damaged).toMatch(/shorter/);
  });
});

describe('a version', () => {
  it('is made once', () => {
    addRaw('1');
    expect(codeOf(() => addRaw('1'))).toMatch(/^ALREADY_EXISTS/);
  });
  it('has exactly the files of its kind, and they are in the store', () => {
    keep(hash('a'));
    const make = (kind: 'raw' | 'tarball', files: { role: 'disk' | 'root'; sha256: string }[]) =>
      codeOf(() =>
        images().add(
          {
            ...{ name: 'x', version: '1', kind, files, signedBy: '' },
            doc: { description: '', kernelArguments: '' },
          },
          cause,
        ),
      );
    expect(make('raw', [])).toMatch(/exactly these files: disk/);
    expect(make('tarball', [{ role: 'disk', sha256: hash('a') }])).toMatch(/these files: root/);
    expect(make('raw', [{ role: 'disk', sha256: hash('b') }])).toMatch(/no file with SHA-256 bbb/);
    expect(images().list()).toEqual([]);
  });
  it('goes when nothing needs it, and its file is unused from then on', () => {
    addRaw('1');
    world.pass(5000);
    run(() => images().remove({ name: 'debian-12', version: '1' }, cause));
    expect(images().get('debian-12', '1')).toBeUndefined();
    expect(world.inventory.blobs.get(hash('a'))?.unusedSince).toBe(world.clock());
    expect(run(() => world.inventory.blobs.forget(hash('a')))).toBe(true);
  });
  it('keeps a file that another version is made of', () => {
    addRaw('1');
    addRaw('2');
    run(() => images().remove({ name: 'debian-12', version: '1' }, cause));
    expect(world.inventory.blobs.get(hash('a'))?.unusedSince).toBe(0);
    expect(run(() => world.inventory.blobs.forget(hash('a')))).toBe(false);
  });
  it('stays while a channel points to it, an unfinished job was asked for with it, or a guard says so', () => {
    addRaw('1');
    point('stable', '1');
    const remove = () => codeOf(() => images().remove({ name: 'debian-12', version: '1' }, cause));
    expect(remove()).toBe('STILL_REFERENCED debian-12@1: channel debian-12/stable points to it.');
    const job = world.db.prepare(
      `INSERT INTO jobs (id, kind, version, target, params, requester, user, priority, created_at, status, bmc, hardware_type)
       VALUES (?, 'install', 1, ?, ?, 'ann', 'ann', 0, 0, 'queued', '', '')`,
    );
    job.run('1', 'M1', JSON.stringify({ image: 'debian-12/stable' }));
    job.run('2', 'M2', JSON.stringify({ image: 'other/stable' }));
    expect(remove()).toMatch(/points to it; the install job of M1 has not ended\.$/);
    const unpoint = () =>
      codeOf(() => images().removeChannel({ name: 'debian-12', channel: 'stable' }, cause));
    expect(unpoint()).toBe(
      'STILL_REFERENCED debian-12/stable: the install job of M1 has not ended.',
    );
    world.db.prepare("UPDATE jobs SET ended_at = 1 WHERE id = '1'").run();
    expect(unpoint()).toBe('nothing was refused');
    job.run('3', 'M3', JSON.stringify({ image: 'debian-12@1' }));
    expect(remove()).toBe('STILL_REFERENCED debian-12@1: the install job of M3 has not ended.');
    world.db.prepare('UPDATE jobs SET ended_at = 1').run();
    let needed = true;
    images().guard(({ version }) => (needed ? [`request 7 wants version ${version}`] : []));
    expect(remove()).toMatch(/request 7 wants version 1/);
    needed = false;
    expect(remove()).toBe('nothing was refused');
  });
});

describe('a channel', () => {
  it('moves, goes back, and tells where it has been', () => {
    for (const version of ['1', '2', '3']) addRaw(version);
    for (const version of ['1', '2', '2', '3']) point('stable', version);
    const back = () =>
      run(() => images().moveBack({ name: 'debian-12', channel: 'stable' }, cause));
    expect(back().version).toBe('2');
    expect(back().version).toBe('3');
    const moves = images().moves('debian-12', 'stable', 10);
    expect(moves.map(({ from, to }) => `${from}>${to}`)).toEqual([
      ...['2>3', '3>2', '2>3', '1>2', '>1'],
    ]);
    expect(images().list()[0]?.channels.concat()).toEqual(['stable']);
  });
  it('does not go back to nothing, nor to what has gone', () => {
    addRaw('1');
    addRaw('2');
    const back = () =>
      codeOf(() => images().moveBack({ name: 'debian-12', channel: 'stable' }, cause));
    expect(back()).toMatch(/^NOT_FOUND/);
    point('stable', '1');
    expect(back()).toMatch(/has pointed to nothing else/);
    point('stable', '2');
    run(() => images().remove({ name: 'debian-12', version: '1' }, cause));
    expect(back()).toMatch(/There is no image debian-12@1/);
    expect(images().at('debian-12', 'stable')?.version).toBe('2');
  });
  it('never points to what is not there, whoever writes the row', () => {
    expect(codeOf(() => point('stable', '9'))).toMatch(/^NOT_FOUND/);
    expect(() =>
      world.db.prepare("INSERT INTO image_channels VALUES ('debian-12', 'x', '9', 0)").run(),
    ).toThrow(/FOREIGN KEY/);
  });
  it('tells each change once', () => {
    addRaw('1');
    point('stable', '1');
    point('stable', '1');
    run(() => images().removeChannel({ name: 'debian-12', channel: 'stable' }, cause));
    run(() => images().remove({ name: 'debian-12', version: '1' }, cause));
    expect(world.eventNames()).toEqual([
      ...['image.added', 'image.channel', 'image.channel', 'image.removed'],
    ]);
  });
});
