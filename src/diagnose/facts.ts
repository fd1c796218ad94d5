/**
 * What a flight record comes to: where the boot stands, and the few counts that rules ask for.
 *
 * Pure and total. A rule never walks the entries for a question that two rules have; it asks here. "Quiet" means that the
 * machine has given no sign for so long, or never will again: it began another boot.
 */
import type {
  DhcpEntry,
  Flight,
  FlightEntry,
  HttpEntry,
  PreviousBoot,
  TftpEntry,
} from './flight.ts';

/** How far a boot has got, in the order of a boot. */
export const PLACES = [
  'nothing',
  'asked',
  'offered',
  'acked',
  'loading',
  'loaded',
  'ipxe-asked',
  'ipxe-offered',
  'ipxe-acked',
  'script',
  'kernel',
  'initrd',
  'linux',
  'agent',
  'reported',
  'left',
] as const;
export type Place = (typeof PLACES)[number];

type Of<Kind extends FlightEntry['kind']> = Extract<FlightEntry, { kind: Kind }>;

export interface Facts {
  readonly flight: Flight;
  readonly place: Place;
  readonly lastAt: number;
  /** How long it has got no further; infinite when the machine began another boot. */
  readonly quietMs: number;
  readonly restarted: boolean;
  /** It has gone on asking for what it had asked for before. */
  readonly asksOn: boolean;
  readonly dhcp: readonly DhcpEntry[];
  readonly tftp: readonly TftpEntry[];
  readonly http: readonly HttpEntry[];
  of<Kind extends FlightEntry['kind']>(kind: Kind): readonly Of<Kind>[];
  /** DHCP messages of one type; `stages` limits who is asking. */
  messages(type: DhcpEntry['type'], ...stages: DhcpEntry['stage'][]): readonly DhcpEntry[];
  /** The last transfer that was no size probe. */
  readonly transfer: TftpEntry | undefined;
  /** The last download of the kernel or the initrd, and which of them was taken whole. */
  readonly download: HttpEntry | undefined;
  fetched(file: string): HttpEntry | undefined;
  /** It was handed a distribution's own installer, which says nothing between its template and its end. */
  readonly installer: boolean;
  readonly mode: string;
  readonly firmware: readonly DhcpEntry['stage'][];
  readonly uefi: boolean;
  readonly bootFile: string;
  /** It was handed a shim that goes on to GRUB, which asks for no address. */
  readonly grub: boolean;
  /** Every server that offered an address, or that the machine named in a REQUEST. */
  readonly servers: readonly string[];
  readonly relay: string;
  readonly previous: readonly PreviousBoot[];
  /** The words of the console, if there are any. */
  readonly console: string;
}

/**
 * No steps of a boot: what a BMC was told says nothing of the machine, and one that prints the same complaint for ever, or asks for
 * a name again and again, gets no further by it.
 */
const ASIDE: ReadonlySet<FlightEntry['kind']> = new Set(['bmc', 'console', 'dns']);

const FIRMWARE: readonly DhcpEntry['stage'][] = ['firmware', 'http-boot'];

