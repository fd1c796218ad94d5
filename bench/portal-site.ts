/**
 * The site that the portal bench looks at, in a process of its own: the people's listener with thousands of machines on record,
 * and boots that follow one another at a steady rate of events.
 *
 * Nothing is replayed from a file: each event is made by the code that makes it in the daemon (DHCP's rules, the boot desk,
 * the inventory that takes a report), over a database in memory. What is left out are sockets to machines and the disk, which
 * are other benches' work; the browser shares the cores with nothing else. Spoken to over the channel of child processes.
 */
import '../src/platform/require-node.ts';
import type { Hardwarename } from '../src/wire/ids.ts';
import { formatIpv4, type Ipv4 } from '../src/wire/ipv4.ts';
import type { Millis } from '../src/wire/time.ts';
import { furnish, macOf, openPortal, type Portal, uuidOf } from '../test/support/portal.ts';
import { bytesOf, report } from '../test/support/reports.ts';
import { dhcpPacket, ipv4, mac, u32 } from '../test/support/world.ts';

export type Command =
  | { readonly do: 'start'; readonly perSecond: number }
  /** Puts a machine on hold, which brings it to the top of the board, and lets it go again. */
  | { readonly do: 'hold' | 'release'; readonly name: string }
  | { readonly do: 'count' };

export type Answer =
  | { readonly is: 'ready'; readonly url: string; readonly names: readonly string[] }
  /** `at`: by this machine's clock, when the change had been committed. */
  | { readonly is: 'moved'; readonly at: number }
  | { readonly is: 'count'; readonly events: number; readonly at: number }
  | { readonly is: 'failed'; readonly why: string };

const SEGMENT = `site: lab
dhcp:
  segments:
    - { name: hall, iface: prov0, address: 10.64.0.1, cidr: 10.64.0.0/15, pool: { first: 10.64.1.0, last: 10.65.255.200 } }
`;
const SERVER = ipv4('10.64.0.1');
/** At once: a hall of machines that are switched on one after the other, each some seconds behind the one before. */
const BOOTING = 60;
const TICK_MS = 50;
/** A browser that falls behind must not make the site catch up in one go. */
const BEHIND_MAX = 50;

/** One boot of machine `n`, a step at a time. */
function* bootOf({ world, tell }: Portal, n: number): Generator<void> {
  const { inventory } = world;
  const of = mac(macOf(n));
  const exchange = (client: 'uefi' | 'ipxe') => {
    const offer = world.dhcp(dhcpPacket({ mac: of, type: 1, client }));
    if (offer.kind !== 'reply') throw new Error(`${macOf(n)} was offered nothing`);
    return offer.reply.yiaddr;
  };
  const request = (client: 'uefi' | 'ipxe', address: Ipv4) => {
    const options = [[54, u32(SERVER)] as const, [50, u32(address)] as const];
    const outcome = world.dhcp(dhcpPacket({ mac: of, type: 3, client }, options));
    if (outcome.kind !== 'reply') throw new Error(`${formatIpv4(address)} was not acknowledged`);
  };
  const first = exchange('uefi');
  yield;
  request('uefi', first);
  yield;
  const boot = inventory.boots.latest(of)?.id;
  if (!boot) throw new Error('no boot');
  const hardwarename = inventory.machines.byMac(of)?.hardwarename;
  const subject = { mac: of, boot, hardwarename };
  const file = 'snponly.efi';
  const sizeBytes = 173_792;
  const started = { file, blksizeBytes: 1468, windowsize: 4, sizeBytes };
  tell({ ...subject, name: 'tftp.started', data: started });
  yield;
  tell({
    ...{ ...subject, name: 'tftp.sent' },
    data: { file, sizeBytes, durationMs: 60, retransmits: 0 },
  });
  yield;
  const second = exchange('ipxe');
  yield;
  request('ipxe', second);
  yield;
  tell({ ...subject, name: 'ipxe.script', data: { mode: 'recon', why: '' } });
  yield;
  for (const [name, size] of FILES) {
    tell({ ...subject, name: 'http.sent', data: { file: name, sizeBytes: size, durationMs: 90 } });
    yield;
  }
  const said = { phase: 'recon', message: 'looking the machine over', percent: 0 };
  tell({ ...subject, name: 'agent.progress', data: { ...said, level: 'info' } });
  yield;
  const token = inventory.tokens.mint(boot, of, 'boot');
  const body = report({ serial: serialOf(n), uuid: uuidOf(n), macs: [macOf(n)] });
  inventory.ingest({ token, body: bytesOf(body) });
}

