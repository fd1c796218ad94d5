/**
 * Passwords in the files of the database: in none, whatever the files hold of rows that are there, were changed or were
 * deleted. The search is proven by a word that is stored in the open, and then deleted: it has to be found.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openInventory } from '../../../src/inventory/inventory.ts';
import { createSecretBox } from '../../../src/inventory/secrets.ts';
import { backupDatabase } from '../../../src/platform/backup.ts';
import { openDatabase } from '../../../src/platform/sqlite.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { createPeople } from '../../support/people.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SECRET = 'Zq7-rest-Pw8k';
const OPEN_WORD = 'Zq7-open-Hd3m';
const CAUSE = { who: 'test', why: 'test' };

const folder = temporaryFolder('secrets');
const file = join(folder, 'reveille.db');
const db = openDatabase(file);
afterAll(() => void (db.open && db.close()));

/** Names of files that hold a word: as it stands, in UTF-16, in base64 or in hex. */
function holding(word: string): string[] {
  const spellings = [
    ...[Buffer.from(word, 'utf8'), Buffer.from(word, 'utf16le')],
    ...['base64', 'hex'].map((as) => Buffer.from(Buffer.from(word).toString(as as 'hex'))),
  ];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const path = join(folder, name);
    if (!statSync(path).isFile()) return false;
    const bytes = readFileSync(path);
    return spellings.some((spelling) => bytes.includes(spelling));
  });
}

const pages = (name: 'freelist_count' | 'page_count') =>
  db.pragma(name, { simple: true }) as number;

describe('a password', () => {
  it('is in no file of the database: log, free pages, backup and copy among them', async () => {
    const inventory = openInventory({
      ...{ db, clock: () => 1_700_000_000_000 as Millis },
      secrets: createSecretBox(() => new Uint8Array(32).fill(7)),
    });
    const { credentials, bmcs } = inventory.serverdb;
    const put = (name: string, password: string) =>
      inventory.transaction(() =>
        credentials.put({ name, squad: '', username: 'admin', notes: '', password }, CAUSE),
      );
    // Enough to fill pages, which deleting frees.
    for (let index = 0; index < 300; index++) put(`c${index}`, `${SECRET}-${index}`);
    for (let index = 0; index < 300; index++) put(`c${index}`, `${SECRET}-again-${index}`);
    inventory.transaction(() => bmcs.write('10.0.0.1', { address: '10.0.0.1', credential: 'c1' }));
    db.exec(`CREATE TABLE open_words (word TEXT); WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n
      WHERE i < 2000) INSERT INTO open_words SELECT '${OPEN_WORD}-' || i FROM n`);
    const log = `${file}-wal`;
    expect(statSync(log).size).toBeGreaterThan(100_000);
    expect(holding(OPEN_WORD)).toEqual(['reveille.db-wal']);
    expect(holding(SECRET)).toEqual([]);

    inventory.transaction(() => {
      for (let index = 0; index < 300; index++) credentials.remove(`c${index}`, 'test');
    });
    db.exec('DROP TABLE open_words');
    db.pragma('wal_checkpoint(TRUNCATE)');
    expect(pages('freelist_count')).toBeGreaterThan(10);
    // What was deleted is still in the free pages: this search sees them.
    expect(holding(OPEN_WORD)).toContain('reveille.db');
    expect(holding(SECRET)).toEqual([]);

    put('kept', SECRET);
    await backupDatabase(file, { folder: join(folder, 'backups'), keep: 1, now: new Date() });
    db.exec(`VACUUM INTO '${join(folder, 'copy.db')}'`);
    expect(holding(OPEN_WORD).some((name) => name.startsWith('backups'))).toBe(true);
    expect(holding(SECRET)).toEqual([]);
    expect(credentials.open('kept').password).toBe(SECRET);
  });

  it('cannot be tried out on what is kept for an Idempotency-Key', async () => {
    const people = await createPeople();
    const body = { username: 'root', password: SECRET };
    const put = (key: string, sent: object) =>
      people.admin('PUT', '/credentials/c1', {
        ...{ body: sent, version: '*', headers: { 'idempotency-key': key } },
      });
    await put('k1', body);
    await put('k2', body);
    const digests = people.world.db
      .prepare<[], { digest: string }>('SELECT digest FROM idempotency ORDER BY key')
      .all()
      .map(({ digest }) => digest);
    // Equal requests have equal digests, whatever is in them.
    expect(digests).toEqual([digests[0], digests[0]]);
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
    const guess = JSON.stringify({ squad: '', ...body, notes: '' });
    const tried = [guess, JSON.stringify(body)].map((text) =>
      createHash('sha256').update(`PUT /api/v1/credentials/c1 ${text}`).digest('hex'),
    );
    expect(tried).not.toContain(digests[0]);
    const again = await put('k1', body);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect((await put('k1', { ...body, password: `${SECRET}-2` })).status).toBe(422);
    const [one, two] = [1, 2].map((fill) =>
      createSecretBox(() => new Uint8Array(32).fill(fill)).digest(guess, 'idempotency'),
    );
    expect(one).not.toBe(two);
  });
});
