/**
 * perfdhcp (Kea's load generator) as a function: one run of 4-way exchanges at a fixed rate, and what came of it.
 *
 * It plays a relay: packets leave from port 67 of its own address, which it writes into giaddr, so every server answers it
 * by plain unicast and none is helped or hurt by raw sockets or broadcasts. Its own "Rate" divides by the time it waited for
 * stragglers too; the rates given here are exchanges started per second of the run.
 */
import { udpBufferDrops } from './network.ts';
import { cpuTimes, start } from './process.ts';
import { lengthenReceiveBuffer } from './receive-buffer.ts';
import { withScope } from './scope.ts';

export interface LoadOptions {
  readonly perfdhcp: string;
  readonly namespace: string;
  readonly server: string;
  /** Exchanges started per second. */
  readonly rate: number;
  readonly seconds: number;
  readonly clients: number;
  /** First MAC of the clients; another one makes them other clients. */
  readonly macBase?: string;
  /** `multi` receives on a thread of its own, which is what it does unless it is told; `single` costs less for an exchange. */
  readonly threads?: 'single' | 'multi';
}

export interface Load {
  /** DISCOVERs sent per second: below the rate that was asked for, the generator was the bound. */
  readonly sentPerSecond: number;
  /** Exchanges that ended in an ACK. */
  readonly completed: number;
  /** Share of exchanges that did not end in an ACK, 0 to 1. */
  readonly lost: number;
  /** Mean of DISCOVER to OFFER plus mean of REQUEST to ACK, milliseconds. */
  readonly meanDelayMs: number;
  /** Answers that reached the generator's machine and that it did not read in time. */
  readonly generatorDrops: number;
  readonly generatorCpuSeconds: number;
}

/** For stragglers: longer than any client waits for its answer, before its exchange counts as lost. */
const STRAGGLERS_US = 1_000_000;

const RELAY_PORT = 67;
/** As the light generator's: what is lost shall be lost by the server. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

export async function runLoad(options: LoadOptions): Promise<Load> {
  const { rate, seconds, namespace } = options;
  const dropsBefore = udpBufferDrops(namespace);
  const { output, cpu } = await withScope(async (scope) => {
    const before = cpuTimes(process.pid).endedChildren;
    const program = start({
      scope,
      namespace,
      command: [
        ...([options.perfdhcp, '-4', '-r', String(rate), '-p', String(seconds)] as const),
        ...['-R', String(options.clients), '-W', String(STRAGGLERS_US)],
        ...(options.threads ? ['-g', options.threads] : []),
        ...(options.macBase ? ['-b', `mac=${options.macBase}`] : []),
        options.server,
      ],
    });
    await lengthenReceiveBuffer(program.pid, RELAY_PORT, RECEIVE_BUFFER_BYTES);
    const { code } = await program.ended;
    // 3: some exchanges were not completed, which is a result and no failure.
    if (code !== 0 && code !== 3)
      throw new Error(`perfdhcp ended with ${code}:\n${program.output()}`);
    // No other child of a bench ends during a run.
    return { output: program.output(), cpu: cpuTimes(process.pid).endedChildren - before };
  });
  const generatorDrops = udpBufferDrops(namespace) - dropsBefore;
  return { ...parseReport(output, seconds), generatorDrops, generatorCpuSeconds: cpu };
}

/** @throws Error on output that is not the report of a 4-way run */
export function parseReport(
  output: string,
  seconds: number,
): Omit<Load, 'generatorDrops' | 'generatorCpuSeconds'> {
  const [, discover, request] = output.split('***Statistics for:');
  if (!discover || !request) throw new Error(`not a report of perfdhcp:\n${output}`);
  const figure = (section: string, name: string) => {
    const text = new RegExp(`^${name}:\\s+([\\d.]+|n/a|-nan|nan)`, 'm').exec(section)?.[1];
    if (text === undefined) throw new Error(`no '${name}' in perfdhcp's report:\n${output}`);
    return Number.isNaN(Number(text)) ? 0 : Number(text);
  };
  const sent = figure(discover, 'sent packets');
  const completed = figure(request, 'received packets');
  return {
    sentPerSecond: sent / seconds,
    completed,
    lost: sent === 0 ? 1 : 1 - completed / sent,
    meanDelayMs: figure(discover, 'avg delay') + figure(request, 'avg delay'),
  };
}