const FILES = [['vmlinuz', 8_247_232] as const, ['initrd.img', 11_867_392] as const];
/** As furnish() names them. */
const serialOf = (n: number) => `C0MP${n.toString(36).toUpperCase().padStart(4, '0')}`;

/** Boots of all machines in turn, without an end. @returns makes the next event or the next few */
function boots(portal: Portal, machines: number): () => void {
  let next = 0;
  const begin = () => bootOf(portal, 1 + (next++ % machines));
  // One NIC does not boot twice at a time.
  const running = Array.from({ length: Math.min(BOOTING, machines) }, begin);
  let turn = 0;
  return () => {
    const index = turn++ % running.length;
    if (running[index]?.next().done) running[index] = begin();
  };
}

function startLoad(portal: Portal, step: () => void, perSecond: number): void {
  const { events } = portal.world.inventory;
  const startedAt = Date.now();
  const before = events.lastId();
  let forgiven = 0;
  setInterval(() => {
    portal.world.time.now = Date.now() as Millis;
    const wanted = ((Date.now() - startedAt) / 1000) * perSecond - forgiven;
    let missing = wanted - (events.lastId() - before);
    if (missing > BEHIND_MAX) {
      forgiven += missing - BEHIND_MAX;
      missing = BEHIND_MAX;
    }
    const until = events.lastId() + Math.floor(missing);
    while (events.lastId() < until) step();
  }, TICK_MS);
}

function move({ world }: Portal, name: string, to: 'held' | 'available'): void {
  const { serverdb, transaction } = world.inventory;
  world.time.now = Date.now() as Millis;
  const by = { by: 'operator', who: 'bench', why: 'to be seen on the board' } as const;
  transaction(() => serverdb.editor.move(name as Hardwarename, to, by));
}

async function serve(machines: number): Promise<void> {
  const portal = await openPortal({ anonymousRead: true, config: SEGMENT });
  const names = furnish(portal.world, machines);
  const step = boots(portal, machines);
  const { events } = portal.world.inventory;
  // Once round, so that every machine has the timeline that it is going to have: what grows after that would be a leak.
  const first = events.lastId();
  for (let made = 0; made < machines * EVENTS_A_BOOT; made = events.lastId() - first) step();
  const answer = (one: Answer) => void process.send?.(one);
  process.on('message', (command: Command) => {
    switch (command.do) {
      case 'start':
        startLoad(portal, step, command.perSecond);
        return;
      case 'hold':
      case 'release':
        move(portal, command.name, command.do === 'hold' ? 'held' : 'available');
        answer({ is: 'moved', at: Date.now() });
        return;
      case 'count':
        answer({ is: 'count', events: events.lastId(), at: Date.now() });
    }
  });
  process.on('disconnect', () => process.exit());
  portal.world.time.now = Date.now() as Millis;
  answer({ is: 'ready', url: portal.url, names });
}

/** As counted of bootOf(): a few more or fewer change nothing. */
const EVENTS_A_BOOT = 13;

if (process.send) {
  serve(Number(process.argv[2])).catch((error: Error) => {
    process.send?.({ is: 'failed', why: error.stack ?? error.message } satisfies Answer);
    process.exitCode = 1;
    process.disconnect();
  });
}
