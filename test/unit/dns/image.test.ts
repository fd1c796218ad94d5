import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { createImage, hashOctets, ImageReader, ImageWriter } from '../../../src/dns/image.ts';
import { SpreadMap } from '../../../src/dns/spread-map.ts';
import { TYPE } from '../../../src/dns/types.ts';
import { dnsName } from '../../support/dns.ts';
import { spentMs } from '../../support/spent.ts';

const SIZE = { names: 100, arenaBytes: 65_536, zones: 4 };
const name = dnsName('web1.lon.example');
const octets = Uint8Array.from(name, (char) => char.charCodeAt(0));
const node = (address: string) => ({
  ...{ flags: 0, zone: 1 },
  rrsets: [{ type: TYPE.A, ttl: 60, rdatas: [address] }],
});

describe('a change of an image', () => {
  it('is nowhere to be found until it is linked, and then in the place of what was there', () => {
    const writer = new ImageWriter(createImage(SIZE));
    const reader = new ImageReader(writer.buffer);
    const found = () => reader.find(hashOctets(name), octets, 0, octets.length);
    const first = writer.stage(name, node('\x0a\0\0\x01'));
    expect(found()).toBe(0);
    writer.link(first);
    expect(found()).toBe(first);
    const second = writer.stage(name, node('\x0a\0\0\x02'));
    expect(found()).toBe(first);
    expect(writer.deadBytes).toBe(0);
    writer.link(second);
    expect(found()).toBe(second);
    expect(writer.deadBytes).toBeGreaterThan(0);
    writer.unlink(name);
    writer.unlink(name);
    expect([found(), writer.has(name)]).toEqual([0, false]);
  });

  it('that is under way is waited for asleep: the core is the writer’s', async () => {
    const writer = new ImageWriter(createImage(SIZE));
    writer.begin();
    const code = `const { workerData, parentPort } = require('node:worker_threads');
      const words = new Int32Array(workerData);
      const end = () => { Atomics.add(words, 0, 1); Atomics.notify(words, 0); };
      parentPort.once('message', () => setTimeout(end, 300));`;
    const worker = new Worker(code, { eval: true, workerData: writer.buffer });
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    await new Promise((resolve) => worker.once('online', resolve));
    const started = performance.now();
    worker.postMessage('end it');
    const wait = () => expect(new ImageReader(writer.buffer).settled()).toBe(2);
    expect(spentMs(wait)).toBeLessThan(60);
    expect(performance.now() - started).toBeGreaterThan(100);
    await ended;
  });
});

describe('a map in parts', () => {
  it('holds what one map would', () => {
    const [spread, one] = [new SpreadMap<string, number>(), new Map<string, number>()];
    for (let n = 0; n < 5000; n++) {
      const key = `web${(n * 7919) % 1500}`;
      if (n % 3 === 0) {
        spread.delete(key);
        one.delete(key);
      } else {
        spread.set(key, n);
        one.set(key, n);
      }
    }
    expect(spread.size).toBe(one.size);
    expect([...spread.keys()].sort()).toEqual([...one.keys()].sort());
    for (const [key, value] of one) expect(spread.get(key)).toBe(value);
    expect(spread.get('nobody')).toBeUndefined();
  });
});
