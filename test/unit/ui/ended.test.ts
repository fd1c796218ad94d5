import { describe, expect, it } from 'vitest';
import { limit } from '../../../src/limits.ts';
import { createEnded, ENDED_MAX } from '../../../src/ui/ended.ts';

describe('boots that are over, on the board', () => {
  it('are as many as the appliance tells of to whoever opens the page', () => {
    expect(ENDED_MAX).toBe(limit('boardBootsMax'));
  });

  it('let the oldest go, and hold no more than that however many there were', () => {
    const ended = createEnded(3);
    const gone = ['a', 'b', 'c', 'd', 'e'].map((key) => ended.add(key));
    expect(gone).toEqual([undefined, undefined, undefined, 'a', 'b']);
  });

  it('count a machine once, by its last boot', () => {
    const ended = createEnded(2);
    for (const key of ['a', 'b', 'a']) expect(ended.add(key)).toBeUndefined();
    expect(ended.add('c')).toBe('b');
  });

  it('forget one that boots again, and all when the fleet is read anew', () => {
    const ended = createEnded(2);
    ended.add('a');
    ended.add('b');
    ended.remove('a');
    expect(ended.add('c')).toBeUndefined();
    ended.clear();
    expect(ended.add('d')).toBeUndefined();
    expect(ended.add('e')).toBeUndefined();
    expect(ended.add('f')).toBe('d');
  });
});
