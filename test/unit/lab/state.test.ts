import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { labDir, listLabs } from '../../../qemu-lab/state.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

describe('what is known of labs', () => {
  let shared: string;

  beforeEach(() => {
    shared = temporaryFolder('labs');
    vi.stubEnv('TMPDIR', shared);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  const write = (dir: string, state: object) =>
    writeFileSync(join(dir, 'state.json'), JSON.stringify(state));

  it('is in folders of our own, whose place is not what is written in them', () => {
    write(labDir('rv0001'), { id: 'rv0001', dir: '/etc' });
    expect(listLabs()).toEqual([{ id: 'rv0001', dir: join(shared, 'reveille-lab-rv0001') }]);
  });

  it('is not what another user has written, and not what a link leads to', () => {
    const elsewhere = join(shared, 'elsewhere');
    mkdirSync(elsewhere);
    write(elsewhere, { id: 'rv0002' });
    symlinkSync(elsewhere, join(shared, 'reveille-lab-rv0002'));
    expect(listLabs()).toEqual([]);
    write(labDir('rv0003'), { id: 'rv0003' });
    expect(listLabs()).toHaveLength(1);
    vi.spyOn(process, 'getuid').mockReturnValue((process.getuid?.() ?? 0) + 1);
    expect(listLabs()).toEqual([]);
  });

  it('is not put into a folder that is there before', () => {
    labDir('rv0004');
    expect(() => labDir('rv0004')).toThrow('EEXIST');
  });

  it('is nothing yet where a lab has only begun', () => {
    writeFileSync(join(labDir('rv0005'), 'state.json'), '{"id"');
    labDir('rv0006');
    expect(listLabs()).toEqual([]);
  });
});
