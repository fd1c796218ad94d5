/** What is told of a transfer when it begins and when it ends. Pure. */
import type { EventData } from '../events.ts';
import type { FileVersion } from './chunk-cache.ts';
import type { TransferTerms } from './negotiate.ts';
import { optionText, type TftpRequest } from './packet.ts';
import type { TftpEvent } from './ports.ts';
import type { Progress, TransferResult } from './transfer.ts';

export interface Told {
  readonly name: string;
  readonly request: TftpRequest;
  readonly terms: TransferTerms;
  readonly file: FileVersion;
  readonly transfer: Progress;
  readonly startedAt: number;
}

export function startedData({ name, request, terms, file }: Told): EventData['tftp.started'] {
  const { blksizeBytes, windowsize, accepted } = terms;
  const options = { asked: optionText(request.options), granted: optionText(accepted) };
  return { file: name, blksizeBytes, windowsize, sizeBytes: file.sizeBytes, ...options };
}

export function endEvent(one: Told, result: TransferResult, now: number): TftpEvent {
  const file = one.name;
  const { acked, retransmits, tries: unheard } = one.transfer;
  if (!result.ok) {
    const { why, block, probe } = result;
    return { name: 'tftp.failed', data: { file, why, block, probe, acked, retransmits, unheard } };
  }
  const durationMs = Math.round(now - one.startedAt);
  const { sizeBytes } = one.file;
  return { name: 'tftp.sent', data: { file, sizeBytes, durationMs, retransmits } };
}
