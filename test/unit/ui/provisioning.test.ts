/** What the portal makes of a request form, of a request's places and log, and of what squads have: its pure parts. */
import { describe, expect, it } from 'vitest';
import { requestSchema } from '../../../src/provisioning/request.ts';
import {
  entryWords,
  type Place,
  placeWord,
  shareOf,
} from '../../../src/ui/provisioning/progress.ts';
import { readTypeQuotas, typeQuotaText, usageOf } from '../../../src/ui/provisioning/usage.ts';
import { bodyOf, lacking, NO_WISH, readWish } from '../../../src/ui/provisioning/wish.ts';

const WISH = { ...NO_WISH, role: ' fancydb ', count: '10', image: 'debian-12/stable' };

describe('a request form', () => {
  it('says what has to be said first, in the order of the form', () => {
    expect(lacking({ ...NO_WISH, count: '0' })).toEqual(['how many', 'the role', 'the image']);
    expect(lacking(WISH)).toEqual([]);
    for (const count of ['', '1.5', '-3', '1e3', 'ten'])
      expect(lacking({ ...WISH, count })).toHaveLength(1);
  });

  it('leaves out what was left empty', () => {
    expect(bodyOf(WISH)).toEqual({ count: 10, role: 'fancydb', image: 'debian-12/stable' });
  });

  it('makes a body that the API takes, of every field', () => {
    const body = bodyOf({
      ...WISH,
      ...{ hardware: '2 NVMe >= 1 TB', squad: 'music', site: 'lon', hall: 'H1' },
      ...{ racks: 'R01, R02 R03', perRackMax: '2', even: true, pattern: '{role}{n:2}' },
      ...{ sshKeys: 'ssh-ed25519 AAAA ada\n\n ssh-ed25519 BBBB grace \n', why: 'more load' },
      ...{ parallel: '20', priority: '-5', disks: ' smallest ssd ' },
    });
    expect(body.racks).toEqual(['R01', 'R02', 'R03']);
    expect(body.sshKeys).toEqual(['ssh-ed25519 AAAA ada', 'ssh-ed25519 BBBB grace']);
    expect(body).toMatchObject({
      parallel: 20,
      priority: -5,
      install: { disks: 'smallest ssd' },
      spread: { perRackMax: 2, even: true },
    });
    expect(requestSchema.parse(body)).toMatchObject({
      ...body,
      hostname: { pattern: '{role}{n:2}' },
    });
    expect(requestSchema.parse(bodyOf(WISH)).parallel).toBe(100);
  });

  it('keeps what a form does not have, and knows an empty box from none', () => {
    const form = new FormData();
    form.set('role', 'web');
    form.set('even', 'on');
    expect(readWish(form, WISH)).toEqual({ ...WISH, role: 'web', even: true });
    expect(readWish(new FormData(), { ...WISH, even: true }).even).toBe(false);
  });
});

const PLACE: Place = {
  ...{ place: 0, status: 'claimed', hostname: 'fancydb1', machine: 'C0MPUT3', rack: 'R1', why: '' },
  ...{ tries: 1, job: 'j', step: 'install', waitingFor: '', sinceAt: 1000, remainingMs: 3000 },
};

describe('the history of a request', () => {
  it('tells what was called off from what failed', () => {
    const failed = { is: 'failed', place: 1, machine: 'SN1', code: '', detail: '' };
    expect(entryWords(failed)).toBe('Place 2: the install of SN1 has been called off.');
    expect(entryWords({ ...failed, code: 'BMC_REFUSED', detail: 'no' })).toBe(
      'Place 2: SN1 failed, BMC_REFUSED no',
    );
    const shrunk = { is: 'shrunk', places: [1, 2], who: 'ann', why: 'pool web is to be smaller' };
    expect(entryWords(shrunk)).toBe('ann wants 2 fewer: pool web is to be smaller');
  });
});

describe('a place of a request', () => {
  it('is as far as time has gone, and never over before it is', () => {
    expect(shareOf(PLACE, 2000)).toBe(0.25);
    expect(shareOf({ ...PLACE, remainingMs: 0 }, 9000)).toBe(0.99);
    expect(shareOf(PLACE, 0)).toBe(0);
    expect(shareOf({ ...PLACE, status: 'done' }, 2000)).toBe(1);
    expect(shareOf({ ...PLACE, status: 'open' }, 2000)).toBe(0);
  });

  it('pretends nothing where nobody knows how long it takes', () => {
    expect(shareOf({ ...PLACE, remainingMs: null }, 2000)).toBeUndefined();
  });

  it('is wanted first, and wanted anew after a failure', () => {
    expect(placeWord({ ...PLACE, status: 'open', tries: 0 })).toBe('wanted');
    expect(placeWord({ ...PLACE, status: 'open', tries: 1 })).toBe('replacing');
    expect(placeWord(PLACE)).toBe('installing');
    expect(placeWord({ ...PLACE, status: 'done' })).toBe('in-use');
  });

  it('has a history in sentences that count places from one', () => {
    const claimed = {
      is: 'claimed',
      place: 0,
      machine: 'C0MPUT3',
      hostname: 'db1',
      why: 'it is warm',
    };
    expect(entryWords(claimed)).toBe('Place 1: C0MPUT3 as db1, because it is warm');
    expect(entryWords({ is: 'waiting', missing: 2, why: 'capacity' })).toBe(
      'It waits for 2 more: capacity',
    );
    expect(entryWords({ is: 'new kind' })).toBe('{"is":"new kind"}');
  });
});

describe('what squads have', () => {
  const of = (squad: string, state: string, hardwareType: string) => ({
    squad,
    state,
    hardwareType,
  });

  it('is counted as the appliance counts it: broken and retired are nobody’s to use', () => {
    const usage = usageOf([
      of('music', 'in-use', 'gpu'),
      of('music', 'held', 'gpu'),
      of('music', 'installing', 'high-io'),
      of('music', 'broken', 'gpu'),
      of('music', 'retired', 'gpu'),
      of('', 'available', 'gpu'),
    ]);
    expect(usage.get('music')).toEqual({
      machines: 3,
      types: new Map([
        ['gpu', 2],
        ['high-io', 1],
      ]),
      out: 2,
    });
    expect(usage.get('')?.machines).toBe(1);
  });

  it('is limited by what a person writes, and read back the same', () => {
    expect(readTypeQuotas(' gpu 4, high-io=20 ,')).toEqual({ gpu: 4, 'high-io': 20 });
    expect(readTypeQuotas(typeQuotaText({ gpu: 4, 'high-io': 0 }))).toEqual({
      gpu: 4,
      'high-io': 0,
    });
    expect(readTypeQuotas('')).toEqual({});
    expect(() => readTypeQuotas('gpu many')).toThrow("'gpu many' is not a type and a number");
  });
});
