import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { isCutOutside } from '../../../src/platform/cut-outside.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

function interfaces(all: Record<string, { type?: string; card?: true; over?: string[] }>): string {
  const folder = temporaryFolder('interfaces');
  for (const [name, { type, card, over = [] }] of Object.entries(all)) {
    mkdirSync(join(folder, name));
    writeFileSync(
      join(folder, name, 'uevent'),
      `${type ? `DEVTYPE=${type}\n` : ''}INTERFACE=${name}\n`,
    );
    if (card) mkdirSync(join(folder, name, 'device'));
    for (const lower of over) mkdirSync(join(folder, name, `lower_${lower}`));
  }
  return folder;
}

it('knows an interface that ends in network cards from one that ends in this machine', () => {
  const folder = interfaces({
    eth0: { card: true },
    eth1: { card: true },
    veth0: {},
    lo: {},
    'eth0.20': { type: 'vlan', over: ['eth0'] },
    'veth0.20': { type: 'vlan', over: ['veth0'] },
    bond0: { type: 'bond', over: ['eth0', 'eth1'] },
    'bond0.7': { type: 'vlan', over: ['bond0'] },
    br0: { type: 'bridge', over: ['bond0.7'] },
    br1: { type: 'bridge', over: ['eth1', 'veth0'] },
    br2: { type: 'bridge' },
    mac0: { type: 'macvlan', over: ['eth0'] },
  });
  const cut = (iface: string) => isCutOutside(iface, folder);
  expect(['eth0', 'eth0.20', 'bond0', 'bond0.7', 'br0'].map(cut)).toEqual(Array(5).fill(true));
  expect(['veth0', 'lo', 'veth0.20', 'br1', 'br2', 'mac0', 'gone'].map(cut)).toEqual(
    Array(7).fill(false),
  );
});
