import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createBootRules } from '../../../src/boot/binaries.ts';
import { type BootFacts, decide, targetWord } from '../../../src/boot/decide.ts';
import { nextInstruction, renderInstruction } from '../../../src/boot/next.ts';
import { renderDhcp } from '../../../src/boot/render-dhcp.ts';
import { loadScripts } from '../../../src/boot/render-ipxe.ts';
import { inert } from '../../../src/boot/templates.ts';
import { parseConfig } from '../../../src/config.ts';
import { architecture } from '../../../src/dhcp/architecture.ts';
import { MACHINE_STATES } from '../../../src/inventory/states.ts';
import { formatIpv4 } from '../../../src/wire/ipv4.ts';
import { ipv4, mac } from '../../support/world.ts';

const BIOS = { stage: 'firmware', arch: 0, foreignIpxe: false } as const;
const CLIENTS: Record<string, BootFacts['client']> = {
  bios: BIOS,
  uefi: { ...BIOS, arch: 7 },
  'uefi-9': { ...BIOS, arch: 9 },
  arm64: { ...BIOS, arch: 11 },
  http: { ...BIOS, stage: 'http-boot', arch: 16 },
  ipxe: { ...BIOS, stage: 'ipxe' },
  os: { ...BIOS, stage: 'os' },
  bmc: { ...BIOS, stage: 'bmc' },
  riscv64: { ...BIOS, arch: 27 },
  ia32: { ...BIOS, arch: 6 },
  'ipxe-arm64': { ...BIOS, stage: 'ipxe', arch: 11 },
  'ipxe-ia32': { ...BIOS, stage: 'ipxe', arch: 6 },
};
const STATES = ['unknown', ...MACHINE_STATES] as const;
/** ARM binaries are named and not there, as on a site that has built none. */
const rules = createBootRules(parseConfig('').boot, (file) => !file.includes('arm'));
const SUBJECT = { mac: mac('52:54:00:77:00:01'), hardwarename: undefined, product: undefined };
const facts = (changes: Partial<BootFacts>): BootFacts => {
  const client = changes.client ?? BIOS;
  const { family } = architecture(client.arch);
  return {
    client,
    state: 'unknown',
    work: undefined,
    installed: false,
    binariesServed: 0,
    binary: family && rules.choose(family, SUBJECT, { stuck: false }),
    localBoot: 'auto',
    ...changes,
  };
};
const addresses = { server: ipv4('10.77.0.1'), httpPort: 8080 };
const scripts = loadScripts((name) => readFileSync(`ipxe-scripts/${name}`, 'utf8'));

describe('every state', () => {
  const TARGETS = {
    unknown: 'recon',
    available: 'wait',
    held: 'wait',
    installing: 'wait',
    recycling: 'wait',
    'in-use': 'local-disk',
    broken: 'rescue',
    retired: 'nothing',
  };
  it.each(STATES)('%s', (state) => {
    expect(targetWord(decide(facts({ state })).target)).toBe(TARGETS[state]);
  });

  it('serves nothing destructive without the live order for exactly that', () => {
    for (const state of STATES) {
      for (const work of [undefined, 'install', 'recycle', 'burn-in'] as const) {
        for (const [installed, installer] of [
          [false, false],
          [true, false],
          [false, true],
          [true, true],
        ] as const) {
          const target = decide(facts({ state, work, installed, installer })).target;
          const word = targetWord(target);
          if (target.kind === 'installer') expect(installer).toBe(true);
          const allowed =
            (state === 'installing' && work === 'install') ||
            (state === 'recycling' && (work === 'recycle' || work === 'burn-in')) ||
            (['available', 'held'].includes(state) && work === 'burn-in');
          expect(['install', 'recycle', 'burn-in'].includes(word)).toBe(allowed);
          if (allowed) expect(word).toBe(work);
        }
      }
    }
  });
});

describe('every channel about every state', () => {
  const matrix = STATES.flatMap((state) =>
    Object.entries(CLIENTS).map(([name, client]) => ({ state, name, client })),
  );
  it.each(matrix)('$name of a machine that is $state', ({ state, name, client }) => {
    const decision = decide(facts({ state, client }));
    const shown = renderDhcp(decision, addresses, 'T'.repeat(32));
    const expected: Record<string, string | undefined> = {
      bios: 'undionly.kpxe',
      uefi: 'snponly.efi',
      'uefi-9': 'snponly.efi',
      arm64: undefined,
      http: 'http://10.77.0.1:8080/boot/ipxe/snponly.efi',
      ipxe: `http://10.77.0.1:8080/boot/${'T'.repeat(32)}/script.ipxe`,
      os: undefined,
      bmc: undefined,
      riscv64: undefined,
      ia32: 'snponly-ia32.efi',
      'ipxe-arm64': `http://10.77.0.1:8080/boot/${'T'.repeat(32)}/script.ipxe`,
      'ipxe-ia32': `http://10.77.0.1:8080/boot/${'T'.repeat(32)}/script.ipxe`,
    };
    expect(shown.file).toBe(expected[name]);
    expect(shown.label ?? '').not.toContain('TTTT');
    // Option 60 goes to HTTP Boot only: PXE firmware that sees it without option 43 asks port 4011 and stops.
    expect(shown.vendorClass).toBe(name === 'http' ? 'HTTPClient' : undefined);
    if (shown.file) expect(formatIpv4(shown.siaddr ?? ipv4('0.0.0.0'))).toBe('10.77.0.1');
    const script = scripts.render(decision, {
      url: 'http://10.77.0.1:8080',
      token: 'TOKEN',
      mac: mac('52:54:00:77:00:01'),
      machine: 'SN-1',
      kernelArguments: 'quiet',
    });
    expect(script.startsWith('#!ipxe\n')).toBe(true);
    expect(script).not.toMatch(/\{\{|\}\}/);
    const runs = !/^ipxe-/.test(name);
    expect(script.includes('reveille.token=TOKEN')).toBe(
      decision.target.kind === 'pxeimage' && runs,
    );
  });
});

