/** Why iPXE did not get its script, its kernel or its initrd. */
import { type Facts, percentOf } from '../facts.ts';
import { all, type Rule, seconds, silence, times } from '../rule.ts';

/** What a socket takes into its buffer before a byte has arrived anywhere (tcp_wmem, 4 MB). */
const BUFFER_BYTES = 4_194_304;
/** The first segments of an answer: a script fits, a kernel does not. */
const FIRST_BYTES = 3000;
const STALLED_MS = 20_000;
/** A healthy link repeats less than one segment in a thousand; relays of a busy laboratory up to one in a hundred. */
const LOSSY_SHARE = 0.06;
const LOSSY_WAIT_MS = 10_000;
const SLOW_BYTES_PER_SECOND = 12_500_000;
/**
 * Between its address and its script iPXE sends nothing that shows whether it is cut off or starved: a virtual machine on a builder
 * with ten times its work was silent there for 31 seconds, and healthy. A TCP that is blocked is so for good.
 */
const SCRIPT_WAIT_MS = 45_000;

const DOWNLOADING = ['kernel', 'initrd', 'script'] as const;
const broken = (f: Facts) => {
  const { download } = f;
  return download && (download.end === 'aborted' || download.end === 'running')
    ? download
    : undefined;
};
const resent = ({ tcp }: { tcp?: { retransmits: number; segments: number } | undefined }) =>
  tcp ? `; ${tcp.retransmits} of ${tcp.segments} segments were sent again` : '';

