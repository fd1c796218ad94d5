/** The clock of a pair is the one by which DHCP reckons: it is looked at with each packet, and its leases have been moved before. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it, vi } from 'vitest';
import { parseConfig } from '../../../src/config.ts';
import type { PairSide } from '../../../src/daemon/standby-serving.ts';
import { startDaemon } from '../../../src/daemon.ts';
import type { DhcpServerOptions } from '../../../src/dhcp/server.ts';
import type { Millis } from '../../../src/wire/time.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const served = vi.hoisted(() => [] as unknown[]);
// Neither a socket is opened nor anything started behind DHCP.
vi.mock('../../../src/dhcp/server.ts', async (original) => ({
  ...(await original<object>()),
  serveDhcp: (options: unknown) => void served.push(options),
}));
vi.mock('../../../src/daemon/interfaces.ts', () => ({
  followInterfaces: async () => ({ close: () => undefined }),
}));
vi.mock('../../../src/daemon/dns.ts', () => ({ startDns: async () => undefined }));
vi.mock('../../../src/daemon/tftp.ts', () => ({
  startTftp: () => Promise.reject(new Error('so far')),
}));

it.each(['active', 'apart'] as const)('of one that is %s', async (mode) => {
  const folder = temporaryFolder('wiring');
  const config = parseConfig(
    `{ database: { file: ${folder}/r.db }, dhcp: { routerAdvert: false }, boot: { assets: ${folder}/boot, pxeimage: ${folder}/boot } }`,
  );
  mkdirSync(join(folder, 'boot'));
  const { bios, uefiX64 } = config.boot.binaries;
  for (const name of [bios, uefiX64, 'vmlinuz', 'initrd.img'])
    writeFileSync(join(folder, 'boot', name), '');
  const applyLease = vi.fn();
  const leaseDurable = vi.fn();
  const side = {
    ...{ mode, desk: {}, clock: () => 42 as Millis, isOver: () => false, run: () => ({}) },
    opened: () => ({ applyLease, leaseDurable, whenDurable: vi.fn() }),
  } as unknown as PairSide;
  const lines: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
  await expect(startDaemon(config, log, { pair: side })).rejects.toThrow('so far');
  const [dhcp] = served.splice(0) as [DhcpServerOptions];
  expect(dhcp.clock()).toBe(42);
  // A disk that is full fails every packet: one of them in the log says it.
  for (let n = 0; n < 1000; n++) dhcp.onError(new Error('database or disk is full'));
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain('a DHCP packet could not be served');
  expect([dhcp.applyLease, dhcp.whenDurable]).toEqual([applyLease, leaseDurable]);
});