describe('a processor that pxeimage is not built for', () => {
  const ARM64 = { ...BIOS, stage: 'ipxe', arch: 11 } as const;
  const LACK = 'pxeimage is built for x86-64 and does not run on uefi-arm64';
  it.each(STATES)(
    '%s: its iPXE is told so wherever pxeimage is wanted, and only there',
    (state) => {
      const decision = decide(facts({ state, client: ARM64 }));
      const wanted = decision.target.kind === 'pxeimage';
      expect(decision.delivery).toEqual(
        wanted ? { kind: 'refusal', why: LACK } : { kind: 'script' },
      );
      expect(decision.reasons.includes(LACK)).toBe(wanted);
    },
  );

  it('is named before its firmware is handed iPXE, which it is all the same', () => {
    const decision = decide(facts({ client: { ...BIOS, arch: 6 } }));
    expect(decision.delivery).toMatchObject({ kind: 'chain', file: 'snponly-ia32.efi' });
    expect(decision.reasons).toContain(
      'pxeimage is built for x86-64 and does not run on uefi-ia32',
    );
    expect(decide(facts({ state: 'in-use', client: { ...BIOS, arch: 6 } })).reasons).toEqual([
      'in use: its local disk',
      'PXE firmware: iPXE over TFTP',
    ]);
  });

  it('is called the same where it came by HTTP Boot', () => {
    const decision = decide(facts({ client: { ...ARM64, arch: 19 } }));
    expect(decision.delivery).toEqual({ kind: 'refusal', why: LACK });
  });

  it('may have an installer of its own', () => {
    const installing = { state: 'installing', work: 'install', installer: true } as const;
    expect(decide(facts({ ...installing, client: ARM64 })).delivery).toEqual({ kind: 'script' });
  });
});

describe('loops', () => {
  it('an iPXE that is not ours is chained, but not for ever', () => {
    const client = { ...BIOS, foreignIpxe: true };
    expect(decide(facts({ client })).delivery.kind).toBe('chain');
    expect(decide(facts({ client, binariesServed: 3 })).delivery.kind).toBe('script');
  });
});

describe('scripts', () => {
  const WANTED: Record<string, Partial<BootFacts>> = {
    recon: {},
    refusal: { client: { ...BIOS, stage: 'ipxe', arch: 11 } },
    'local-disk': { state: 'in-use' },
    nothing: { state: 'retired' },
  };
  it.each(Object.entries(WANTED))('%s is the text beside', async (name, wanted) => {
    const script = scripts.render(decide(facts(wanted)), {
      url: 'http://10.77.0.1:8080',
      token: 'TOKEN',
      mac: mac('52:54:00:77:00:01'),
      machine: 'SN-1',
      kernelArguments: 'console=ttyS0',
    });
    await expect(script).toMatchFileSnapshot(`../../fixtures/ipxe/${name}.ipxe`);
  });

  it('installer is the text beside', async () => {
    const decision = decide(facts({ state: 'installing', work: 'install', installer: true }));
    const script = scripts.render(decision, {
      url: 'http://10.77.0.1:8080',
      token: 'TOKEN',
      mac: mac('52:54:00:77:00:01'),
      machine: 'SN-1',
      kernelArguments: 'console=ttyS0',
      installer: {
        work: 'WORK',
        kernelArguments:
          'auto=true url=http://10.77.0.1:8080/installer/WORK/template ds=nocloud-net;s=http://x/ ; reboot $a || "b',
      },
    });
    expect(script).not.toMatch(/TOKEN| ; |\$a|"b/);
    await expect(script).toMatchFileSnapshot('../../fixtures/ipxe/installer.ipxe');
  });

  it('no value can become a command', () => {
    expect(inert(['a\nreboot || $', '{net0/mac} & "x" # `y`'].join(''))).toBe(
      'a.reboot .. ..net0/mac. . .x. . .y.',
    );
  });

  it('the command line names the initrd, which old UEFI kernels need', () => {
    expect(readFileSync('ipxe-scripts/pxeimage.ipxe', 'utf8')).toMatch(
      /kernel .* initrd=initrd\.img /,
    );
  });
});

describe('the next instruction', () => {
  const machine = (state: (typeof MACHINE_STATES)[number]) => ({
    hardwarename: 'SN-1' as never,
    state,
    stateWhy: 'a\nreason',
  });
  it('asks for a report once a boot, then follows the state', () => {
    expect(
      nextInstruction({ machine: machine('available'), boot: { reportDigest: undefined } })
        .instruction,
    ).toBe('recon');
    const words = MACHINE_STATES.map((state) => [
      state,
      nextInstruction({ machine: machine(state), boot: { reportDigest: 'd' } }).instruction,
    ]);
    expect(Object.fromEntries(words)).toEqual({
      available: 'wait',
      installing: 'wait',
      'in-use': 'reboot',
      recycling: 'wait',
      broken: 'wait',
      held: 'wait',
      retired: 'poweroff',
    });
  });

  it('is one line for each value', () => {
    const next = nextInstruction({ machine: machine('held'), boot: { reportDigest: 'd' } });
    expect(renderInstruction(next)).toBe(
      'instruction: wait\nhardwarename: SN-1\nstate: held\nmessage: held: a reason\n',
    );
  });
});