export const DOWNLOAD_RULES: readonly Rule[] = [
  {
    name: 'https-not-trusted',
    title: 'iPXE does not trust our certificate',
    confidence: 'likely',
    waitMs: SCRIPT_WAIT_MS,
    places: ['ipxe-acked'],
    evidence: (f) => {
      const url = f
        .messages('ack', 'ipxe')
        .findLast(({ bootFile }) => bootFile.startsWith('https:'))?.bootFile;
      return url ? [`iPXE was told ${url} and asked for nothing`, silence(f)] : undefined;
    },
    says: 'iPXE was sent to an https address and does not fetch its script: its build does not trust the CA, or its clock is far off.',
    next: 'Use an iPXE that was built with the CA of the site, or do not offer https to machines (machineHttp.tls.offer).',
    not: { 'http-blocked': 'there the address is plain http' },
  },
  {
    name: 'http-blocked',
    title: 'iPXE cannot reach the appliance by HTTP',
    confidence: 'likely',
    waitMs: SCRIPT_WAIT_MS,
    places: ['ipxe-acked'],
    evidence: (f) => {
      const url = f.messages('ack', 'ipxe').at(-1)?.bootFile ?? '';
      return url.startsWith('http:') && !f.flight.blind.includes('http')
        ? [`iPXE has its address and was told ${url}; no request came`, silence(f)]
        : undefined;
    },
    says: 'iPXE has its address and does not fetch its script. DHCP gets through and TCP does not.',
    next: 'Allow TCP to the port of the machine listener between this VLAN and the appliance; check router and mask of the segment.',
    not: {
      'https-not-trusted': 'there the address is https',
      'two-dhcp-servers': 'there it has its address from somebody else',
    },
  },
  {
    name: 'mtu-black-hole',
    title: 'Large packets are lost on the way (MTU)',
    confidence: 'likely',
    waitMs: 15_000,
    places: ['kernel', 'script'],
    evidence: (f) => {
      const stuck = broken(f);
      if (stuck?.file !== 'vmlinuz' || stuck.offsetBytes > 0) return undefined;
      const { tcp } = stuck;
      if (!tcp) return undefined;
      const full = tcp.mssBytes >= 1300;
      return all(
        tcp.ackedBytes < FIRST_BYTES &&
          `of the kernel not one full segment was acknowledged (${tcp.ackedBytes} bytes)`,
        full &&
          tcp.quietMs >= 0 &&
          tcp.retransmits > 0 &&
          `segments of ${tcp.mssBytes} bytes were sent again ${times(tcp.retransmits, 'time')}; the script, which is small, got through`,
      );
    },
    says: 'Small packets get through and full ones do not: somewhere on the way the MTU is below 1500, and nobody says so.',
    next: 'Find the hop with the smaller MTU: a tunnel, a VLAN on a port without room for its tag.',
    not: {
      'http-stalled': 'there a part of the file has arrived',
      'tftp-lossy': 'there some large packets do get through',
    },
  },
  {
    name: 'packet-loss',
    title: 'Packets are lost on the link',
    confidence: 'likely',
    waitMs: 0,
    places: [...DOWNLOADING, 'linux', 'agent', 'reported'],
    evidence: (f) => {
      const lossy = f.http.filter(
        ({ tcp }) =>
          tcp !== undefined && tcp.segments >= 200 && tcp.retransmits / tcp.segments >= LOSSY_SHARE,
      );
      const moving = broken(f)?.tcp === undefined || (broken(f)?.tcp?.quietMs ?? 0) < STALLED_MS;
      const stopped = broken(f) !== undefined && f.quietMs < LOSSY_WAIT_MS;
      // What arrived whole in spite of it and then fell silent has stopped for another reason.
      const arrived = f.place === 'initrd' && f.fetched('initrd.img')?.end === 'complete';
      if (lossy.length === 0 || !moving || stopped || arrived) return undefined;
      return lossy.map(
        (one) =>
          `${one.tcp?.retransmits} of ${one.tcp?.segments} segments of ${one.file} were sent again`,
      );
    },
    says: 'Many packets have to be sent again, so downloads crawl even where they succeed: the link loses them.',
    next: 'Look at the error counters of the switch port; change cable or transceiver; check that both ends agree on the speed.',
    not: { 'slow-link': 'there nothing is lost', 'http-stalled': 'there nothing moves any more' },
  },
  {
    name: 'memory-too-small-for-initrd',
    title: 'Too little memory for the initrd',
    confidence: 'likely',
    waitMs: 15_000,
    places: ['initrd', 'kernel'],
    evidence: (f) => {
      const { memoryBytes } = f.flight.machine;
      const initrd = f.http.findLast(({ file }) => file === 'initrd.img');
      if (/out of memory|initramfs unpacking failed|no space left|write error/i.test(f.console))
        return ['the console says that memory ran out', silence(f)];
      if (memoryBytes === undefined || !initrd || initrd.sizeBytes === 0) return undefined;
      // Compressed, unpacked (about three times as much), and a kernel that has to live.
      const needed = initrd.sizeBytes * 4 + 64 * 2 ** 20;
      return memoryBytes < needed
        ? [
            `${mib(memoryBytes)} of memory by its last report; an initrd of ${mib(initrd.sizeBytes)} needs about ${mib(needed)}`,
            silence(f),
          ]
        : undefined;
    },
    says: 'The initrd and what it unpacks to do not fit into the memory of the machine: Linux stops before it can say anything.',
    next: 'Check that all memory modules are seen; use a smaller profile of pxeimage.',
    not: { 'kernel-without-nic-driver': 'there memory is enough' },
  },
  {
    name: 'slow-link',
    title: 'The link is slow',
    confidence: 'likely',
    waitMs: 60_000,
    places: DOWNLOADING,
    evidence: (f) => {
      const one = broken(f);
      const { tcp } = one ?? {};
      if (
        one?.end !== 'running' ||
        !tcp ||
        tcp.quietMs >= STALLED_MS ||
        tcp.ackedBytes < FIRST_BYTES
      )
        return undefined;
      const runningMs = Math.max(1, f.flight.watchedUntil - one.at);
      const rate = (tcp.ackedBytes * 1000) / runningMs;
      return rate < SLOW_BYTES_PER_SECOND
        ? [
            `${one.file}: ${percentOf(one)} % in ${seconds(runningMs)}, ${Math.round(rate / 1024)} KB/s${resent(one)}`,
          ]
        : undefined;
    },
    says: 'The download moves, and takes far longer than it should: a port that fell back to 10 or 100 Mbit/s looks like this.',
    next: 'Check the speed of the switch port and the cable.',
    not: {
      'packet-loss': 'there packets are sent again',
      'http-stalled': 'there nothing moves any more',
    },
  },
  {
    name: 'http-stalled',
    title: 'The download stopped',
    confidence: 'likely',
    waitMs: 15_000,
    places: DOWNLOADING,
    evidence: (f) => {
      const one = broken(f);
      if (!one) return undefined;
      const early = one.tcp === undefined && one.sentBytes < BUFFER_BYTES ? ' at most' : '';
      return [
        `${one.file} stopped at${early} ${percentOf(one)} % of ${mib(one.sizeBytes)}${resent(one)}`,
        silence(f),
      ];
    },
    says: 'The download broke off in the middle and was not taken up again: the link went down, the machine lost power, or a firewall ended the connection.',
    next: 'Check that the machine is on and its link is up, then power-cycle it. If it always stops at the same percentage, look for a limit in the firewall.',
    not: {
      'slow-link': 'there it goes on',
      'initrd-not-fetched': 'there the kernel arrived whole',
    },
  },
  {
    name: 'initrd-not-fetched',
    title: 'The kernel arrived, the initrd was not asked for',
    confidence: 'likely',
    waitMs: 20_000,
    places: ['kernel'],
    evidence: (f) =>
      f.fetched('vmlinuz')
        ? ['vmlinuz was fetched whole, and no request for initrd.img came', silence(f)]
        : undefined,
    says: 'The loader, iPXE or GRUB, got the kernel and did not go on: it did not accept it, for want of memory, because the kernel is of another architecture, or because Secure Boot does not trust who signed it.',
    next: 'Look at the screen for its error. Check that pxeimage is built for this processor, and the memory of the machine.',
    not: { 'http-stalled': 'there the kernel did not arrive whole' },
  },
  {
    name: 'kernel-not-fetched',
    title: 'The script is not carried out',
    confidence: 'likely',
    waitMs: 20_000,
    places: ['script'],
    evidence: (f) =>
      f.http.every(({ file }) => file !== 'vmlinuz')
        ? [
            `${f.grub ? 'GRUB' : 'iPXE'} has its script${f.mode ? ` (${f.mode})` : ''}, and asked for no kernel`,
            silence(f),
          ]
        : undefined,
    says: 'The loader, iPXE or GRUB, has its script and does not do what it says. An old iPXE in the card may lack a command that the script needs.',
    next: 'Look at the screen for its error; hand this machine our own binary, or update the firmware of the card.',
    not: { 'http-blocked': 'there it did not even get the script' },
    remedy: 'binary',
  },
];

function mib(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KB` : `${Math.round(bytes / 2 ** 20)} MB`;
}