/** @param final judge as if nothing more was ever heard, as of a capture that ends when people gave up */
export function readFacts(flight: Flight, final = false): Facts {
  const { entries } = flight;
  const of = <Kind extends FlightEntry['kind']>(kind: Kind) =>
    entries.filter((entry): entry is Of<Kind> => entry.kind === kind);
  const dhcp = of('dhcp');
  // What GRUB fetches by TFTP is to every question what iPXE fetches by HTTP; what is left are loaders.
  const tftp = of('tftp').filter(({ file }) => !ofGrub(file));
  const http = entries
    .flatMap((one) => (one.kind === 'http' ? [one] : one.kind === 'tftp' ? fetchedByGrub(one) : []))
    .map(asPayload);
  const messages = (type: DhcpEntry['type'], ...stages: DhcpEntry['stage'][]) =>
    dhcp.filter((one) => one.type === type && (stages.length === 0 || stages.includes(one.stage)));
  const lastAt = entries
    .filter(({ kind, at }) => !ASIDE.has(kind) || (kind === 'bmc' && at <= flight.startedAt))
    .reduce((last, entry) => Math.max(last, signAt(entry, flight)), flight.startedAt);
  const place = placeOf({ of, messages, tftp, http });
  const progressAt = progressOf(place, messages) ?? lastAt;
  const switchedAt = flight.restartedAt === undefined ? undefined : switchOf(flight, lastAt);
  const restarted = flight.restartedAt !== undefined && switchedAt === undefined;
  const downloads = http.filter(({ file }) => isPayload(file));
  return {
    flight,
    place,
    lastAt,
    quietMs:
      restarted || final
        ? Number.POSITIVE_INFINITY
        : (switchedAt ?? flight.watchedUntil) - progressAt,
    asksOn: lastAt > progressAt,
    restarted,
    ...{ dhcp, tftp, http, of, messages },
    transfer: tftp.findLast(({ end }) => end !== 'probe'),
    download: downloads.at(-1),
    installer: entries.some((one) => one.kind === 'http' && PART_OF_INSTALLER.test(one.file)),
    fetched: (file) => http.findLast((one) => one.file === file && one.end !== 'aborted'),
    mode: of('script').at(-1)?.mode ?? '',
    firmware: FIRMWARE,
    uefi: flight.arch.startsWith('uefi'),
    bootFile:
      [...messages('ack'), ...messages('offer')].find(({ bootFile }) => bootFile)?.bootFile ?? '',
    grub: messages('ack', ...FIRMWARE).some(({ bootFile }) => isBelowToken(bootFile)),
    servers: serversOf(dhcp),
    relay: dhcp.find(({ relay }) => relay !== '')?.relay ?? '',
    previous: flight.previous,
    console: of('console')
      .map(({ text }) => text)
      .join('\n'),
  };
}

/**
 * Until when the machine took part in it. A download that a boot left behind ends when we give it up, a minute into the next one:
 * of that one only its last acknowledgement was the machine's.
 */
function signAt(entry: FlightEntry, { restartedAt }: Flight): number {
  if (!('endAt' in entry)) return entry.at;
  const isWhole = entry.end === 'complete' || entry.end === 'probe';
  if (restartedAt === undefined || isWhole) return entry.endAt;
  const { tcp } = entry as Partial<HttpEntry>;
  if (tcp && tcp.quietMs >= 0) return Math.max(entry.at, entry.endAt - tcp.quietMs);
  return entry.endAt < restartedAt ? entry.endAt : entry.at;
}

/** Somebody switched it: that it began again says nothing of why it had stopped, and from then on silence says nothing. */
function switchOf({ entries, restartedAt = 0 }: Flight, lastAt: number): number | undefined {
  return entries.find(
    (one) =>
      one.kind === 'bmc' &&
      one.at > lastAt &&
      one.at <= restartedAt &&
      /^(power|reset)/.test(one.step),
  )?.at;
}

/** `netinst@12 kernel`: kernel and initrd of an image are what pxeimage's are, for every question of how far a boot got. */
const PART_OF_INSTALLER = /^\S+@\S+ (kernel|initrd)$/;
function asPayload(entry: HttpEntry): HttpEntry {
  const role = PART_OF_INSTALLER.exec(entry.file)?.[1];
  return role === undefined
    ? entry
    : { ...entry, file: role === 'kernel' ? 'vmlinuz' : 'initrd.img' };
}
const isPayload = (file: string): boolean => file === 'vmlinuz' || file === 'initrd.img';

/** What a chain of shim and GRUB is told, the token hidden (boot/token-path.ts). */
export const isBelowToken = (bootFile: string): boolean => bootFile.startsWith('/boot/…/');

/** GRUB's own script, in the folder with the token: a name without a folder, where tokens are hidden. */
const GRUB_SCRIPT = 'grub.cfg';
const SCRIPTS: readonly string[] = ['script.ipxe', GRUB_SCRIPT];
/** Below `grub/` is what GRUB starts with: the script that is for all, and the lists of its modules. */
export const ofGrub = (file: string): boolean =>
  isPayload(file) ||
  file === GRUB_SCRIPT ||
  /^\/?grub\//.test(file) ||
  PART_OF_INSTALLER.test(file);

function fetchedByGrub(entry: TftpEntry): HttpEntry[] {
  const { at, endAt, file, sizeBytes, end, acked } = entry;
  if (!ofGrub(file) || end === 'probe' || end === 'unanswered' || end === 'refused') return [];
  const whole = end === 'complete';
  const sentBytes = whole ? sizeBytes : Math.max(0, acked) * blksizeOf(entry);
  const begun = {
    kind: 'http',
    at,
    endAt,
    method: 'GET',
    file,
    sizeBytes,
    offsetBytes: 0,
  } as const;
  return [{ ...begun, sentBytes, end: whole || end === 'running' ? end : 'aborted' }];
}

