import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { watchTls } from '../../../src/platform/tls-files.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

it('a certificate that cannot even be looked at is told of once, and ends nothing', () => {
  const dir = temporaryFolder('tls-watch');
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  for (const file of [cert, key]) writeFileSync(file, 'x');
  const invalid: unknown[] = [];
  const watch = watchTls({
    ...{ files: { cert, key, profile: 'modern' } as never, everyMs: 3_600_000 },
    onChange: () => undefined,
    onInvalid: (error) => void invalid.push(error),
  });
  rmSync(cert);
  symlinkSync(cert, cert);
  watch.look();
  watch.look();
  expect(invalid).toHaveLength(1);
  watch.close();
});
