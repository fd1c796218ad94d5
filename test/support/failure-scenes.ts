/**
 * Failures as flight records, for the corpus: each is what a healthy boot leaves behind, up to where it stops, with the one
 * thing that is wrong. Each diagnosis has at least one here or in test/fixtures/diagnoses, and its near neighbours beside it.
 */
import type { FlightEntry } from '../../src/diagnose/flight.ts';
import { ARCHITECTURE_SCENES } from './architecture-scenes.ts';
import {
  ADDRESS,
  AGENT,
  agent,
  asking,
  back,
  beats,
  before,
  bmc,
  console,
  dhcp,
  discover,
  http,
  INITRD,
  INSTALLED,
  IPXE,
  KERNEL,
  LINUX,
  LOADED,
  leased,
  machine,
  offer,
  offering,
  POWER,
  report,
  SCRIPT,
  SCRIPTED,
  type Scene,
  START,
  scene,
  script,
  TO_DISK,
  tcp,
  tftp,
  WAITING,
} from './flight-entries.ts';
import { GRUB_SCENES } from './grub-scenes.ts';
import { HEALTHY_SCENES } from './healthy-scenes.ts';
import { FAILED_INSTALLERS } from './installer-scenes.ts';

const NEW_CARD = [discover(1, 'ipxe', { nic: 'pci 10ec:8139' }), ...INITRD];

