/**
 * A program that writes to a database without a pause, by a connection of its own: each transaction moves an amount from one
 * row to another, so that the sum is the same at every moment. Argument: the database. Says `writing` once it does.
 */
import Sqlite from 'better-sqlite3';

const [file = ''] = process.argv.slice(2);
const db = new Sqlite(file, { timeout: 20_000 });
db.pragma('journal_mode = WAL');
db.pragma('synchronous = OFF');
const rows = Number((db.prepare('SELECT count(*) AS n FROM sums').get() as { n: number }).n);
const move = db.prepare('UPDATE sums SET amount = amount + ? WHERE id = ?');
for (let turn = 0; ; turn++) {
  db.transaction(() => {
    move.run(1, (turn * 7919) % rows);
    move.run(-1, (turn * 104_729) % rows);
  }).immediate();
  if (turn === 100) process.stdout.write('writing\n');
}
