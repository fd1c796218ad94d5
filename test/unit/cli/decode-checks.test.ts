/** Each check finds what it is for, and only that; a boot in order has none of them. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { wrongArch } from '../../../src/capture/check-replies.ts';
import { CHECK_IDS, CHECKS, type CheckId } from '../../../src/capture/checks.ts';
import { MESSAGE, nulTerminated, OPTION, text, u8, u32 } from '../../../src/dhcp/options.ts';
import { encodeData, encodeError, encodeOack } from '../../../src/tftp/packet.ts';
import {
  asked,
  beside,
  block,
  bootServerAnswer,
  bootServerAsk,
  both,
  granted,
  hear,
  OTHER,
  probe,
  proxyOffer,
  relayed,
  released,
  rrq,
  say,
  transfer,
} from '../../support/capture-scenes.ts';
import {
  ADDRESS,
  analyse,
  answer,
  ask,
  exchange,
  type Message,
  SERVER,
  type Shot,
  WANTED,
} from '../../support/captures.ts';
import { ipv4, mac } from '../../support/world.ts';

const THIRD = '10.77.0.3';
const none = undefined;

function idsOf(shots: readonly Shot[]): CheckId[] {
  const capture = analyse(shots);
  return [...capture.machines.flatMap(({ problems }) => problems), ...capture.problems].map(
    ({ check }) => check,
  );
}

describe('a boot in order', () => {
  it.each(['bios', 'uefi', 'http', 'ipxe', 'os'] as const)('%s: nothing is wrong', (client) =>
    expect(idsOf([...exchange(client), ...transfer()])).toEqual([]),
  );
  it('a size probe is no problem', () => expect(idsOf([...probe, ...transfer()])).toEqual([]));
  it('replies that were captured as one packet are each read', () => {
    const offer = answer(MESSAGE.offer);
    const merged = {
      ...offer,
      payload: Buffer.concat(Array.from({ length: 8 }, () => offer.payload)),
    };
    const { machines, problems } = analyse([ask(MESSAGE.discover), merged]);
    const entries = machines.flatMap(({ boots }) => boots.flatMap((boot) => boot.entries));
    const bytes = entries.map((entry) => (entry.kind === 'dhcp' ? entry.wire.lengthBytes : 0));
    expect(bytes.slice(1)).toEqual(Array.from({ length: 8 }, () => offer.payload.length));
    expect(problems).toEqual([]);
  });
  it('several blocks in one captured packet are no problem', () => {
    const two = new Uint8Array(4 + 512 + 4 + 88);
    two.set(encodeData(1, new Uint8Array(512)));
    two.set(encodeData(2, new Uint8Array(88)), 516);
    const shots = transfer().toSpliced(3, 3, say(two));
    expect(idsOf(shots)).toEqual([]);
    const [entry] = analyse(shots).machines[0]?.boots[0]?.entries ?? [];
    expect(entry).toMatchObject({ block: 2, bytes: 600, last: true, acknowledged: true });
  });
  it('a renewal, an INFORM and a release are none', () =>
    expect(
      idsOf([
        ...exchange('os'),
        ask(MESSAGE.request, {
          client: 'os',
          xid: 9,
          fields: { ciaddr: ipv4(ADDRESS) },
          from: [ADDRESS, 68],
          to: [SERVER, 67],
        }),
        answer(MESSAGE.ack, { client: 'os', xid: 9, to: [ADDRESS, 68] }),
        ask(MESSAGE.inform, { client: 'os', xid: 10, fields: { ciaddr: ipv4(ADDRESS) } }),
        answer(MESSAGE.ack, {
          client: 'os',
          xid: 10,
          to: [ADDRESS, 68],
          fields: { yiaddr: ipv4('0.0.0.0') },
          options: [[OPTION.leaseTime, none]],
        }),
        released(),
      ]),
    ).toEqual([]));
  it('a ProxyDHCP server beside a plain one is none', () =>
    expect(idsOf([...beside(proxyOffer()), bootServerAsk(), bootServerAnswer()])).toEqual([]));
  it('a relay that takes its information out again is none', () =>
    expect(idsOf(relayed())).toEqual([]));
});

const longName = `${'x'.repeat(140)}.kpxe`;
const swap53 = (bytes: Uint8Array) => {
  // 53 is three bytes, the server id six: they change places.
  const copy = Uint8Array.from(bytes);
  copy.set(bytes.subarray(243, 249), 240);
  copy.set(bytes.subarray(240, 243), 246);
  return copy;
};
const fillFile = (bytes: Uint8Array) => Uint8Array.from(bytes).fill(0x61, 108, 236);
const without = (code: number): Message => ({ options: [[code, none]] });
const elsewhere = mac('52:54:00:00:00:02');

const CASES: Partial<
  Record<CheckId, readonly [shots: () => Shot[], alsoFound?: readonly CheckId[]]>
> = {
  'dhcp-malformed': [() => [{ ...(exchange('bios')[0] as Shot), payload: new Uint8Array(12) }]],
  'no-answer': [() => [ask(MESSAGE.discover), ask(MESSAGE.discover, { atMs: 4000 })]],
  'only-proxy-offers': [
    () => [
      ask(MESSAGE.discover),
      answer(MESSAGE.offer, {
        fields: { yiaddr: ipv4('0.0.0.0') },
        options: [
          [OPTION.vendorClass, text('PXEClient')],
          [43, Uint8Array.of(6, 1, 8, 255)],
        ],
      }),
    ],
  ],
  'offer-unanswered': [() => exchange('bios').slice(0, 2)],
  'request-unanswered': [() => exchange('bios').slice(0, 3)],
  'boot-server-unanswered': [
    () => [
      ...beside(
        proxyOffer({
          options: [
            [43, Uint8Array.of(6, 1, 8, 255)],
            [OPTION.vendorClass, text('PXEClient')],
            [OPTION.leaseTime, none],
            [OPTION.subnetMask, none],
          ],
        }),
      ),
      bootServerAsk(),
    ],
  ],
  nak: [() => [ask(MESSAGE.request, { options: WANTED }), answer(MESSAGE.nak)]],
  declined: [() => [...exchange('os'), ask(MESSAGE.decline, { client: 'os', options: WANTED })]],
  'two-servers': [
    () => [
      ...exchange('os').slice(0, 2),
      answer(MESSAGE.offer, { client: 'os', from: [OTHER, 67] }),
      ...exchange('os').slice(2),
    ],
  ],
  'two-boot-servers': [
    () => [
      ...exchange('bios').slice(0, 2),
      answer(MESSAGE.offer, { from: [OTHER, 67], fields: { yiaddr: ipv4('0.0.0.0') } }),
      ...exchange('bios').slice(2),
    ],
  ],
  'address-conflict': [
    () => [
      ...exchange('os'),
      ...exchange('os', {
        discover: { machine: elsewhere },
        offer: { machine: elsewhere },
        request: { machine: elsewhere, options: WANTED },
        ack: { machine: elsewhere },
      }),
    ],
  ],
  'release-of-anothers': [() => [...exchange('os'), released({ machine: elsewhere })]],
  'address-changed': [
    () => [...exchange('bios'), answer(MESSAGE.ack, { fields: { yiaddr: ipv4('10.77.0.101') } })],
    ['wrong-address'],
  ],
  'wrong-address': [() => exchange('bios', { ack: { fields: { yiaddr: ipv4('10.77.0.101') } } })],
  'slow-offer': [() => exchange('os', { offer: { atMs: 3000 } })],
  'boot-loop': [
    () =>
      [1, 2, 3, 4].flatMap((xid) =>
        exchange('bios', {
          discover: { xid },
          offer: { xid },
          request: { xid, options: WANTED },
          ack: { xid },
        }),
      ),
  ],
  'xid-mismatch': [() => exchange('bios', { ack: { xid: 0x9999 } }), ['request-unanswered']],
  'reply-wrong-port': [
    () => exchange('bios', both({ to: ['255.255.255.255', 67] })),
    ['reply-wrong-port'],
  ],
  'directed-broadcast': [
    () => exchange('uefi', both({ to: ['10.77.0.255', 68] })),
    ['directed-broadcast'],
  ],
  'server-id-missing': [() => exchange('bios', { ack: without(OPTION.serverId) })],
  'server-id-mismatch': [
    () => exchange('bios', { ack: { options: [[OPTION.serverId, u32(ipv4(OTHER))]] } }),
  ],
  'unknown-server': [
    () =>
      exchange('bios', {
        request: {
          options: [
            [OPTION.requestedAddress, u32(ipv4(ADDRESS))],
            [OPTION.serverId, u32(ipv4(THIRD))],
          ],
        },
      }),
  ],
  'reply-short': [() => exchange('bios', { ack: { edit: (bytes) => bytes.slice(0, 280) } })],
  'reply-overlong': [
    () =>
      exchange('bios', {
        offer: { edit: (bytes) => Uint8Array.from([...bytes, ...new Array(1200).fill(0)]) },
      }),
  ],
  'message-type-late': [() => exchange('bios', { offer: { edit: swap53 } })],
  'lease-time-missing': [() => exchange('os', { ack: without(OPTION.leaseTime) })],
  'mask-missing': [() => exchange('os', { ack: without(OPTION.subnetMask) })],
  'relay-info-missing': [() => relayed({ options: [] }), ['relay-info-missing']],
  'relay-info-not-last': [
    () =>
      exchange('os', {
        ack: {
          options: [[OPTION.relayAgent, Uint8Array.of(1, 1, 65)]],
          edit: (bytes) => {
            const end = bytes.lastIndexOf(82);
            const copy = Uint8Array.from([
              ...bytes.subarray(0, end),
              82,
              3,
              1,
              1,
              65,
              15,
              1,
              97,
              255,
              0,
            ]);
            const padded = new Uint8Array(300);
            padded.set(copy.subarray(0, 300));
            return padded;
          },
        },
      }),
  ],
  'uuid-not-echoed': [
    () => exchange('bios', { discover: { options: [[OPTION.clientUuid, new Uint8Array(17)]] } }),
  ],
  'boot-file-missing': [() => exchange('bios', both(without(OPTION.bootFile)))],
  'boot-server-missing': [() => exchange('bios', { ack: { fields: { siaddr: ipv4('0.0.0.0') } } })],
  'boot-file-too-long': [
    () => exchange('bios', { ack: { options: [[OPTION.bootFile, nulTerminated(longName)]] } }),
  ],
  'boot-file-unterminated': [
    () => exchange('uefi', { ack: { options: [[OPTION.bootFile, text('snponly.efi')]] } }),
  ],
  'boot-file-wrong-arch': [
    () =>
      exchange('uefi', { ack: { options: [[OPTION.bootFile, nulTerminated('undionly.kpxe')]] } }),
  ],
  'http-class-missing': [() => exchange('http', { ack: without(OPTION.vendorClass) })],
  'http-url-by-name': [
    () =>
      exchange('http', {
        ack: { options: [[OPTION.bootFile, nulTerminated('http://boot.example/a.efi')]] },
      }),
  ],
  'pxe-class-alone': [
    () => exchange('uefi', { offer: { options: [[OPTION.vendorClass, text('PXEClient')]] } }),
  ],
  'overloaded-for-firmware': [
    () =>
      exchange('bios', {
        ack: {
          // Our encoder writes option 52 only where it is true: another option is renamed.
          options: [[250, u8(1)]],
          edit: (bytes) => {
            const copy = Uint8Array.from(bytes);
            copy[copy.lastIndexOf(250)] = OPTION.overload;
            return copy.fill(255, 108, 109);
          },
        },
      }),
  ],
  'ipxe-waits-for-proxy': [() => exchange('ipxe', { offer: without(OPTION.ipxe) })],
  'tftp-malformed': [() => [{ ...rrq(), payload: Uint8Array.of(0, 1, 0x61) }]],
  'tftp-unanswered': [() => [rrq()]],
  'tftp-error': [() => [rrq(), say(encodeError(1, 'File not found'))]],
  'tftp-not-there': [() => [rrq(asked, 'autoexec.ipxe'), say(encodeError(1, 'File not found'))]],
  'tftp-aborted': [
    () => [rrq(), say(encodeOack(granted)), block(1, 512), hear(encodeError(3, 'Disk full'))],
  ],
  'tftp-option-refused': [() => transfer(new Map([['blksize', '512']]))],
  'tftp-option-enlarged': [
    () => transfer(new Map([...granted, ['blksize', '1024']])).toSpliced(3, 4, block(1, 600)),
  ],
  'tftp-size-wrong': [() => transfer(new Map([...granted, ['tsize', '601']]))],
  'tftp-retransmissions': [() => transfer().toSpliced(3, 0, block(1, 512))],
  'tftp-unfinished': [() => transfer().slice(0, 5)],
  'tftp-name-garbage': [() => [rrq(asked, 'undionly.kpxe\xff'), ...transfer().slice(1)]],
  fragmented: [() => exchange('bios', { ack: { piece: 0x2000 } })],
};

describe('each check', () => {
  /** These two are about the file, not about what is said in it: decode-files.test.ts. */
  const elsewhereTested: CheckId[] = ['frame-cut', 'file-damaged', 'left-out'];

  it('has a case', () =>
    expect([...Object.keys(CASES), ...elsewhereTested].sort()).toEqual([...CHECK_IDS].sort()));

  it.each(Object.entries(CASES))('%s is found, alone', (id, [shots, also = []]) =>
    expect(idsOf(shots()).sort()).toEqual([id, ...also].sort()),
  );

  it('says which frame shows it', () => {
    const [found] =
      analyse(exchange('bios', { ack: without(OPTION.serverId) })).machines[0]?.problems ?? [];
    expect(found).toEqual({
      check: 'server-id-missing',
      level: 'error',
      frame: 4,
      detail: 'no option 54',
    });
  });

  it('`file` filled to its last byte is too long as well', () =>
    expect(idsOf(exchange('bios', { ack: { edit: fillFile } }))).toContain('boot-file-too-long'));

  it('a fragmented transfer is found by its data', () =>
    expect(idsOf(transfer().toSpliced(3, 1, { ...block(1, 512), piece: 0x2000 }))).toEqual([
      'fragmented',
    ]));

  it('a boot server that answers another port is heard by nobody', () =>
    expect(
      idsOf([...beside(proxyOffer()), bootServerAsk(), bootServerAnswer({ to: [ADDRESS, 68] })]),
    ).toEqual(['reply-wrong-port']));

  it('a lease that was given back, or ran out, is no conflict', () => {
    const second = { machine: elsewhere };
    const [discover, offer, request, ack] = exchange('os', {
      discover: second,
      offer: second,
      request: { ...second, options: WANTED },
      ack: { ...second, atMs: 700_000 },
    }) as [Shot, Shot, Shot, Shot];
    expect(idsOf([...exchange('os'), discover, offer, request, ack])).toEqual([]);
    const release = ask(MESSAGE.release, {
      client: 'os',
      xid: 5,
      fields: { ciaddr: ipv4(ADDRESS) },
    });
    expect(
      idsOf([...exchange('os'), release, discover, offer, request, { ...ack, atMs: 20 }]),
    ).toEqual([]);
  });
});

describe('wrongArch', () => {
  it.each([
    ['undionly.kpxe', 0, false],
    ['snponly.efi', 0, true],
    ['snponly.efi', 7, false],
    ['pxelinux.0', 7, true],
    ['ipxe-arm64.efi', 7, true],
    ['ipxe-arm64.efi', 11, false],
    ['grubx64.efi', 11, true],
    ['http://10.0.0.1/a/snponly-x86_64.efi?mac=1', 16, false],
    ['bootia32.efi', 7, true],
    ['bootia32.efi', 6, false],
    ['bootriscv64.efi', 27, false],
  ])('%s on %i: wrong is %s', (file, arch, wrong) =>
    expect(wrongArch(file, arch) !== undefined).toBe(wrong),
  );
});

it('docs/decode.md lists every check with its level', () => {
  const rows = [
    ...readFileSync('docs/decode.md', 'utf8').matchAll(
      /^\| `([a-z0-9-]+)` \| (error|warning|note) \|/gm,
    ),
  ];
  expect(rows.map(([, id, level]) => [id, level])).toEqual(
    Object.entries(CHECKS).map(([id, [level]]) => [id, level]),
  );
});
