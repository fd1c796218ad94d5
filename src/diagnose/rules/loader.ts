/** Why the boot binary did not arrive, did not start, or does not find the network. */
import { blksizeOf, blocksOf, type Facts } from '../facts.ts';
import { all, type Rule, seconds, silence, times } from '../rule.ts';

/** Below it nothing that this project knows of drops a datagram for its size alone: 1428 bytes of data make 1460 of IP. */
const SAFE_BLKSIZE = 1428;
const REAL_MODE_BYTES = 500_000;
/** Firmware that refuses an image goes on to its next entry at once; one that hangs does nothing. */
const REFUSED_WITHIN_MS = 20_000;
/** Between its PXE and its HTTP entry OVMF tries IPv6, which nobody sees here, for a minute. */
const NEXT_ENTRY_MS = 150_000;
const LOSSY_SHARE = 0.04;

const restartGap = (f: Facts) =>
  f.flight.restartedAt === undefined ? undefined : f.flight.restartedAt - f.lastAt;
const loaded = (f: Facts) =>
  f.tftp.findLast(({ end }) => end === 'complete')?.file ??
  f.http.findLast(({ end, file }) => end !== 'aborted' && /\.(efi|kpxe|pxe|0)$/.test(file))?.file;
/** The family that a file's name tells: `.efi` and the words for processors in it. */
function familyOf(file: string): string | undefined {
  if (/\.(kpxe|kkpxe|pxe|0|lkrn)$/i.test(file)) return 'bios';
  if (!/\.efi$/i.test(file)) return undefined;
  if (/arm64|aa64/i.test(file)) return 'uefi-arm64';
  if (/arm32/i.test(file)) return 'uefi-arm32';
  return /ia32|i386/i.test(file) ? 'uefi-ia32' : 'uefi-x64';
}
const lost = (f: Facts) => {
  const { transfer } = f;
  if (!transfer) return 0;
  return (transfer.retransmits - transfer.unheard) / Math.max(20, transfer.acked);
};

