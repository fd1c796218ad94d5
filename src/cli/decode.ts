/**
 * `reveille decode`: what a capture of boots says, and what is wrong in it.
 *
 * Works on any capture with any servers in it, without a daemon, a configuration or a network: for the technician with a
 * laptop at the switch, and for the report of somebody else's boot that failed.
 */
import { createReadStream } from 'node:fs';
import { type Analysis, createAnalysis } from '../capture/analysis.ts';
import type { Capture } from '../capture/model.ts';
import { createCaptureReader } from '../capture/pcap.ts';
import { AppError } from '../errors.ts';
import { parseMac } from '../wire/mac.ts';
import { captureJson } from './decode-json.ts';
import { captureText } from './decode-text.ts';

export interface DecodeOptions {
  readonly json?: boolean;
  /** Only this machine. */
  readonly mac?: string;
  /** Only what is wrong. */
  readonly problems?: boolean;
}

/**
 * @param file a pcap or pcapng file, or `-` for standard input (`tcpdump -w - | reveille decode -`)
 * @returns what to print, and whether an error was found
 * @throws AppError CAPTURE_UNREADABLE, REQUEST_INVALID
 */
export async function decode(
  file: string,
  options: DecodeOptions,
): Promise<{ text: string; errors: boolean }> {
  const capture = only(await readCapture(file), options.mac);
  const problems = [...capture.problems, ...capture.machines.flatMap((one) => one.problems)];
  return {
    text: options.json
      ? captureJson(file, capture)
      : captureText(capture, options.problems === true),
    errors: problems.some(({ level }) => level === 'error'),
  };
}

/** @throws AppError CAPTURE_UNREADABLE when the file cannot be opened, or is no capture at all */
export async function readCapture(file: string): Promise<Capture> {
  const reader = createCaptureReader();
  const analysis: Analysis = createAnalysis();
  const stream = file === '-' ? process.stdin : createReadStream(file);
  try {
    for await (const chunk of stream) {
      for (const frame of reader.push(chunk as Uint8Array)) analysis.add(frame);
    }
  } catch (cause) {
    throw new AppError('CAPTURE_UNREADABLE', {
      detail: `(${file}: ${(cause as Error).message})`,
      cause,
    });
  }
  const fault = reader.finish();
  if (fault?.code === 'not-a-capture') {
    throw new AppError('CAPTURE_UNREADABLE', { detail: `(${file} is neither pcap nor pcapng)` });
  }
  return analysis.finish(fault);
}

function only(capture: Capture, text: string | undefined): Capture {
  if (text === undefined) return capture;
  const mac = parseMac(text);
  if (!mac) throw new AppError('REQUEST_INVALID', { detail: `'${text}' is not a MAC address.` });
  const machines = capture.machines.filter(({ key }) => key === mac);
  return {
    ...capture,
    machines,
    problems: capture.problems.filter(({ detail }) => detail.includes(mac)),
  };
}
