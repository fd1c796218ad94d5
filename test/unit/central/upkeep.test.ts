/** What keeps the database quick may fail: it is told of once, counted, and tried again. */
import { describe, expect, it } from 'vitest';
import { openCounting } from '../../../src/central/counting.ts';
import type { FleetDatabase } from '../../../src/central/sql.ts';
import { openUpkeep } from '../../../src/central/upkeep.ts';
import { enterWords } from '../../../src/central/word-index.ts';

function ailing() {
  const said: { level: string; what: string; next?: string; failures?: number }[] = [];
  const note = (level: string) => (more: object) => void said.push({ level, ...more } as never);
  const upkeep = openUpkeep({ info: note('info'), warn: note('warn') } as never);
  let isWell = false;
  const asked: string[] = [];
  const answer = async (text: string) => {
    asked.push(text);
    if (!isWell) throw new Error('no more connections');
    return [];
  };
  const sql = { all: answer, run: answer };
  const transaction = (run: (of: object) => unknown) => run(sql);
  const db = { engine: 'postgresql', ...sql, transaction } as unknown as FleetDatabase;
  const recover = () => {
    isWell = true;
  };
  return { db, upkeep, said, asked, recover };
}

describe('what nobody waits for', () => {
  it('is told of once when it fails, with what comes next, and counted until it works', async () => {
    const { db, upkeep, said, recover } = ailing();
    for (let n = 0; n < 3; n++) await enterWords(db, upkeep);
    expect(said).toMatchObject([{ level: 'warn', what: 'words' }]);
    expect(said[0]?.next).toContain('the database enters them by itself');
    expect(upkeep.failures('words')).toBe(3);
    recover();
    await enterWords(db, upkeep);
    await enterWords(db, upkeep);
    expect(said.slice(1)).toMatchObject([{ level: 'info', what: 'words', failures: 3 }]);
    expect(upkeep.failures('words')).toBe(0);
  });

  it('is tried again with what comes next, and done once', async () => {
    const { db, upkeep, said, asked, recover } = ailing();
    const count = openCounting(db, upkeep);
    await count();
    await count();
    expect(said).toMatchObject([{ level: 'warn', what: 'counting' }]);
    recover();
    await Promise.all([count(), count()]);
    await count();
    expect(asked).toHaveLength(3);
    expect(upkeep.failures('counting')).toBe(0);
  });
});
