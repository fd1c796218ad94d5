/** What people are told of a document that is not of its form. */
import { describe, expect, it } from 'vitest';
import { installParams } from '../../../src/jobs/kinds/install-params.ts';
import { issueOf } from '../../../src/wire/schema.ts';

const told = (params: object) => {
  const { error } = installParams.safeParse({ image: 'debian-12/stable', ...params });
  const { path, message } = error ? issueOf(error) : { path: [], message: 'it is taken' };
  return `${path.join('/')}: ${message}`;
};

describe('an issue', () => {
  it.each([
    [{ disks: 'biggest' }, /^disks: say for example: smallest ssd/],
    [{ disks: { kind: 'tape' } }, /^disks\/kind: .*"any"\|"ssd"/],
    [{ layout: 'raid5' }, /^layout: .*"plain"\|"lvm"\|"raid1"/],
    [{ layout: { volumes: [{ mount: '/', fs: 'ntfs' }] } }, /^layout\/volumes\/0\/fs: .*"ext4"/],
    [{ disks: 7 }, /^disks: Invalid input$/],
    [{ disk: 'first disk' }, /^disk: Unrecognized key/],
    [{ image: 7 }, /^image: .*expected string/],
    [{}, /^: it is taken$/],
  ])('of %j is at its place, and says what would do', (params, says) => {
    expect(told(params)).toMatch(says);
  });
});
