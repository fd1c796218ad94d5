/**
 * Child processes of a bench: started inside a namespace, waited for by what they print, measured, ended.
 *
 * `ip netns exec` replaces itself by the program, so the child's pid is the program's and its times are its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Scope } from './scope.ts';

export interface Program {
  readonly pid: number;
  /** Everything printed so far on both streams, the oldest cut off above a megabyte. */
  output(): string;
  /** Resolves with the first line that matches. @throws Error with the output when the program ends or the time is up */
  line(pattern: RegExp, timeoutMs?: number): Promise<string>;
  /** Resolves when the program has ended and its streams are drained. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Ends it and waits; SIGKILL after five seconds. Ending it twice does nothing. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface StartOptions {
  readonly scope: Scope;
  readonly command: readonly [string, ...string[]];
  /** Name of the network namespace to run in. */
  readonly namespace?: string;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** CPUs to stay on, as taskset(1) writes them. */
  readonly cpus?: string;
}

const OUTPUT_CHARS_MAX = 1_000_000;

export function start(options: StartOptions): Program {
  const words = [
    ...(options.namespace ? ['ip', 'netns', 'exec', options.namespace] : []),
    ...(options.cpus ? ['taskset', '-c', options.cpus] : []),
    ...options.command,
  ];
  const child = spawn(words[0] ?? '', words.slice(1), {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
  });
  const program = follow(child, words.join(' '));
  options.scope.defer(() => program.stop());
  return program;
}

function follow(child: ChildProcess, name: string): Program {
  let output = '';
  let over = false;
  const watchers = new Set<() => void>();
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    const finish = (code: number | null, signal: NodeJS.Signals | null) => {
      over = true;
      resolve({ code, signal });
      for (const watch of watchers) watch();
    };
    child.once('close', finish);
    child.once('error', (error) => {
      output += error.message;
      finish(null, null);
    });
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARS_MAX);
      for (const watch of watchers) watch();
    });
  }
  return {
    pid: child.pid ?? 0,
    output: () => output,
    ended,
    line: (pattern, timeoutMs = 20_000) =>
      new Promise((resolve, reject) => {
        const fail = (why: string) => settle(() => reject(new Error(`${name}: ${why}\n${output}`)));
        const timer = setTimeout(() => fail(`no line ${pattern} in time`), timeoutMs);
        const settle = (act: () => void) => {
          clearTimeout(timer);
          watchers.delete(watch);
          act();
        };
        const watch = () => {
          const line = output.split('\n').find((text) => pattern.test(text));
          if (line !== undefined) settle(() => resolve(line));
          else if (over) fail('ended');
        };
        watchers.add(watch);
        watch();
      }),
    async stop(signal = 'SIGTERM') {
      if (over) return;
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Runs a program to its end. @throws Error with its output unless its exit status is one of `allowed`. */
export async function runToEnd(options: StartOptions, allowed = [0]): Promise<string> {
  const program = start(options);
  const { code } = await program.ended;
  if (code === null || !allowed.includes(code)) {
    throw new Error(`${options.command.join(' ')} ended with ${code}:\n${program.output()}`);
  }
  return program.output();
}

/** Linux reports times in ticks of 10 ms, whatever the kernel's own (USER_HZ). */
const TICKS_PER_SECOND = 100;

/**
 * User and system time, in seconds: of a process with all its threads, and of its children that have ended. A child's time
 * appears there when it has ended and been waited for, which is before `ended` resolves.
 */
export function cpuTimes(pid: number): { own: number; endedChildren: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name in parentheses may hold spaces: fields are counted behind it (proc(5): utime is the 14th).
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (at: number) => Number(fields[at] ?? 0) / TICKS_PER_SECOND;
  return { own: seconds(11) + seconds(12), endedChildren: seconds(13) + seconds(14) };
}

export function cpuSeconds(pid: number): number {
  return cpuTimes(pid).own;
}

/** The same of several, 0 for one that has ended. */
export function cpuSecondsOf(pids: readonly number[]): number {
  const unlessGone = (pid: number): number => {
    try {
      return cpuSeconds(pid);
    } catch {
      return 0;
    }
  };
  return pids.reduce((sum, pid) => sum + unlessGone(pid), 0);
}

/** The process and all that descend from it: for servers that fork workers. */
export function treeOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It ended while the list was read.
    }
  }
  const tree = [pid];
  for (const member of tree) tree.push(...(children.get(member) ?? []));
  return tree;
}

/** Resident memory and its peak so far, in bytes. */
export function memoryOf(pid: number): { rssBytes: number; peakBytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  return { rssBytes: kib('VmRSS') * 1024, peakBytes: kib('VmHWM') * 1024 };
}

/**
 * What the main thread of a process has had of the processors, and how long it was ready and had to wait for one: what a
 * loaded machine adds to every answer, whatever the program does (Linux, Documentation/scheduler/sched-stats.rst).
 */
export function processorOf(pid: number): { ranMs: number; waitedMs: number } {
  const [ran = 0, waited = 0] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')
    .split(' ')
    .map(Number);
  return { ranMs: ran / 1e6, waitedMs: waited / 1e6 };
}

/** How many UDP sockets over IPv4 a process has open, as the kernel lists them (proc_pid_fd(5), proc_net_udp). */
export function udpSockets(pid: number): number {
  const [, ...rows] = readFileSync(`/proc/${pid}/net/udp`, 'utf8').trim().split('\n');
  const inodes = new Set(rows.map((row) => row.trim().split(/\s+/)[9]));
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      return inode !== undefined && inodes.has(inode);
    } catch {
      // It was closed in between.
      return false;
    }
  }).length;
}
