/**
 * Records of a reply that DNSSEC adds: the signatures of what was copied, and denials of what is not there (RFC 4035
 * section 3.1). Nothing is added for a question without the DO bit, nor from a zone that is not signed.
 */
import type { ImageReader } from './image.ts';
import { NEGATIVE_SOA, NODE } from './image.ts';
import type { DnsName } from './name.ts';
import type { NameKey } from './query.ts';
import { Reply } from './reply.ts';
import { type Denial, nodeName, type Signatures, Signer, type SigningKeys } from './signer.ts';
import { CLASS, TYPE } from './types.ts';

/** RRSIG and NSEC records before their rdata: a pointer as owner, type, class, TTL, length. */
const HEAD_BYTES = 12;

export class SignedReply extends Reply {
  private readonly signer = new Signer();
  /** The time of the question that is being answered. */
  protected now = 0;
  /** Whether denials of names that are not kept are made only up to the limit. */
  protected denialsBounded = false;

  useKeys(keys: SigningKeys | undefined): void {
    this.signer.useKeys(keys);
  }

  override useImage(image: ImageReader): void {
    super.useImage(image);
    this.signer.forget();
  }

  /** How many signatures were made, for counters and tests. */
  get signaturesMade(): number {
    return this.signer.made;
  }

  /** Whether what comes from this node's zone is signed in this reply. */
  protected signs(node: number): boolean {
    return this.query.dnssecOk && this.hasDenials(node);
  }

  protected hasDenials(node: number): boolean {
    return (this.image.flags(node) & NODE.signed) !== 0 && this.signer.active;
  }

  protected apexOf(node: number): number {
    return this.image.apex(this.image.zone(node));
  }

  /**
   * Copies a record set and, where the reply is signed, its signatures.
   * @returns how many records
   */
  protected copySigned(rrset: number, ownerAt: number, node: number): number {
    const copied = this.copy(rrset, ownerAt);
    if (copied === 0 || this.truncated || !this.signs(node)) return copied;
    return copied + this.signaturesOf({ rrset, node, apex: this.apexOf(node) }, ownerAt);
  }

  protected signaturesOf(
    place: { rrset: number; node: number; apex: number },
    ownerAt: number,
  ): number {
    const { image } = this;
    let { rrset } = place;
    let ttlAt = image.rrsetAt(rrset) + 6;
    if (image.rrsetType(rrset) === NEGATIVE_SOA) {
      ttlAt = image.rrsetAt(rrset) + 6;
      rrset = image.rrset(place.node, TYPE.SOA);
    }
    const signatures = this.signer.rrset(image, { ...place, rrset }, this.now);
    const { bytes } = image;
    const high = ((bytes[ttlAt] ?? 0) << 8) | (bytes[ttlAt + 1] ?? 0);
    const low = ((bytes[ttlAt + 2] ?? 0) << 8) | (bytes[ttlAt + 3] ?? 0);
    return this.writeSignatures(signatures, ownerAt, high * 65_536 + low);
  }

  private writeSignatures({ rdatas }: Signatures, ownerAt: number, ttl: number): number {
    let written = 0;
    for (const rdata of rdatas) {
      if (this.at + HEAD_BYTES + rdata.length > this.end) {
        this.truncated = true;
        return written;
      }
      this.pointer(ownerAt);
      this.record(TYPE.RRSIG, ttl, rdata);
      written += 1;
    }
    return written;
  }

  /** NSEC at a name that exists. `ownerAt` is where the name, or what is left of it without `prefix`, stands. */
  protected denyType(node: number, ownerAt: number, prefix: string): number {
    const { image } = this;
    const place = { node, apex: this.apexOf(node) };
    return this.writeDenial(this.signer.missingType(image, place, this.now), prefix, ownerAt);
  }

  /** NSEC at a delegation to a zone of ours: the parent has NS there, and nothing else. */
  protected denyDelegationDs(child: number, parentApex: number, ownerAt: number): number {
    const place = { child, apex: parentApex };
    return this.writeDenial(this.signer.missingDs(this.image, place, this.now), '', ownerAt);
  }

  /** NSEC over a child of `encloser` that does not exist: `label` is the child's, `enclosedAt` where its parent stands. */
  protected denyName(encloser: number, label: string, encloserAt: number): number {
    const { image } = this;
    const parent = nodeName(image, encloser);
    const name = `${String.fromCharCode(label.length)}${label}${parent}` as DnsName;
    const place = { name, encloser, apex: this.apexOf(encloser) };
    const denial = this.signer.missingName(image, place, {
      now: this.now,
      bounded: this.denialsBounded,
    });
    if (!denial) {
      this.truncated = true;
      return 0;
    }
    const prefix = denial.owner.slice(0, denial.owner.length - parent.length);
    return this.writeDenial(denial, prefix, encloserAt);
  }

  private writeDenial(denial: Denial, prefix: string, ownerAt: number): number {
    const { rdata, ttl } = denial;
    if (this.at + prefix.length + HEAD_BYTES + rdata.length > this.end) {
      this.truncated = true;
      return 0;
    }
    const at = this.at - this.base;
    for (let i = 0; i < prefix.length; i++) this.out[this.at++] = prefix.charCodeAt(i);
    this.pointer(ownerAt);
    this.record(TYPE.NSEC, ttl, rdata);
    if (!this.query.dnssecOk) return 1;
    return 1 + this.writeSignatures(denial, prefix === '' ? ownerAt : at, ttl);
  }

  private pointer(at: number): void {
    this.out[this.at] = 0xc0 | (at >> 8);
    this.out[this.at + 1] = at & 255;
    this.at += 2;
  }

  private record(type: number, ttl: number, rdata: Uint8Array): void {
    const { out } = this;
    const fields = [type >> 8, type, 0, CLASS.IN, ttl >>> 24, ttl >>> 16, ttl >>> 8, ttl];
    for (const byte of fields) out[this.at++] = byte;
    out[this.at++] = rdata.length >> 8;
    out[this.at++] = rdata.length;
    for (let i = 0; i < rdata.length; i++) out[this.at + i] = rdata[i] ?? 0;
    this.at += rdata.length;
  }
}

/** A label of a name, without its length. */
export function labelOf(key: NameKey, label: number): string {
  const at = key.labelAt[label] ?? 0;
  let text = '';
  for (let i = at + 1, end = at + 1 + (key.bytes[at] ?? 0); i < end; i++) {
    text += String.fromCharCode(key.bytes[i] ?? 0);
  }
  return text;
}
