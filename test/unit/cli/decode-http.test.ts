/** Requests over HTTP in a capture: what TCP sent again is not asked again. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createAnalysis } from '../../../src/capture/analysis.ts';
import type { Frame } from '../../../src/capture/pcap.ts';
import { framesOf } from '../../support/captures.ts';

/** Ethernet and IPv4 without options. */
const TCP_AT = 34;
const SEQUENCE_AT = TCP_AT + 4;

const frames = framesOf(readFileSync('test/fixtures/pcap/proxy-uefi-http.pcap'));
const isTcp = ({ bytes }: Frame) => bytes[23] === 6;

function requestsIn(found: readonly Frame[]): number {
  const analysis = createAnalysis();
  for (const [index, frame] of found.entries()) analysis.add({ ...frame, number: index + 1 });
  return analysis.finish(undefined).httpRequests;
}

/** The same segment, further on in its connection. */
function later(frame: Frame): Frame {
  const bytes = Uint8Array.from(frame.bytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(SEQUENCE_AT, (view.getUint32(SEQUENCE_AT) + 1000) >>> 0);
  return { ...frame, bytes };
}

it('counts a request that TCP sent again once', () => {
  const once = requestsIn(frames);
  expect(once).toBeGreaterThan(4);
  const again = frames.flatMap((frame) => (isTcp(frame) ? [frame, frame] : [frame]));
  expect(requestsIn(again)).toBe(once);
});

it('counts the same request twice where a client makes it twice on one connection', () => {
  const again = frames.flatMap((frame) => (isTcp(frame) ? [frame, later(frame)] : [frame]));
  expect(requestsIn(again)).toBe(2 * requestsIn(frames));
});
