/** Signing as tests set it: keys that are never due, and checks of signatures without our own code. */
import { createPublicKey, verify } from 'node:crypto';
import { decodeMessage, type Resource } from '../../src/dns/message.ts';
import { foldName, formatName, labelsOf } from '../../src/dns/name.ts';
import { TYPE } from '../../src/dns/types.ts';

export const POLICY = {
  ...{ zskSeconds: 0, kskSeconds: 0, ttlSeconds: 3600, dnskeyTtlSeconds: 3600 },
  ...{ dsTtlSeconds: 86_400, propagationSeconds: 3600, parentPropagationSeconds: 7200 },
};

export const DNSSEC = { policy: POLICY, validitySeconds: 21 * 86_400, renewSeconds: 7 * 86_400 };

const u16 = (text: string, at: number) => text.charCodeAt(at) * 256 + text.charCodeAt(at + 1);

/** A DNSKEY's rdata as a key of node:crypto. */
function publicKeyOf(dnskey: string) {
  const point = Buffer.from(dnskey.slice(4), 'latin1');
  const [x, y] = [point.subarray(0, 32), point.subarray(32)].map((half) =>
    half.toString('base64url'),
  );
  return createPublicKey({
    key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' },
    format: 'jwk',
  });
}

function number32(value: number): string {
  return String.fromCharCode(
    (value >>> 24) & 255,
    (value >>> 16) & 255,
    (value >>> 8) & 255,
    value & 255,
  );
}

/** The owner that was signed: a wildcard's where the signature counts fewer labels (RFC 4035 section 5.3.2). */
function signedOwner(owner: string, labels: number): string {
  const own = labelsOf(foldName(owner));
  if (own.length === labels) return foldName(owner);
  const kept = own.slice(own.length - labels);
  return `\x01*${kept.map((label) => String.fromCharCode(label.length) + label).join('')}\0`;
}

/**
 * Every set of a reply with the verdict of its signatures, one line each: `web1.t.test. A ok`. Sets without one say
 * `unsigned`. `dnskeys` are rdatas; `now` must lie in each signature's time.
 */
export function verdicts(bytes: Uint8Array, dnskeys: readonly string[], now: number): string[] {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return [`undecodable: ${decoded.code}`];
  const { answers, authority, additional } = decoded.value;
  return [answers, authority, additional].flatMap((section) => {
    const sets = new Map<string, Resource[]>();
    for (const record of section) {
      if (record.type === TYPE.OPT || record.type === TYPE.RRSIG) continue;
      const key = `${formatName(foldName(record.name))} ${record.type}`;
      sets.set(key, [...(sets.get(key) ?? []), record]);
    }
    return [...sets].map(([key, records]) => {
      const signatures = section.filter(
        ({ type, name, rdata }) =>
          type === TYPE.RRSIG && `${formatName(foldName(name))} ${u16(rdata, 0)}` === key,
      );
      if (signatures.length === 0) return `${key} unsigned`;
      const ok = signatures.every((one) => holds(one, records, { dnskeys, now }));
      return `${key} ${ok ? 'ok' : 'bogus'}`;
    });
  });
}

function holds(
  signature: Resource,
  records: readonly Resource[],
  { dnskeys, now }: { dnskeys: readonly string[]; now: number },
): boolean {
  const { rdata, name } = signature;
  let signerEnd = 18;
  while (rdata.charCodeAt(signerEnd) > 0) signerEnd += 1 + rdata.charCodeAt(signerEnd);
  const head = rdata.slice(0, signerEnd + 1);
  const time = (at: number) => u16(rdata, at) * 65_536 + u16(rdata, at + 2);
  if (now < time(12) || now > time(8)) return false;
  const owner = signedOwner(name, rdata.charCodeAt(3));
  const ttl = number32(time(4));
  const body = records
    .map((record) => record.rdata)
    .sort()
    .map((one) => {
      const type = String.fromCharCode((records[0]?.type ?? 0) >> 8, (records[0]?.type ?? 0) & 255);
      return `${owner}${type}\0\x01${ttl}${String.fromCharCode(one.length >> 8, one.length & 255)}${one}`;
    });
  const data = Buffer.from(head + body.join(''), 'latin1');
  const value = Buffer.from(rdata.slice(signerEnd + 1), 'latin1');
  return dnskeys.some((dnskey) =>
    verify('sha256', data, { key: publicKeyOf(dnskey), dsaEncoding: 'ieee-p1363' }, value),
  );
}
