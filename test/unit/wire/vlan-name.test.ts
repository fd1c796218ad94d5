import { expect, it } from 'vitest';
import { vlanNamed, wayUp } from '../../../src/wire/vlan-name.ts';

it.each([
  ['eth0.100', { parent: 'eth0', tag: 100 }],
  ['bond0.4094', { parent: 'bond0', tag: 4094 }],
  // A VLAN in a VLAN.
  ['eth0.7.20', { parent: 'eth0.7', tag: 20 }],
  ['eth0', undefined],
  ['eth0.', undefined],
  ['.5', undefined],
  ['eth0.0', undefined],
  ['eth0.4095', undefined],
  ['eth0.12345', undefined],
  ['eth0.1x', undefined],
])('%s', (name, vlan) => expect(vlanNamed(name)).toEqual(vlan));

it('says how to bring it up', () => {
  expect(wayUp('eth0')).toBe('ip link set eth0 up');
  expect(wayUp('eth0.100')).toBe(
    'ip link add link eth0 name eth0.100 type vlan id 100; ip link set eth0.100 up',
  );
});
