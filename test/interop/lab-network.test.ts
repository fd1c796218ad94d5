/** The lab's network goes away whole, whatever of it went before: the kernel ends namespaces and links in its own time. */
import { expect, it } from 'vitest';
import { createNetwork, destroyNetwork, ip, planNetwork } from '../../qemu-lab/network.ts';

const left = (id: string): string[] =>
  `${ip('netns', 'list')}${ip('-o', 'link')}`.split('\n').filter((line) => line.includes(id));

it.each([
  ['nothing', () => undefined],
  ['its link', (id: string) => ip('link', 'delete', `${id}-m`)],
  ['a namespace', (id: string) => ip('netns', 'delete', `${id}-sw`)],
  ['the namespace of the link', (id: string) => ip('netns', 'delete', `${id}-app`)],
])('goes away when %s is gone before it', (_, goes) => {
  const id = `rv${process.pid.toString(16).padStart(4, '0').slice(-4)}`;
  const net = planNetwork(id);
  try {
    createNetwork(net, { taps: ['tap0'], outOfBand: true });
    expect(left(id)).toHaveLength(3);
    goes(id);
  } finally {
    destroyNetwork(net);
  }
  expect(left(id)).toEqual([]);
  destroyNetwork(net);
});
