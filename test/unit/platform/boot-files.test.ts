/** A file that is there and cannot be opened is no file that is missing. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.ts';

it('says so when no descriptor is left, and finds nothing where there is nothing', () => {
  const dir = temporaryFolder('open');
  writeFileSync(join(dir, 'vmlinuz'), 'kernel');
  const program = `
    import { openSync } from 'node:fs';
    import { openBootFile } from './src/platform/boot-files.ts';
    const found = openBootFile('${dir}', 'vmlinuz')?.sizeBytes;
    try { for (;;) openSync('/dev/null'); } catch {}
    const tell = (name) => {
      try { return String(openBootFile('${dir}', name)); } catch (error) { return error.code + ' ' + error.cause.code; }
    };
    console.log(JSON.stringify([found, tell('vmlinuz'), tell('nothing')]));`;
  const node = [process.execPath, '--input-type=module-typescript', '-e', program];
  const limited = ['-c', 'ulimit -n 256; exec "$@"', 'sh', ...node];
  const output = execFileSync('sh', limited, { encoding: 'utf8' });
  expect(JSON.parse(output)).toEqual([6, 'INTERNAL EMFILE', 'undefined']);
});
