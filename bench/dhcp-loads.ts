/** The two load generators of bench/dhcp.ts: perfdhcp, the independent figure, and our light one, which leaves the machine to the server. */
import { join } from 'node:path';
import type { GeneratorName } from './dhcp-figures.ts';
import type { GeneratorReport } from './support/dhcp-generator.ts';
import { type Pair, udpBufferDrops } from './support/network.ts';
import { type Load, runLoad } from './support/perfdhcp.ts';
import { cpuTimes, start } from './support/process.ts';
import { withScope } from './support/scope.ts';

export interface LoadPlan {
  readonly pair: Pair;
  readonly server: string;
  readonly relay: string;
  readonly pool: { readonly first: string; readonly last: string };
  readonly rate: number;
  readonly seconds: number;
  readonly clients: number;
  /** Clients that boot by PXE (UEFI on x64); the light generator alone can play them. */
  readonly firmware?: boolean;
  /** Clients that do not come back in a measured run. */
  readonly warmUp?: boolean;
}

export interface ProvedLoad extends Load {
  /** Replies that should not be: an address of two clients, a refusal, a packet that proves nothing. 0 where nobody looks. */
  readonly wrong: number;
}

export interface LoadGenerator {
  readonly name: GeneratorName;
  run(plan: LoadPlan): Promise<ProvedLoad>;
}

export function perfdhcpLoad(perfdhcp: string, threads: 'single' | 'multi'): LoadGenerator {
  return {
    name: threads === 'single' ? 'perfdhcp' : 'perfdhcpTwo',
    async run({ pair, warmUp, firmware, ...plan }) {
      if (firmware) throw new Error('perfdhcp plays no firmware');
      const macs = warmUp ? { macBase: '00:0d:00:00:00:00' } : {};
      const load = await runLoad({
        ...{ perfdhcp, threads, namespace: pair.client },
        ...plan,
        ...macs,
      });
      return { ...load, wrong: 0 };
    },
  };
}

const GENERATOR = join(import.meta.dirname, 'support/dhcp-generator.ts');

export const lightLoad: LoadGenerator = {
  name: 'light',
  async run({ pair, warmUp, ...plan }) {
    const dropsBefore = udpBufferDrops(pair.client);
    const macBase = warmUp ? '020d0000' : '020c0100';
    const { report, generatorCpuSeconds } = await withScope(async (scope) => {
      const before = cpuTimes(process.pid).endedChildren;
      const program = start({
        ...{ scope, namespace: pair.client },
        command: [process.execPath, GENERATOR, JSON.stringify({ ...plan, macBase })],
      });
      const { code } = await program.ended;
      if (code !== 0) throw new Error(`the generator ended with ${code}:\n${program.output()}`);
      const last = program.output().trim().split('\n').at(-1) ?? '';
      return {
        report: JSON.parse(last) as GeneratorReport,
        generatorCpuSeconds: cpuTimes(process.pid).endedChildren - before,
      };
    });
    const { started, completed, meanDelayMs, twoOwners, refused, unproved } = report;
    // What comes after its client has begun another exchange is late, which is counted as lost, and not wrong.
    const { 'no such exchange': _late = 0, ...odd } = unproved;
    return {
      ...{ completed, meanDelayMs, generatorCpuSeconds },
      sentPerSecond: started / plan.seconds,
      lost: started === 0 ? 1 : 1 - completed / started,
      generatorDrops: udpBufferDrops(pair.client) - dropsBefore,
      wrong: twoOwners + refused + Object.values(odd).reduce((sum, count) => sum + count, 0),
    };
  },
};