function mostOften(files: readonly string[]): [string, number] | undefined {
  const counts = new Map<string, number>();
  for (const file of files) counts.set(file, (counts.get(file) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a)[0];
}

const isHttps = (url: string): boolean => url.startsWith('https:');
/** UEFI HTTP Boot has its address and its URL, and does not fetch it. */
function notFetched(f: Facts): readonly string[] | undefined {
  if (f.flight.client !== 'http-boot' || f.http.some(({ method }) => method === 'GET'))
    return undefined;
  if (f.messages('ack', 'http-boot').length === 0) return undefined;
  const head = f.http.find(({ method }) => method === 'HEAD');
  return [
    head
      ? `it asked for the size of ${head.file} and did not fetch it`
      : `it was told ${f.bootFile || 'its URL'} and asked for nothing`,
    silence(f),
  ];
}

export const LOADER_RULES: readonly Rule[] = [
  {
    name: 'no-binary-for-architecture',
    title: 'No boot file for this processor',
    confidence: 'certain',
    waitMs: 8000,
    places: ['offered', 'acked'],
    evidence: (f) => {
      const why = f.dhcp.find((one) =>
        /no boot binary for|is not in boot\.assets/.test(one.why),
      )?.why;
      return why ? [why] : undefined;
    },
    says: 'The machine was given an address and nothing to boot: there is no boot file for its kind of processor or firmware.',
    next: 'Put the file that the evidence names into boot.assets, or change the firmware between BIOS and UEFI if that was not meant.',
    not: { 'wrong-architecture': 'there it is given a file, of the wrong kind' },
  },
  {
    name: 'no-pxeimage-for-architecture',
    title: 'pxeimage does not run on this processor',
    confidence: 'certain',
    waitMs: 5000,
    places: ['script'],
    evidence: (f) => {
      const { why = '' } = f.of('script').at(-1) ?? {};
      return / does not run on /.test(why) ? [why] : undefined;
    },
    says: 'Its iPXE runs and was told that there is nothing for it: pxeimage, which looks machines over and installs them, is built for x86-64.',
    next: 'A 64-bit PC with firmware of 32 bits may have a 64-bit one. Any other machine can be registered by hand: what is in use boots its own disk.',
    not: { 'no-binary-for-architecture': 'there not even iPXE can be had' },
  },
  {
    name: 'wrong-architecture',
    title: 'The boot file is for another processor',
    confidence: 'certain',
    waitMs: 8000,
    places: ['acked', 'loading', 'loaded'],
    evidence: (f) => {
      const file = f.transfer?.file || loaded(f) || f.bootFile;
      const family = familyOf(file.split('/').at(-1) ?? '');
      const wanted = f.flight.arch.replace(/-http$/, '');
      return family && wanted !== '' && family !== wanted
        ? [`the firmware is ${wanted}, and ${file} is for ${family}`, silence(f)]
        : undefined;
    },
    says: 'The firmware was handed a boot file for another kind of machine. It fetches it, and cannot start it.',
    next: 'Correct boot.binaries, or the override for this machine or hardware type, that names this file.',
    not: { 'secure-boot-refused': 'there the file is of the right kind and is not trusted' },
    remedy: 'binary',
  },
  {
    name: 'boot-file-missing',
    title: 'The boot file is not there',
    confidence: 'certain',
    waitMs: 5000,
    places: ['loading', 'acked'],
    evidence: (f) =>
      f.transfer?.end === 'refused' && /no file|not found|no such/i.test(f.transfer.why)
        ? [`asked for ${f.transfer.file}: ${f.transfer.why}`]
        : undefined,
    says: 'The machine asks for a file that the server does not have.',
    next: 'Put the file into boot.assets. A name that nobody configured here comes from another DHCP server, or is kept in the firmware.',
    not: { 'boot-file-too-large': 'there the file exists' },
  },
  {
    name: 'boot-file-too-large',
    title: 'The boot file is too large',
    confidence: 'likely',
    waitMs: 8000,
    places: ['loading', 'loaded'],
    evidence: (f) => {
      const { transfer } = f;
      if (!transfer) return undefined;
      if (transfer.end === 'refused' && /too large/.test(transfer.why))
        return [`${transfer.file}: ${transfer.why}`];
      const full =
        transfer.end === 'aborted' &&
        /disk full|allocation|no space|too (big|large)|memory/i.test(transfer.why);
      const big = f.flight.arch === 'bios' && transfer.sizeBytes > REAL_MODE_BYTES;
      return full || big
        ? [
            `${transfer.file} has ${Math.round(transfer.sizeBytes / 1024)} KB${full ? `; ${transfer.why}` : ', and a BIOS loads it below 640 KB'}`,
            silence(f),
          ]
        : undefined;
    },
    says: 'The boot file does not fit where the firmware wants to put it, or is more than TFTP serves.',
    next: 'Hand out a smaller file: undionly.kpxe for a BIOS, snponly.efi for UEFI.',
    not: { 'tftp-cut': 'there the transfer stops without a word' },
    remedy: 'binary',
  },
  {
    name: 'tftp-options-refused',
    title: 'The firmware refuses the TFTP options',
    confidence: 'certain',
    waitMs: 8000,
    places: ['loading'],
    evidence: (f) => {
      const { transfer } = f;
      const last = f.tftp.at(-1);
      const shown = transfer ?? last;
      if (!shown || shown.acked > 0) return undefined;
      const refused = shown.end === 'aborted' && /option|error 8/i.test(shown.why);
      const given = Object.entries(shown.granted)
        .map(([name, value]) => `${name} ${value}`)
        .join(' ');
      if (refused) return [`it was granted ${given} and broke off: ${shown.why}`];
      // A probe that nothing follows was none.
      return !transfer && last?.end === 'probe'
        ? [`it was granted ${given}, broke off with error 8, and did not ask again`]
        : undefined;
    },
    says: 'The firmware asks for TFTP options and breaks off when it sees what it was granted.',
    next: 'The next attempt is given a smaller block size. A newer firmware of the card usually ends this.',
    not: { 'tftp-answer-blocked': 'there the answer never arrives' },
    remedy: 'blksize',
  },
  {
    name: 'tftp-answer-blocked',
    title: 'TFTP answers do not get through (firewall)',
    confidence: 'likely',
    waitMs: 5000,
    places: ['loading'],
    evidence: (f) => {
      const transfer = f.transfer ?? f.tftp.at(-1);
      if (
        !transfer ||
        transfer.acked >= 0 ||
        transfer.end === 'refused' ||
        transfer.end === 'aborted'
      )
        return undefined;
      return transfer.end === 'unanswered'
        ? [`${times(transfer.requests, 'request')} for ${transfer.file} to port 69, no answer`]
        : [
            `${times(f.tftp.length, 'request')} for ${transfer.file}, answered from another port as TFTP does; not one answer was acknowledged`,
          ];
    },
    says: 'The request to port 69 gets through. The answer comes from a new port, as TFTP wants it, and a firewall or NAT between drops it.',
    next: 'Allow UDP from the appliance to the machines from any port, or switch on TFTP tracking in the firewall.',
    not: { 'mtu-black-hole': 'there small answers get through and full blocks do not' },
  },
  {
    name: 'mtu-black-hole',
    title: 'Large packets are lost on the way (MTU)',
    confidence: 'likely',
    waitMs: 5000,
    places: ['loading'],
    evidence: (f) => {
      const { transfer } = f;
      if (!transfer || transfer.end === 'complete' || transfer.end === 'aborted') return undefined;
      const size = blksizeOf(transfer);
      return all(
        transfer.acked === 0 &&
          blocksOf(transfer) !== 1 &&
          `the options were acknowledged, the first block of ${size} bytes never was (${times(transfer.retransmits, 'repetition')})`,
        size > SAFE_BLKSIZE - 60 && `with its headers such a block is ${size + 32} bytes long`,
      );
    },
    says: 'Small packets get through and full ones do not: somewhere on the way the MTU is below 1500, and nobody says so.',
    next: 'Find the hop with the smaller MTU: a tunnel, a VLAN on a port without room for its tag. The next attempt is given smaller blocks.',
    not: { 'tftp-lossy': 'there some large packets do get through' },
    remedy: 'blksize',
  },
  {
    name: 'tftp-aborted',
    title: 'The firmware broke the transfer off',
    confidence: 'certain',
    waitMs: 8000,
    places: ['loading'],
    evidence: (f) =>
      f.transfer?.end === 'aborted'
        ? [`at block ${f.transfer.acked} of ${f.transfer.file}: ${f.transfer.why}`]
        : undefined,
    says: 'The firmware ended the transfer by itself and said why.',
    next: 'Its own words in the evidence, or on its screen, say what it does not like about the file.',
    not: { 'tftp-options-refused': 'there it breaks off before the first block' },
    remedy: 'binary',
  },
  {
    name: 'tftp-lossy',
    title: 'Packets are lost on the link',
    confidence: 'likely',
    waitMs: 5000,
    places: ['loading', 'loaded', 'ipxe-asked', 'ipxe-offered'],
    evidence: (f) => {
      const { transfer } = f;
      return transfer &&
        transfer.acked > 0 &&
        transfer.retransmits - transfer.unheard >= 4 &&
        lost(f) >= LOSSY_SHARE
        ? [
            `${transfer.retransmits - transfer.unheard} repetitions in ${transfer.acked} blocks of ${transfer.file}${transfer.end === 'complete' ? '' : `, which stopped at block ${transfer.acked} of ${blocksOf(transfer) || '?'}`}`,
            silence(f),
          ]
        : undefined;
    },
    says: 'Many packets have to be sent again: the link loses them.',
    next: 'Look at the error counters of the switch port; change cable or transceiver; check that both ends agree on the speed.',
    not: { 'tftp-cut': 'there the transfer ran well and stopped at once' },
  },
  {
    name: 'tftp-cut',
    title: 'The TFTP transfer was cut',
    confidence: 'likely',
    waitMs: 5000,
    places: ['loading'],
    evidence: (f) => {
      const { transfer } = f;
      return transfer && transfer.acked > 0 && ['unfinished', 'running'].includes(transfer.end)
        ? [
            `${transfer.file} stopped at block ${transfer.acked} of ${blocksOf(transfer) || '?'}: ${transfer.why || 'no more answers'}`,
            silence(f),
          ]
        : undefined;
    },
    says: 'The transfer ran, and from one block to the next the machine was gone: power, cable, or a firewall that ends what it does not know.',
    next: 'Check that the machine is on and its link is up. If it always stops at the same time, look for a session limit in the firewall.',
    not: { 'tftp-lossy': 'there blocks are repeated all along' },
  },
  {
    name: 'loader-loop',
    title: 'It loads iPXE over and over',
    confidence: 'certain',
    waitMs: 0,
    places: ['loading', 'loaded', 'acked', 'offered'],
    evidence: (f) => {
      const whole = f.tftp.filter(({ end }) => end === 'complete').map(({ file }) => file);
      // A shim goes on to its second file: only one that is fetched again is a loop.
      const [most = '', count = 0] = mostOften(whole) ?? [];
      const before = f.previous.filter(
        ({ mode, reported, lastAt }) =>
          mode === '' && !reported && f.flight.startedAt - lastAt < 600_000,
      );
      const named = before.filter(
        ({ diagnosis }) =>
          diagnosis === 'secure-boot-refused' || diagnosis === 'wrong-architecture',
      );
      return count >= 3 && named.length === 0
        ? [
            `${most} fetched whole ${times(count, 'time')} in one boot, and no iPXE of ours asked for a script`,
          ]
        : undefined;
    },
    says: 'The machine fetches its boot file again and again: what it starts hands it back to the firmware, or to an iPXE that is not ours.',
    next: 'Look at its screen. An iPXE in the card with its own script does this; update or switch off the ROM of the card.',
    not: { 'secure-boot-refused': 'there it is fetched once for each try of the firmware' },
    remedy: 'binary',
  },
  {
    name: 'http-boot-refused',
    title: 'The firmware does not fetch by HTTP',
    confidence: 'likely',
    waitMs: 15_000,
    places: ['acked', 'offered', 'loading'],
    evidence: (f) => (isHttps(f.bootFile) ? undefined : notFetched(f)),
    says: 'UEFI HTTP Boot was given its URL and does not fetch it. Many servers refuse plain http until that is allowed in their setup.',
    next: 'Allow HTTP connections in the setup of the firmware, or enrol the CA of the site and use https, or boot it by PXE.',
    not: {
      'boot-file-not-asked': 'there PXE firmware asks for nothing by TFTP',
      'https-boot-not-trusted': 'there the address is https',
    },
  },
  {
    name: 'https-boot-not-trusted',
    title: 'The firmware does not trust our certificate',
    confidence: 'likely',
    waitMs: 15_000,
    places: ['acked', 'offered', 'loading'],
    evidence: (f) => (isHttps(f.bootFile) ? notFetched(f) : undefined),
    says: 'UEFI HTTP Boot was given an https address and does not fetch it: the CA is not enrolled in its setup, its clock is far off, or it has no TLS.',
    next: 'Enrol the CA of the site in the setup of the firmware and look at its clock, or send firmware to plain http (machineHttp.tls.offerFirmware: false).',
    not: {
      'http-boot-refused': 'there the address is plain http',
      'https-not-trusted': 'there it is iPXE that was told an https address',
    },
  },
  {
    name: 'boot-file-not-asked',
    title: 'The firmware does not fetch its boot file',
    confidence: 'possible',
    waitMs: 20_000,
    places: ['acked'],
    evidence: (f) => [
      `ACK with the boot file ${f.bootFile || '(none)'}, and no TFTP request`,
      silence(f),
    ],
    says: 'The firmware has its address and was told its boot file, and does not ask for it.',
    next: 'Check that UDP port 69 of the appliance is reached from this VLAN, and that the machine boots in the mode (BIOS or UEFI) that is meant.',
    not: { 'no-binary-for-architecture': 'there it was told no file' },
    remedy: 'binary',
  },
  {
    name: 'secure-boot-refused',
    title: 'Secure Boot refuses the boot file',
    confidence: 'likely',
    waitMs: 0,
    places: ['loaded'],
    evidence: (f) => {
      const gap = restartGap(f);
      const again = f
        .messages('discover', 'firmware', 'http-boot')
        .find(({ at }) => at > (f.transfer?.endAt ?? Number.POSITIVE_INFINITY));
      const { restartedAs, client } = f.flight;
      const other = restartedAs !== undefined && restartedAs !== client && restartedAs !== 'ipxe';
      const patience = other ? NEXT_ENTRY_MS : REFUSED_WITHIN_MS;
      const soon = again && f.transfer ? again.at - f.transfer.endAt : gap;
      if (/security violation|access denied|secure boot/i.test(f.console))
        return [`${loaded(f)} was fetched whole`, 'the console says that it was refused'];
      return f.uefi && loaded(f) && soon !== undefined && soon < patience
        ? [
            `${loaded(f)} was fetched whole`,
            `${seconds(soon)} later the firmware asked for an address again: it did not start the file`,
          ]
        : undefined;
    },
    says: 'UEFI fetched the boot file and went on to its next entry at once: it did not accept the signature of the file.',
    next: 'Switch Secure Boot off in the setup, or configure the chain with a signed shim (boot.secureBoot).',
    not: {
      'ipxe-never-asked': 'there the file starts and then hangs',
      'wrong-architecture': 'there the file is of another kind',
    },
    remedy: 'binary',
  },
  {
    name: 'ipxe-never-asked',
    title: 'iPXE was loaded and never asked for an address',
    confidence: 'likely',
    // By then firmware that has refused the file is at its next entry, and says so by asking again.
    waitMs: 85_000,
    places: ['loaded'],
    evidence: (f) =>
      !f.grub && loaded(f) ? [`${loaded(f)} was fetched whole`, silence(f)] : undefined,
    says: 'iPXE started and has not been heard of since: it hangs at this NIC ("initialising devices"), or its link went down and stayed down.',
    next: 'The next attempt is handed another iPXE binary. If that hangs too, update the firmware of the card, and make the port an edge port.',
    not: {
      'secure-boot-refused': 'there the firmware goes on at once',
      'link-late': 'there iPXE does come, half a minute late',
    },
    remedy: 'binary',
  },
];