/** A ProxyDHCP server gives no address, so its offers do not make it a second one. */
function serversOf(dhcp: readonly DhcpEntry[]): string[] {
  const named = dhcp.filter(
    ({ from, type, server, address, port }) =>
      server !== '' &&
      port === 67 &&
      (from === 'machine' ? type === 'request' : type === 'offer' && address !== ''),
  );
  return [...new Set(named.map(({ server }) => server))];
}

function placeOf({
  of,
  messages,
  tftp,
  http,
}: Pick<Facts, 'of' | 'messages' | 'tftp' | 'http'>): Place {
  const script = of('script').at(-1);
  const reported = of('report').findLast(({ outcome }) => outcome === 'received');
  // What it was woken for where it waited comes after its report.
  const woken = of('agent').findLast(({ phase }) => phase === 'work');
  if (reported && !(woken && woken.at >= reported.at)) return 'reported';
  if (script && (script.mode === 'local-disk' || script.mode === 'nothing')) return 'left';
  if (of('agent').length > 0 || of('report').length > 0) return 'agent';
  const took = (file: string) => http.some((one) => one.file === file);
  const scriptAt = script?.at ?? http.find(({ file }) => SCRIPTS.includes(file))?.at;
  const osAfter = messages('ack', 'os').some(({ at }) => scriptAt !== undefined && at >= scriptAt);
  if (osAfter && took('initrd.img')) return 'linux';
  if (took('initrd.img')) return 'initrd';
  if (took('vmlinuz')) return 'kernel';
  if (scriptAt !== undefined) return 'script';
  if (messages('ack', 'ipxe').length > 0) return 'ipxe-acked';
  if (messages('offer', 'ipxe').length > 0) return 'ipxe-offered';
  if (messages('discover', 'ipxe').length > 0) return 'ipxe-asked';
  const loaders = http.filter(
    ({ method, file }) => method === 'GET' && !isPayload(file) && !SCRIPTS.includes(file),
  );
  const whole = tftp.some(({ end }) => end === 'complete');
  if (whole || loaders.some(({ end }) => end === 'complete' || end === 'asked')) return 'loaded';
  if (tftp.length > 0 || http.length > 0) return 'loading';
  if (messages('ack', ...FIRMWARE).length > 0) return 'acked';
  if (messages('offer', ...FIRMWARE).length > 0) return 'offered';
  return messages('discover', ...FIRMWARE).length > 0 || of('address').length > 0
    ? 'asked'
    : 'nothing';
}

/** When a place was first reached that a machine may ask its way to again and again without getting further. */
function progressOf(place: Place, messages: Facts['messages']): number | undefined {
  switch (place) {
    case 'asked':
      return messages('discover')[0]?.at;
    case 'offered':
      return messages('offer')[0]?.at;
    case 'acked':
      return messages('ack', ...FIRMWARE)[0]?.at;
    case 'ipxe-asked':
      return messages('discover', 'ipxe')[0]?.at;
    case 'ipxe-offered':
      return messages('offer', 'ipxe')[0]?.at;
    case 'ipxe-acked':
      return messages('ack', 'ipxe')[0]?.at;
    default:
      return undefined;
  }
}

/** A TFTP transfer's blocks, as far as its size is known. */
export function blocksOf({ granted, sizeBytes, asked }: TftpEntry): number {
  const size = sizeBytes || Number(granted.tsize ?? asked.tsize ?? 0);
  return size > 0 ? Math.floor(size / blksizeOf({ granted })) + 1 : 0;
}

export function blksizeOf({ granted }: Pick<TftpEntry, 'granted'>): number {
  return Number(granted.blksize ?? 512);
}

/** Of what the machine was to get, how much it has acknowledged, in percent; by the kernel's count where there is one. */
export function percentOf({ sizeBytes, offsetBytes, sentBytes, tcp }: HttpEntry): number {
  const has =
    offsetBytes + (tcp ? Math.min(tcp.ackedBytes, sentBytes || tcp.ackedBytes) : sentBytes);
  return Math.min(100, Math.floor((100 * has) / Math.max(1, sizeBytes)));
}
