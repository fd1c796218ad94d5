/** The flight recorder over a world without sockets: one machine that asks, and a clock that steps by seconds. */

import { createBootRules } from '../../src/boot/binaries.ts';
import { overrideOf as way } from '../../src/boot/quirks.ts';
import { parseConfig } from '../../src/config.ts';
import { MESSAGE, OPTION, u32 } from '../../src/dhcp/options.ts';
import { encodePacket } from '../../src/dhcp/packet.ts';
import type { DhcpExchange } from '../../src/dhcp/server.ts';
import type { NewEvent } from '../../src/events.ts';
import { createStallWatch } from '../../src/inventory/stall-watch.ts';
import { createRecorder } from '../../src/recorder/recorder.ts';
import type { BootId } from '../../src/wire/ids.ts';
import type { Mac } from '../../src/wire/mac.ts';
import { type CLIENTS, createWorld, dhcpPacket, ipv4, mac } from './world.ts';

export const A = mac('52:54:00:00:00:0a');
type Client = keyof typeof CLIENTS;

/** A world with its recorder; `step` is one second of the daemon's housekeeping. */
export function record(configText = '') {
  const world = createWorld(undefined, configText);
  const { inventory, clock } = world;
  const rules = createBootRules(parseConfig(configText).boot, () => true);
  const localBootOf = (of: Mac) => {
    const hardwarename = inventory.machines.stateByMac(of)?.hardwarename;
    const subject = { mac: of, hardwarename, product: undefined };
    return rules.localBootOf(
      subject,
      inventory.serverdb.quirks.known('local-boot', of, hardwarename),
    );
  };
  const overrideOf = (of: Mac) => way(inventory.serverdb.quirks.known('override', of, undefined));
  const watched: number[] = [];
  const watch = {
    set(addresses: readonly number[]) {
      watched.splice(0, watched.length, ...addresses);
    },
  };
  const faults: string[] = [];
  const recorder = createRecorder({
    onError: (error, what) => void faults.push(`${what}: ${(error as Error).message}`),
    watch,
    ...{ db: world.db, inventory, clock, live: () => undefined, proxied: new Set<string>() },
    ...{ localBootOf, overrideOf },
  });
  const stalls = createStallWatch({ ...inventory, clock, mono: clock });
  const step = (ms = 1000) => {
    world.pass(ms);
    recorder.tick(stalls());
  };
  /** One packet through the DHCP rules and past the recorder. */
  const send = (
    type: number,
    client: Client,
    iface = 'prov0',
    options: [number, Uint8Array][] = [],
  ) => {
    const packet = dhcpPacket({ mac: A, type, client }, options);
    const outcome = world.dhcp(packet, iface);
    const exchange: DhcpExchange = {
      ...{ iface, via: undefined, at: world.time.now, bytes: encodePacket(packet) },
      source: { address: '0.0.0.0', port: 68 },
      reply:
        outcome.kind === 'reply'
          ? { bytes: encodePacket(outcome.reply), address: '255.255.255.255', port: 68 }
          : undefined,
      drop: outcome.kind === 'drop' ? outcome.reason : undefined,
      boot: outcome.kind === 'drop' ? undefined : outcome.event?.boot,
    };
    recorder.served([exchange]);
    return outcome;
  };
  const lease = (client: Client) => {
    const offered = send(MESSAGE.discover, client);
    const address = offered.kind === 'reply' ? offered.reply.yiaddr : ipv4('0.0.0.0');
    const options: [number, Uint8Array][] = [
      [OPTION.requestedAddress, u32(address)],
      [OPTION.serverId, u32(ipv4('10.77.0.1'))],
    ];
    send(MESSAGE.request, client, 'prov0', options);
  };
  const append = (event: Pick<NewEvent, 'name' | 'data'>) =>
    inventory.transaction(() => {
      const boot = inventory.boots.latest(A);
      const subject = { mac: A, boot: boot?.id, hardwarename: boot?.hardwarename };
      inventory.events.append({ ...event, ...subject } as NewEvent);
      if (boot) inventory.boots.touch(boot.id);
    });
  const bootId = () => inventory.boots.latest(A)?.id ?? ('' as BootId);
  const fetched = (file: string) => {
    append({
      name: 'tftp.started',
      data: {
        file,
        blksizeBytes: 1468,
        windowsize: 4,
        sizeBytes: 100_000,
        asked: 'blksize 1468 tsize 0',
        granted: 'blksize 1468 tsize 100000',
      },
    });
    append({
      name: 'tftp.sent',
      data: { file, sizeBytes: 100_000, durationMs: 20, retransmits: 0 },
    });
    inventory.transaction(() => inventory.boots.binaryServed(bootId()));
  };
  const diagnosed = () =>
    inventory.events
      .after(0, 1000)
      .flatMap((one) => (one.name === 'boot.diagnosed' ? [one.data.diagnosis] : []));
  return {
    ...world,
    recorder,
    faults,
    watched,
    step,
    send,
    lease,
    append,
    bootId,
    fetched,
    diagnosed,
  };
}
