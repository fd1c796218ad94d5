/** Signatures over the manifest: by openssl itself, and in the forms that minisign documents. */
import { execFileSync } from 'node:child_process';
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { manifestOf, parseKey, type Signed, signerOf } from '../../../src/images/signature.ts';
import { createStoreWorld, type StoreWorld, sha256 } from '../../support/image-store.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const image: Signed = {
  ...{ name: 'debian-12', version: '20261121', kind: 'installer' },
  doc: { format: 'preseed', kernelArguments: 'auto=true url={{ url }}' },
  files: [
    { role: 'template', sha256: 'c'.repeat(64) },
    { role: 'kernel', sha256: 'a'.repeat(64) },
    { role: 'initrd', sha256: 'b'.repeat(64) },
  ],
};
const pair = () => generateKeyPairSync('ed25519');
const pemOf = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();

/** As minisign writes key and signature; what its tool wrote is further below. */
function minisign(message: string, options: { prehash: boolean; id?: number; comment?: string }) {
  const { publicKey, privateKey } = pair();
  const id = Buffer.alloc(8, options.id ?? 7);
  const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const bytes = Buffer.from(message);
  const signed = options.prehash ? createHash('blake2b512').update(bytes).digest() : bytes;
  const made = sign(null, signed, privateKey);
  const comment = options.comment ?? 'timestamp:1763721600\tfile:manifest';
  const whole = sign(null, Buffer.concat([made, Buffer.from(comment)]), privateKey);
  const algorithm = Buffer.from(options.prehash ? 'ED' : 'Ed');
  return {
    key: `untrusted comment: minisign public key\n${Buffer.concat([Buffer.from('Ed'), id, raw]).toString('base64')}\n`,
    signature: [
      'untrusted comment: signature from minisign secret key',
      Buffer.concat([algorithm, id, made]).toString('base64'),
      `trusted comment: ${comment}`,
      whole.toString('base64'),
      '',
    ].join('\n'),
  };
}

/** `minisign -G -W`, then `minisign -S -t 'release of 2026-11-21'` and `minisign -S -l -t legacy` of a manifest. */
const MINISIGN_0_11 = {
  key: `untrusted comment: minisign public key 2CE5A9E3008BB6F1
RWTxtosA46nlLAGx4/IBosh7J0oc4PXQOBHUMNPVsrTkrNpSabo6mdMu
`,
  signatures: {
    prehashed: `untrusted comment: signature from minisign secret key
RUTxtosA46nlLKXzGxNfdqHdMVT3wxW3R6rNgkkhD0O/s91S25tkTt1q1anp1UGTHevJ2jE5WGcPPUPstUaB10CCeOWTokTqZAI=
trusted comment: release of 2026-11-21
k4clJkx9wnrfduUU6BI1XdcUGS89VProQ7eaA7VoDltxMV8AshClAEdyuurgmJgySTS1TlxCeeUSNcsb5wVKAw==
`,
    legacy: `untrusted comment: signature from minisign secret key
RWTxtosA46nlLHpEdkyr+QEfqqfYvIV6odI6rmmRkRjhVJHdzMEDwfCzPLqX44m1GYyogMeJn3zIyMhpG+sgsvfE1zP7fW4YrgI=
trusted comment: legacy
jRpBXFbxGpx6Rqm0H7bhBGwdAhjzVDV4AvYqaQ8x+B0V9Cem0ZGy9lWbNMz3gczerw861TPl2Dkti3xCXKHMBg==
`,
  },
};

describe('the manifest', () => {
  it('is these bytes: do not change this test', () =>
    expect(manifestOf(image)).toBe(
      `reveille-image 1\nname debian-12\nversion 20261121\nkind installer\nformat preseed\n` +
        `kernel-arguments auto=true url={{ url }}\ninitrd ${'b'.repeat(64)}\nkernel ${'a'.repeat(64)}\n` +
        `template ${'c'.repeat(64)}\n`,
    ));
});

