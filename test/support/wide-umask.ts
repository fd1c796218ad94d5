/** Makes every kind of private file under a umask that hides nothing, and prints their modes. Argument: an empty folder. */
import { chmodSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { backupDatabase, copyBeforeMigration } from '../../src/platform/backup.ts';
import { readOrMakeKey } from '../../src/platform/secret-key.ts';
import { openDatabase } from '../../src/platform/sqlite.ts';

const [root = ''] = process.argv.slice(2);
process.umask(0);
const folder = join(root, 'var');
const file = join(folder, 'reveille.db');
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
const db = openDatabase(file);
db.exec('CREATE TABLE one (two TEXT)');
readOrMakeKey(`${file}.key`);
copyBeforeMigration(db, 1, new Date(0));
await backupDatabase(file, { folder: join(folder, 'backups'), keep: 1, now: new Date(0) });
const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
const modes = Object.fromEntries(names.map((name) => [name, mode(join(folder, name))]));
db.close();
chmodSync(file, 0o666);
openDatabase(file).close();
process.stdout.write(JSON.stringify({ folder: mode(folder), modes, again: mode(file) }));