export const SCENES: readonly Scene[] = [
  ...HEALTHY_SCENES,

  scene('pool-exhausted', 'no event of an offer', [
    ...asking(3, { drop: 'pool-exhausted' }),
    { kind: 'address', at: START + 1, what: 'exhausted', address: 'provisioning', by: '' },
  ]),
  scene('unknown-machines-refused', 'a production segment', asking(3, { drop: 'unknown-client' })),
  scene(
    'relay-unknown',
    'a relay of nobody',
    asking(3, { drop: 'unknown-segment', relay: '10.99.0.1' }),
  ),
  scene('wrong-vlan', 'an interface without a segment', asking(3, { drop: 'unknown-segment' })),
  scene('wrong-vlan', 'a tagged frame in a capture', asking(3, { vlan: 42 })),
  scene('no-offer', 'a capture of a port where nobody serves', asking(4)),
  scene('duplicate-mac', 'two UUIDs', [
    discover(0, 'firmware', { uuid: 'a' }),
    discover(900, 'firmware', { uuid: 'b' }),
  ]),
  scene('address-in-use', 'declined', [
    ...leased(0, 'firmware'),
    dhcp(900, 'decline', 'firmware', { address: ADDRESS }),
  ]),
  scene('address-in-use', 'somebody answers', [
    ...leased(0, 'firmware'),
    {
      kind: 'address',
      at: START + 30,
      what: 'conflict',
      address: ADDRESS,
      by: '02:00:00:00:00:09',
    },
  ]),
  scene('two-dhcp-servers', 'it takes the other one', [
    ...asking(2),
    ...offering(2),
    dhcp(4500, 'request', 'firmware', { server: '10.77.0.9', drop: 'for-another-server' }),
  ]),
  scene('two-dhcp-servers', 'a capture shows both', [
    ...asking(1),
    offer(3, 'firmware', { server: '10.77.0.9' }),
    offer(5, 'firmware'),
  ]),
  scene('proxydhcp-ignored', 'secs 0, 4, 12, 28 and no question to 4011', [
    ...asking(4),
    ...offering(4, { address: '', vendorClass: 'PXEClient', vendorOptions: true }),
  ]),
  scene('option-60-without-43', 'asks 4011 of a server that has none', [
    ...asking(1),
    offer(5, 'firmware', { vendorClass: 'PXEClient', server: '10.77.0.9', bootFile: 'x' }),
    dhcp(4000, 'request', 'firmware', { server: '10.77.0.9' }),
    dhcp(4010, 'ack', 'firmware', { address: ADDRESS, server: '10.77.0.9' }),
    dhcp(5000, 'request', 'firmware', { port: 4011, server: '' }),
  ]),
  scene('boot-server-unanswered', 'with option 43', [
    ...asking(1),
    offer(5, 'firmware', { vendorClass: 'PXEClient', vendorOptions: true }),
    dhcp(4000, 'request', 'firmware', { port: 4011, server: '' }),
  ]),
  scene('address-refused', 'NAK, NAK', [
    ...asking(2),
    dhcp(4010, 'nak', 'firmware', { why: 'not in provisioning' }),
    dhcp(8010, 'nak', 'firmware'),
  ]),
  scene('request-unanswered', 'a full disk', [
    ...asking(1),
    ...offering(1),
    dhcp(4000, 'request', 'firmware'),
    dhcp(8000, 'request', 'firmware'),
  ]),
  scene('link-late', 'the first DISCOVER that comes through is the fourth', [
    discover(0, 'firmware', { secs: 28 }),
    offer(5, 'firmware'),
  ]),
  scene('link-late', 'iPXE half a minute after it was loaded', [
    ...LOADED,
    discover(35_000, 'ipxe', { secs: 4 }),
    offer(35_005, 'ipxe'),
  ]),
  scene('offer-lost-behind-relay', 'a relay that lets questions through only', [
    ...asking(4, { relay: '10.78.0.1' }),
    ...offering(4, { relay: '10.78.0.1' }),
  ]),
  scene('offer-not-received', 'it goes on asking', [...asking(4), ...offering(4)]),
  scene('offer-not-taken', 'it stops asking', [...asking(1), ...offering(1)]),

  ...ARCHITECTURE_SCENES,
  scene(
    'boot-file-missing',
    'a name from elsewhere',
    [
      ...leased(0, 'firmware'),
      tftp(100, {
        end: 'refused',
        acked: -1,
        file: 'pxelinux.0',
        why: 'there is no file pxelinux.0',
      }),
    ],
    { arch: 'bios' },
  ),
  scene(
    'boot-file-too-large',
    'error 3 from the ROM',
    [
      ...leased(0, 'firmware'),
      tftp(100, {
        end: 'aborted',
        acked: 400,
        file: 'big.kpxe',
        why: 'the client aborted: Disk full or allocation exceeded',
      }),
    ],
    { arch: 'bios' },
  ),
  scene('tftp-options-refused', 'aborts at the OACK', [
    ...leased(0, 'firmware'),
    tftp(100, { end: 'aborted', acked: -1, why: 'the client aborted: error 8' }),
  ]),
  scene('tftp-options-refused', 'a probe that nothing follows', [
    ...leased(0, 'firmware'),
    tftp(100, { end: 'probe', acked: 0, why: 'size probe' }),
  ]),
  scene('tftp-answer-blocked', 'not one ACK', [
    ...leased(0, 'firmware'),
    tftp(100, {
      end: 'unfinished',
      acked: -1,
      retransmits: 9,
      why: 'the options were never acknowledged',
    }),
  ]),
  scene('tftp-answer-blocked', 'no answer in the capture', [
    ...leased(0, 'firmware'),
    tftp(100, { end: 'unanswered', acked: -1, granted: {}, requests: 5 }),
  ]),
  scene('mtu-black-hole', 'the first block', [
    ...leased(0, 'firmware'),
    tftp(100, {
      end: 'unfinished',
      acked: 0,
      retransmits: 12,
      why: 'the client stopped answering',
    }),
  ]),
  scene('mtu-black-hole', 'the kernel', [
    ...SCRIPTED,
    http(2200, 'vmlinuz', { end: 'running', sentBytes: 0, ...tcp(0, 7) }),
  ]),
  scene('tftp-aborted', 'its own words', [
    ...leased(0, 'firmware'),
    tftp(100, { end: 'aborted', acked: 50, why: 'the client aborted: checksum' }),
  ]),
  scene('tftp-lossy', 'repetitions all along', [
    ...leased(0, 'firmware'),
    tftp(100, {
      end: 'unfinished',
      acked: 60,
      retransmits: 14,
      why: 'the client stopped answering',
    }),
  ]),
  scene('tftp-cut', 'from one block to the next', [
    ...leased(0, 'firmware'),
    tftp(100, {
      end: 'unfinished',
      acked: 60,
      retransmits: 1,
      why: 'the client stopped answering',
    }),
  ]),
  scene('loader-loop', 'three times whole', [
    ...leased(0, 'firmware'),
    tftp(100),
    tftp(5000),
    tftp(10_000),
  ]),
  scene(
    'http-boot-refused',
    'asked for nothing',
    leased(0, 'http-boot', { bootFile: 'http://10.77.0.1:8080/boot/ipxe/snponly.efi' }),
    { client: 'http-boot', arch: 'uefi-x64-http' },
  ),
  scene(
    'https-boot-not-trusted',
    'asked for nothing',
    leased(0, 'http-boot', { bootFile: 'https://10.77.0.1:8443/boot/ipxe/snponly.efi' }),
    { client: 'http-boot', arch: 'uefi-x64-http' },
  ),
  scene('boot-file-not-asked', 'no TFTP', leased(0, 'firmware')),
  scene('secure-boot-refused', 'the next entry at once', LOADED, back(LOADED, 2500, 'http-boot')),
  scene('secure-boot-refused', 'IPv6 first', LOADED, back(LOADED, 70_000, 'http-boot')),
  scene('ipxe-never-asked', 'silence', LOADED),
  ...GRUB_SCENES,

  scene('https-not-trusted', 'an https address', [
    ...LOADED,
    ...leased(2000, 'ipxe', { bootFile: SCRIPT.replace('http:', 'https:') }),
  ]),
  scene('http-blocked', 'no request', IPXE),
  scene('packet-loss', 'segments sent again', [
    ...SCRIPTED,
    http(2200, 'vmlinuz', {
      end: 'running',
      sentBytes: 0,
      ...tcp(3_000_000, 60, { quietMs: 40, segments: 900 }),
    }),
  ]),
  scene('slow-link', '10 Mbit/s', [
    ...SCRIPTED,
    http(2200, 'vmlinuz', {
      end: 'running',
      sentBytes: 0,
      sizeBytes: 80_000_000,
      ...tcp(30_000_000, 0, { quietMs: 5 }),
    }),
  ]),
  scene('http-stalled', '62 % of the initrd', [
    ...KERNEL,
    http(3000, 'initrd.img', { end: 'aborted', sizeBytes: 60_000_000, sentBytes: 37_200_000 }),
  ]),
  scene('http-stalled', 'the kernel, half of it acknowledged', [
    ...SCRIPTED,
    http(2200, 'vmlinuz', { end: 'running', sentBytes: 0, ...tcp(4_000_000, 5) }),
  ]),
  scene(
    'memory-too-small-for-initrd',
    'by its last report',
    INITRD,
    machine({ memoryBytes: 100 * 2 ** 20 }),
  ),
  scene('memory-too-small-for-initrd', 'by its console', [
    ...INITRD,
    console(5000, 'Initramfs unpacking failed: write error'),
  ]),
  scene('initrd-not-fetched', 'the kernel alone', KERNEL),
  scene(
    'initrd-not-fetched',
    'an operator lost patience with it',
    [...KERNEL, bmc(60_000, 'power-off')],
    back([...KERNEL, bmc(60_000, 'power-off')], 10_000),
  ),
  scene('kernel-not-fetched', 'the script alone', SCRIPTED),

  scene('kernel-panic', 'by its console', [
    ...INITRD,
    console(6000, 'Kernel panic - not syncing: Fatal exception'),
  ]),
  scene('kernel-silent', 'others with such a card came up', INITRD, { sameCardReachedLinux: 12 }),
  scene('kernel-silent', 'a healthy machine with a new card, under load', NEW_CARD, {
    sameCardReachedLinux: 0,
  }),
  scene('kernel-silent', 'somebody pressed the button of a slow one', NEW_CARD, {
    ...back(NEW_CARD, 30_000),
    sameCardReachedLinux: 0,
  }),
  scene('kernel-silent', 'it began anew, and its card is not known', INITRD, back(INITRD, 82_000)),
  scene('kernel-without-nic-driver', 'the agent of a new card gave up', NEW_CARD, {
    ...back(NEW_CARD, 82_000),
    sameCardReachedLinux: 0,
  }),
  scene('kernel-without-nic-driver', 'by its console', [
    ...INITRD,
    console(
      9000,
      'FAILED: no network: no NIC with a link got an address. Rebooting in 60 seconds.',
    ),
  ]),
  scene('agent-cannot-reach', 'an address and no word', LINUX),
  scene('restarted-in-pxeimage', 'a supply that gives way', AGENT, back(AGENT, 9000)),
  scene('agent-stuck', 'silent in the work that it took where it waited', [
    ...WAITING,
    { ...agent(60_000, 'install'), phase: 'work' } as FlightEntry,
    agent(70_000, 'writing'),
  ]),
  scene('work-stands-still', 'a disk hangs while it is written', [
    ...AGENT,
    { ...agent(20_000, 'install'), phase: 'work' } as FlightEntry,
    ...beats(30_000, 9, { phase: 'copy', bytes: 4096, activity: 700 }),
  ]),
  scene('work-stands-still', 'where it waited, in a step that copies nothing', [
    ...WAITING,
    { ...agent(60_000, 'install'), phase: 'work' } as FlightEntry,
    ...beats(70_000, 8, { phase: 'verify', percent: 90, activity: 1 }),
  ]),
  scene('agent-stuck', 'a watchdog ends it', AGENT, back(AGENT, 120_000)),
  scene('agent-stuck', 'a disk that hangs', AGENT),
  ...FAILED_INSTALLERS,
  scene('agent-failed', 'it says so', [
    ...AGENT,
    agent(16_000, 'lsblk ended with status 1', 'error'),
  ]),
  scene('report-refused', 'a NIC without a MAC', [
    ...AGENT,
    report(17_000, 'refused', 'REPORT_INVALID /nics/0/mac no MAC'),
  ]),
  scene('install-disk-not-found', 'the agent says so', [
    ...AGENT,
    agent(16_000, 'no disk matches the layout: no such disk', 'error'),
  ]),
  scene('clock-skew', 'a certificate of the future', [
    ...AGENT,
    agent(16_000, 'certificate is not yet valid', 'error', -86_400),
  ]),
  scene('install-loop', 'the third time', [...IPXE, script(2100, 'install')], before('install', 2)),
  scene('boot-loop', 'the fourth time', SCRIPTED, before('recon', 3)),
  scene('disk-not-found', 'none in its report', TO_DISK, {
    ...back(TO_DISK, 20_000),
    ...machine({ state: 'in-use', disks: 0 }),
  }),
  scene('local-boot-failed', 'a disk that does not start', TO_DISK, {
    ...back(TO_DISK, 20_000),
    ...machine({ state: 'in-use', disks: 2 }),
  }),
  scene('os-never-phoned-home', 'its job has waited long enough', [
    ...INSTALLED,
    bmc(1_300_000, '', 'failed', 'It was installed and verified, and has not called home.'),
  ]),
  scene('os-never-phoned-home', 'after an installation', [
    bmc(-60_000, 'os-up', 'waiting'),
    ...TO_DISK,
  ]),
  scene(
    'boot-override-ignored',
    'its operating system came up',
    [...POWER, ...leased(-200_000, 'os')],
    { startedAt: START - 299_000 },
  ),
  scene('boot-override-ignored', 'nothing came up', POWER, {
    startedAt: START - 299_000,
    watchedUntil: START + 60_000,
    firmwareMs: 300_000,
  }),
  scene(
    'wrong-boot-order',
    'no order was given',
    [bmc(-299_000, 'power-on'), ...leased(-200_000, 'os')],
    { startedAt: START - 299_000 },
  ),
  scene('no-netboot-after-power-on', 'silence', [bmc(-299_000, 'power-on')], {
    startedAt: START - 299_000,
    watchedUntil: START + 60_000,
  }),
];
