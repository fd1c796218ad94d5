/** What a role brings, as it is typed and read in its form. */
import { describe, expect, it } from 'vitest';
import {
  keyWord,
  metadataText,
  readMetadata,
  rolesOf,
} from '../../../src/ui/provisioning/role-text.ts';

describe('metadata', () => {
  it('has JSON where it reads as JSON, and words elsewhere', () => {
    const text = ' cluster: main \n\nreplicas: 3\nzones: ["lon1"]\nurl: https://x.org:1/\nempty:';
    expect(readMetadata(text)).toEqual({
      ...{ cluster: 'main', replicas: 3, zones: ['lon1'], url: 'https://x.org:1/', empty: '' },
    });
  });

  it('is read back as it was written, whatever it holds', () => {
    const values = [
      '3',
      3,
      'true',
      null,
      '',
      ' a ',
      'two\nlines',
      '"quoted"',
      { deep: ['x'] },
      'a: b',
    ];
    const metadata = Object.fromEntries(values.map((value, index) => [`n${index}`, value]));
    expect(readMetadata(metadataText(metadata))).toEqual(metadata);
  });

  it('says what it cannot read', () => {
    expect(() => readMetadata('cluster main')).toThrow("'cluster main' is not a name and a value");
    expect(() => readMetadata('a: 1\na: 2')).toThrow('a is there twice');
  });
});

it('tells a key by who it is of', () => {
  expect(keyWord('ssh-ed25519 AAAAC3Nz dba at home')).toBe('dba at home');
  expect(keyWord('ssh-ed25519 AAAAC3NzaC1lZDI1')).toBe('ssh-ed25519 …aC1lZDI1');
});

it('counts the machines of each role', () => {
  const counts = rolesOf([{ role: 'web' }, { role: '' }, { role: 'web' }, { role: 'db' }]);
  expect([...counts]).toEqual([
    ['web', 2],
    ['db', 1],
  ]);
});
