/**
 * Deviations of real BMCs, each behind a name that is off unless asked for. A quirk is data: what it changes, and which
 * boards and firmware need it, as recorded by FreeIPMI ("bugs, issues and workarounds"), ipmitool (`-o`), ironic and
 * bmclib. A quirk without a named board is not added.
 */
export interface Quirk {
  readonly changes: string;
  readonly seen: readonly { readonly vendor: string; readonly boards: string }[];
}

export const QUIRKS = {
  'open-highest': {
    changes: 'Open Session asks for privilege 0 (the highest) instead of the one that is used',
    seen: [{ vendor: 'Tyan', boards: 'early boards whose cipher suites are bound to one level' }],
  },
  'role-lookup': {
    changes: 'RAKP 1 looks the user up by name and privilege, not by name alone',
    seen: [{ vendor: 'Intel', boards: 'SE7520AF2 with the Server Management Module' }],
  },
  'padded-name': {
    changes: 'the user name is padded to 16 bytes in RAKP 1 and in the hashes',
    seen: [
      { vendor: 'Intel', boards: 'SE7520AF2, Server Management Module Professional ("intel20")' },
    ],
  },
  'short-rakp2': {
    changes: 'the code in RAKP 2 is compared as far as both sides go, at least 12 bytes',
    seen: [
      { vendor: 'Sun', boards: 'Fire 4100, 4200, 4500 with ILOM ("sun20")' },
      { vendor: 'Supermicro', boards: 'H8QME with SIMSO, Peppercon firmware ("supermicro20")' },
    ],
  },
  'id-zero': {
    changes: 'packets of a session may carry session id 0',
    seen: [{ vendor: 'Tyan', boards: 'S2882 with the M3289 BMC ("idzero")' }],
  },
  'inner-checksums': {
    changes: 'checksums of messages inside signed packets are not checked',
    seen: [{ vendor: 'Supermicro', boards: 'X9SCM-iiF, X9DRi-F, X9DRFR ("nochecksumcheck")' }],
  },
  'disk-as-remote': {
    changes: 'a UEFI disk is selected as primary remote media (0x24)',
    seen: [{ vendor: 'Supermicro', boards: 'BMCs in UEFI mode, as ironic found' }],
  },
  'sol-no-handshake': {
    changes: 'SOL is activated with alerts failing and the handshake lines left alone (0xc0)',
    seen: [{ vendor: 'Intel', boards: 'BMCs that refuse deferred alerts, as pyghmi found' }],
  },
} as const satisfies Record<string, Quirk>;

export type QuirkName = keyof typeof QUIRKS;

export const QUIRK_NAMES = Object.keys(QUIRKS) as [QuirkName, ...QuirkName[]];

export function isQuirkName(text: string): text is QuirkName {
  return text in QUIRKS;
}