describe('a signature', () => {
  const manifest = manifestOf(image);
  it('that openssl made is known, and by which key', () => {
    const dir = temporaryFolder('sign');
    const at = (name: string) => join(dir, name);
    const openssl = (...words: string[]) => execFileSync('openssl', words);
    openssl('genpkey', '-algorithm', 'ed25519', '-out', at('key'));
    const pem = openssl('pkey', '-in', at('key'), '-pubout').toString();
    writeFileSync(at('manifest'), manifest);
    const made = openssl('pkeyutl', '-sign', '-rawin', '-inkey', at('key'), '-in', at('manifest'));
    const keys = [parseKey('other', pemOf(pair().publicKey)), parseKey('ours', pem)];
    expect(signerOf(manifest, made.toString('base64'), keys)).toBe('ours');
    expect(signerOf(`${manifest}x`, made.toString('base64'), keys)).toBeUndefined();
    expect(signerOf(manifest, made.toString('base64'), keys.slice(0, 1))).toBeUndefined();
    made[3] = (made[3] ?? 0) ^ 1;
    expect(signerOf(manifest, made.toString('base64'), keys)).toBeUndefined();
  });
  it.each([true, false])('of minisign is known, prehashed: %s', (prehash) => {
    const { key, signature } = minisign(manifest, { prehash });
    const keys = [parseKey('release.pub', key)];
    expect(signerOf(manifest, signature, keys)).toBe('release.pub');
    expect(signerOf(`${manifest} `, signature, keys)).toBeUndefined();
    const forged = signature.replace('timestamp:1763721600', 'timestamp:1763721601');
    expect(signerOf(manifest, forged, keys)).toBeUndefined();
  });
  it.each(Object.entries(MINISIGN_0_11.signatures))(
    'that minisign 0.11 made (%s) is known',
    (_form, signature) => {
      const raw: Signed = {
        ...{ name: 'debian-12', version: '20261121', kind: 'raw', doc: { kernelArguments: '' } },
        files: [{ role: 'disk', sha256: 'a'.repeat(64) }],
      };
      const keys = [parseKey('k.pub', MINISIGN_0_11.key)];
      expect(signerOf(manifestOf(raw), signature, keys)).toBe('k.pub');
      expect(
        signerOf(manifestOf({ ...raw, version: '20261122' }), signature, keys),
      ).toBeUndefined();
    },
  );
  it('of minisign counts by its own key alone', () => {
    const ours = minisign(manifest, { prehash: true, id: 1 });
    const theirs = minisign(manifest, { prehash: true, id: 2 });
    expect(signerOf(manifest, ours.signature, [parseKey('theirs', theirs.key)])).toBeUndefined();
  });
  it.each([
    '',
    'x',
    'AAAA',
    '\n\n\n',
    'a\nb\nc\nd',
    'untrusted comment: x\n\ntrusted comment: y\n',
  ])('%j is none', (text) => {
    const { key } = minisign(manifest, { prehash: true });
    expect(signerOf(manifest, text, [parseKey('k', key)])).toBeUndefined();
  });
});

describe('a key', () => {
  it('is Ed25519, in one of two forms', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    expect(() => parseKey('k', pemOf(rsa))).toThrow(/of type rsa/);
    expect(() => parseKey('k', 'ssh-ed25519 AAAA')).toThrow(/neither PEM nor/);
    expect(() => parseKey('k', '')).toThrow(/neither PEM nor/);
  });
});

describe('a version', () => {
  const opened: StoreWorld[] = [];
  afterEach(async () => {
    for (const { store, folder } of opened.splice(0)) {
      await store.stop();
      folder.drop(folder.root);
    }
  });
  it('is refused without a signature where one is needed, and with one that nobody made anywhere', async () => {
    const made = createStoreWorld();
    opened.push(made);
    const { privateKey, publicKey } = pair();
    const hash = await made.put(Buffer.from('a disk'));
    const raw = {
      ...{ name: 'x', version: '1', kind: 'raw' as const },
      doc: { description: '', kernelArguments: '' },
      files: [{ role: 'disk', sha256: hash }],
    } as const;
    const keys = [parseKey('release', pemOf(publicKey))];
    const add = (desk: ReturnType<StoreWorld['desk']>, signature: string) =>
      made.world.inventory.transaction(() => desk.add(raw, signature, { who: 'ann', why: '' }));
    const strict = made.desk({ keys, requireSignature: true });
    expect(() => add(strict, '')).toThrow(/every version needs one/);
    const wrong = sign(null, Buffer.from('else'), privateKey).toString('base64');
    expect(() => add(made.desk({ keys }), wrong)).toThrow(/None of the configured keys/);
    expect(made.world.inventory.images.list()).toEqual([]);
    const good = sign(null, Buffer.from(manifestOf(raw)), privateKey).toString('base64');
    expect(add(strict, good).signedBy).toBe('release');
    expect(sha256('a disk')).toBe(hash);
  });
});
