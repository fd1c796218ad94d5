/**
 * Ways to sanitise a disk, and which of them are tried on one, in order. Pure data and one choice.
 *
 * Levels are those of NIST SP 800-88 (rev. 1, appendix A; IEEE 2883 for NVMe): *purge* withstands a laboratory, *clear* what
 * can be asked of the disk through its interface. Discarding alone is neither: what a read gives afterwards is undefined on
 * most disks. The strongest method that a disk says it has goes first; a method that the disk then refuses is followed by
 * the next, down to the level that is asked for and no further.
 */

export const LEVELS = ['clear', 'purge'] as const;
export type Level = (typeof LEVELS)[number];

export interface Method {
  readonly level: Level;
  /** What every block holds afterwards: zeros, or anything but what was there. */
  readonly leaves: 'zeros' | 'other';
  readonly says: string;
}

/** Strongest first: crypto erase and block erase reach what is over-provisioned, an overwrite does not. */
export const METHODS = {
  'nvme-sanitize-block': { level: 'purge', leaves: 'other', says: 'NVMe Sanitize, block erase' },
  'nvme-sanitize-crypto': { level: 'purge', leaves: 'other', says: 'NVMe Sanitize, crypto erase' },
  'nvme-format-crypto': { level: 'purge', leaves: 'other', says: 'NVMe Format, crypto erase' },
  'nvme-format-user': { level: 'purge', leaves: 'other', says: 'NVMe Format, user data erase' },
  'ata-sanitize-block': { level: 'purge', leaves: 'other', says: 'ATA Sanitize, BLOCK ERASE EXT' },
  'ata-sanitize-crypto': {
    level: 'purge',
    leaves: 'other',
    says: 'ATA Sanitize, CRYPTO SCRAMBLE EXT',
  },
  'ata-sanitize-overwrite': {
    level: 'purge',
    leaves: 'other',
    says: 'ATA Sanitize, OVERWRITE EXT',
  },
  'ata-secure-enhanced': {
    level: 'purge',
    leaves: 'other',
    says: 'ATA SECURITY ERASE UNIT, enhanced',
  },
  'scsi-sanitize-block': { level: 'purge', leaves: 'other', says: 'SCSI SANITIZE, block erase' },
  'scsi-sanitize-crypto': {
    level: 'purge',
    leaves: 'other',
    says: 'SCSI SANITIZE, cryptographic erase',
  },
  'scsi-sanitize-overwrite': { level: 'purge', leaves: 'other', says: 'SCSI SANITIZE, overwrite' },
  'ata-secure': { level: 'clear', leaves: 'other', says: 'ATA SECURITY ERASE UNIT' },
  'scsi-format': { level: 'clear', leaves: 'other', says: 'SCSI FORMAT UNIT' },
  overwrite: { level: 'clear', leaves: 'zeros', says: 'one pass of zeros over every block' },
} as const satisfies Record<string, Method>;

export type MethodName = keyof typeof METHODS;

export function isMethod(name: string): name is MethodName {
  return Object.hasOwn(METHODS, name);
}

/**
 * @param offers what the agent found that the disk says it has; writing zeros, every disk can be asked to
 * @returns the methods to try, in order; empty when the disk has none of this level
 */
export function methodsFor(offers: readonly string[], level: Level): MethodName[] {
  const names = Object.keys(METHODS) as MethodName[];
  return names.filter((name) => {
    if (level === 'purge' && METHODS[name].level !== 'purge') return false;
    return name === 'overwrite' || offers.includes(name);
  });
}
