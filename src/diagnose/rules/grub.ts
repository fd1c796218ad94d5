/** Why a shim and the GRUB behind it got no further (docs/boot-files.md, Secure Boot). */
import { type Rule, silence } from '../rule.ts';

export const GRUB_RULES: readonly Rule[] = [
  {
    name: 'grub-never-asked',
    title: 'Shim and GRUB were loaded and asked for no script',
    confidence: 'likely',
    // As long as with iPXE: firmware that has refused the file asks again by then.
    waitMs: 85_000,
    places: ['loaded'],
    evidence: (f) => {
      const file = f.tftp.findLast(({ end }) => end === 'complete')?.file;
      return f.grub && file
        ? [
            `${file} was fetched whole, and no request for the grub.cfg below its token came`,
            silence(f),
          ]
        : undefined;
    },
    says: 'The shim was started and went no further: it refused GRUB and waits for somebody to say yes, or GRUB does not work with this NIC.',
    next: 'Look at the screen. "Verification failed" or "Security violation" is shim: put the shim and the GRUB of one and the same Debian into boot.assets.',
    not: {
      'secure-boot-refused': 'there the firmware goes on at once',
      'ipxe-never-asked': 'there it is iPXE that was handed out',
    },
  },
];
