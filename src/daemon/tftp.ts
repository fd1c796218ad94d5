/** TFTP in the daemon: where it listens, and whose boot a transfer belongs to. */
import { blksizeCap } from '../boot/quirks.ts';
import { parseTokenPath } from '../boot/token-path.ts';
import { hideTokens } from '../capture/hide-tokens.ts';
import { createSegments, listenersOf } from '../dhcp/segment.ts';
import type { NewEvent } from '../events.ts';
import { maskTokens } from '../platform/log.ts';
import { seldomErrors } from '../platform/seldom.ts';
import type { TftpEvent } from '../tftp/ports.ts';
import { formatIpv4, parseIpv4 } from '../wire/ipv4.ts';
import type { Parts } from './core.ts';
import { bootOf, lookUp, shownName } from './tftp-lookup.ts';
import { openTftpService, type TftpClient, type TftpService } from './tftp-service.ts';
import { whoHas } from './who-has.ts';

/** @returns whether it serves: its thread may be gone for a moment */
export async function startTftp(parts: Parts): Promise<Pick<TftpService, 'alive'>> {
  const { config, desk, log, metrics } = parts;
  const listeners = listenersOf(createSegments(config.dhcp), config.dhcp.relayInterfaces);
  const holder = whoHas(parts);
  const tellError = seldomErrors(log);
  const addresses = new Set(listeners.flatMap((listener) => listener.addresses.map(formatIpv4)));
  const service = await openTftpService({
    networks: [...addresses].map((address) => ({ address, port: config.tftp.port })),
    folder: { root: config.boot.assets, standIns: desk.standIns },
    made: (name, server) => lookUp(parts, name, server),
    blksizeMaxOf: (address) => blksizeMaxOf(parts, address),
    log,
    onEvent(event, client) {
      count(metrics, event);
      noteTftp({ parts, holder, tellError }, event, client);
    },
    onDrop: (reason, count) => metrics.tftpDrops.inc({ reason }, count),
    onUnsent: (count) => metrics.unsent.inc(count),
    onThreadLost: () => metrics.threadsLost.inc({ thread: 'tftp' }),
  });
  parts.closers.push(() => service.close());
  parts.closers.push(followBlksizeCaps(parts, service.setBlksizeCaps));
  return service;
}

/** A file is counted when the last of it is acknowledged: what a client gave up is no load that was served. */
function count({ tftpTransfers, tftpSentBytes }: Parts['metrics'], event: TftpEvent): void {
  if (event.name === 'tftp.sent') {
    tftpTransfers.inc({ outcome: 'sent' });
    tftpSentBytes.inc(event.data.sizeBytes);
  } else if (event.name === 'tftp.failed')
    tftpTransfers.inc({ outcome: event.data.probe ? 'probe' : 'failed' });
}

/** Tells whether there is anybody who bears less than it asks for, now and after each change. @returns the way to stop */
export function followBlksizeCaps(
  { inventory }: Pick<Parts, 'inventory'>,
  tell: (known: boolean) => void,
): () => void {
  const note = () => tell(inventory.serverdb.quirks.tells('blksize'));
  note();
  return inventory.events.follow(note, 'machines');
}

/** What was learned of this machine, or of its model. @param text the address that it asks from */
export function blksizeMaxOf(
  { inventory }: Pick<Parts, 'inventory'>,
  text: string,
): number | undefined {
  const address = parseIpv4(text);
  const mac = address === undefined ? undefined : inventory.leases.macAt(address);
  if (!mac) return undefined;
  const hardwarename = inventory.machines.stateByMac(mac)?.hardwarename;
  return blksizeCap(inventory.serverdb.quirks.known('blksize', mac, hardwarename));
}

interface NotingParts {
  readonly parts: Parts;
  readonly holder: ReturnType<typeof whoHas>;
  readonly tellError: ReturnType<typeof seldomErrors>;
}

/**
 * Most names carry no token: the boot is that of the machine which holds the address. Nothing is told to anybody on the strength of
 * these events, so none of them waits for the disk: in a storm those waits would starve DHCP.
 */
function noteTftp(
  { parts, holder, tellError }: NotingParts,
  event: TftpEvent,
  client: TftpClient,
): void {
  const { inventory } = parts;
  try {
    const address = parseIpv4(client.address);
    const holding = address === undefined ? undefined : holder(address);
    const { file, why } = withoutToken(parts, event);
    const path = parseTokenPath(event.data.file);
    const boot = (path && bootOf(parts, path)) ?? (holding && inventory.boots.latest(holding));
    const mac = boot?.mac ?? holding;
    const data = { ...event.data, file, ...(why === undefined ? {} : { why }) };
    inventory.soon(() => {
      const subject = { mac, boot: boot?.id, hardwarename: boot?.hardwarename };
      inventory.events.append({ ...subject, name: event.name, data } as NewEvent);
      if (!boot) return;
      if (event.name === 'tftp.sent' && isLoader(file)) inventory.boots.binaryServed(boot.id);
      if (inventory.boots.touch(boot.id)) {
        inventory.events.append({ ...subject, name: 'boot.resumed', data: { after: event.name } });
      }
    });
  } catch (err) {
    tellError({ err, event: event.name }, 'a TFTP event could not be recorded');
  }
}

/**
 * No token is ever in an event: neither in the name of the file nor in what was said of it, however oddly it was asked for: with a
 * folder too many a name is no path of ours, and still has the token.
 */
export function withoutToken(
  parts: Parameters<typeof shownName>[0],
  { data, name }: TftpEvent,
): { readonly file: string; readonly why?: string } {
  const file = masked(shownName(parts, data.file));
  if (name !== 'tftp.failed') return { file };
  // A function: in a text `$&` would put the name back.
  return { file, why: masked(data.why.replaceAll(data.file, () => file)) };
}

const masked = (text: string): string => maskTokens(hideTokens(text));

/** What firmware and a shim fetch to run it: fetched over and over, it is a loop. */
const isLoader = (file: string): boolean => !/(^|\/)(grub\.cfg|vmlinuz|initrd\.img)$| /.test(file);
