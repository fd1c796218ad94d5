/**
 * Answers: one question in, one reply written in place, from the zone image alone.
 *
 * The rules are those of an authoritative server: RFC 1034 section 4.3.2 with RFC 2308 (negative answers), 4592
 * (wildcards), 6604 (rcode after CNAME), 6672 (DNAME), 6891 (EDNS), 8020 (nothing below what does not exist), 8482
 * (ANY gets one record set), 9471 (glue that a referral needs is never left out without TC). Replies are minimal: no
 * authority beside a positive answer, addresses only for the targets of NS, MX and SRV. Nothing is allocated for each
 * question, no clock is read, and nothing but the reply is written; the same object serves UDP, TCP and tests.
 *
 * In a zone that is signed, a question with the DO bit gets signatures and denials too (signed-reply.ts).
 *
 * It does not transfer or check TSIG: such questions come back as FORWARD, for the slow path.
 */
import { type ImageReader, NEGATIVE_SOA, NODE } from './image.ts';
import { NameKey, u16 } from './query.ts';
import type { Asker } from './reply.ts';
import { labelOf, SignedReply } from './signed-reply.ts';
import { CLASS, isMetaType, RCODE, TYPE } from './types.ts';

/** Results of `respond` besides the length of a reply. */
const DROP = 0;
const FORWARD = -1;

const CHAIN_MAX = 10;
/** Targets whose addresses are added; a reply holds no more anyway. */
const TARGETS_MAX = 20;

export class Responder extends SignedReply {
  private readonly target = new NameKey();
  private overTcp = false;
  private readonly targets = new Int32Array(TARGETS_MAX);
  /** Names that wildcards stand for in this reply: that each does not exist is still to be written. */
  private readonly proofs: { encloser: number; label: string; encloserAt: number }[] = [];

  /**
   * @param request the datagram or TCP message from `from` to `to`
   * @param reply room for 65,535 octets (TCP) or `UDP_REPLY_BYTES_MAX` behind `replyAt`
   * @returns the reply's length, `DROP` or `FORWARD`
   */
  respond(
    request: { bytes: Uint8Array; from: number; to: number },
    reply: { bytes: Uint8Array; at: number },
    asker: Asker,
  ): number {
    const { query, image } = this;
    const verdict = query.read(request.bytes, request.from, request.to);
    if (verdict === 'drop') return DROP;
    if (verdict === 'forward') return FORWARD;
    this.out = reply.bytes;
    this.base = reply.at;
    this.now = asker.nowSeconds;
    this.overTcp = asker.transport === 'tcp';
    this.denialsBounded = !this.overTcp;
    for (;;) {
      const before = verdict === 'refuse' ? 0 : image.settled();
      this.start(request.bytes, request.from, asker);
      if (verdict === 'refuse') this.rcode = query.rcode;
      else this.dispatch();
      if (verdict === 'refuse' || image.sequence() === before) break;
    }
    this.finish(request.bytes, request.from, asker);
    return this.at - this.base;
  }

  private dispatch(): void {
    const { query } = this;
    if (query.class === CLASS.IN || query.class === CLASS.ANY) {
      this.proofs.length = 0;
      this.resolve();
      if (!this.truncated) this.writeProofs();
      if (this.truncated) this.clear();
    } else if (query.class === CLASS.CH) this.chaos();
    else this.rcode = RCODE.REFUSED;
  }

  /** Follows a name through our zones. `nameAt` is where the name stands in the reply: records point there. */
  private resolve(): void {
    let key = this.query.key;
    let nameAt = 12;
    for (let hop = 0; hop <= CHAIN_MAX; hop++) {
      const before = { at: this.at, answers: this.answers, proofs: this.proofs.length };
      const next = this.step(key, nameAt, hop);
      // Over TCP there is no larger answer to come back for: the alias without its target, which the client asks for.
      if (this.truncated && hop > 0 && this.overTcp) this.backTo(before);
      if (next <= 0 || this.truncated) return;
      this.target.load(this.out, this.base + next, this.at);
      key = this.target;
      nameAt = next;
    }
  }

  /** Takes back what was written of a name that an alias led to, unless proofs for the alias went with it. */
  private backTo({ at, answers, proofs }: { at: number; answers: number; proofs: number }): void {
    if (this.proofs.length < proofs) return;
    this.proofs.length = proofs;
    this.at = at;
    this.answers = answers;
    this.authority = 0;
    this.additional = 0;
    this.truncated = false;
    this.rcode = RCODE.NOERROR;
  }

  /** One name: writes what is known of it. @returns where the target to go on with is, or 0 */
  private step(key: NameKey, nameAt: number, hop: number): number {
    const { image } = this;
    let node = key.find(image, 0);
    if (node !== 0) {
      const flags = image.flags(node);
      if ((flags & (NODE.cut | NODE.glue)) === 0) return this.exact(key, nameAt, node);
      if (flags & NODE.cut && this.query.type === TYPE.DS) return this.exact(key, nameAt, node);
      return this.referral(key, nameAt, 0);
    }
    for (let label = 1; label <= key.labels; label++) {
      const encloser = key.find(image, label);
      if (encloser === 0) continue;
      const flags = image.flags(encloser);
      if (hop === 0) this.rateLabel = label;
      if (flags & (NODE.cut | NODE.glue)) return this.referral(key, nameAt, label);
      this.authoritative = true;
      if (flags & NODE.dname) return this.dname(key, nameAt, { node: encloser, label });
      if (flags & NODE.wildcardChild) node = key.findWildcard(image, label);
      if (node !== 0) return this.expanded(key, nameAt, { encloser, node, label });
      this.rcode = RCODE.NXDOMAIN;
      this.negative(key, nameAt, encloser);
      if (this.signs(encloser)) {
        this.denyNextCloser(key, nameAt, { encloser, label });
        if (labelOf(key, label - 1) !== '*') this.denyWildcard(key, nameAt, { encloser, label });
      }
      return 0;
    }
    if (hop === 0) this.rcode = RCODE.REFUSED;
    return 0;
  }

  /**
   * A wildcard stands for the name: its answer, and that nothing closer exists (RFC 4035 section 3.1.3.3). The proof
   * belongs into the authority section, and so waits until all answers are written.
   */
  private expanded(
    key: NameKey,
    nameAt: number,
    found: { encloser: number; node: number; label: number },
  ): number {
    const { encloser, node, label } = found;
    if (this.signs(encloser)) {
      const encloserAt = nameAt + (key.labelAt[label] ?? 0);
      this.proofs.push({ encloser, label: labelOf(key, label - 1), encloserAt });
    }
    return this.exact(key, nameAt, node, label);
  }

  private writeProofs(): void {
    for (const { encloser, label, encloserAt } of this.proofs) {
      if (this.truncated) break;
      this.authority += this.denyName(encloser, label, encloserAt);
    }
    this.proofs.length = 0;
  }

  /** The child of the closest encloser on the way to the name does not exist. */
  private denyNextCloser(
    key: NameKey,
    nameAt: number,
    { encloser, label }: { encloser: number; label: number },
  ): void {
    const at = nameAt + (key.labelAt[label] ?? 0);
    this.authority += this.denyName(encloser, labelOf(key, label - 1), at);
  }

  private denyWildcard(
    key: NameKey,
    nameAt: number,
    { encloser, label }: { encloser: number; label: number },
  ): void {
    this.authority += this.denyName(encloser, '*', nameAt + (key.labelAt[label] ?? 0));
  }

  /** The name is there (or a wildcard stands for it): its records, its alias, or that it has none of this type. */
  private exact(key: NameKey, nameAt: number, node: number, wildcardOf = 0): number {
    const { image, query } = this;
    const { type } = query;
    const flags = image.flags(node);
    this.authoritative = true;
    if (type === TYPE.DS && flags & NODE.apex) return this.parentSide(key, nameAt, node);
    if (flags & NODE.cname && !besideAlias(type)) {
      const rdataAt = this.at - this.base + 12;
      this.answers += this.copySigned(image.rrset(node, TYPE.CNAME), nameAt, node);
      return this.truncated ? 0 : rdataAt;
    }
    if (wildcardOf === 0 && this.hasDenials(node) && this.signedTypes(type, nameAt, node)) return 0;
    const rrset = type === TYPE.ANY ? this.anyRrset(node) : this.typedRrset(node, type);
    if (rrset === 0) return this.noData(key, nameAt, node, wildcardOf);
    const from = this.at;
    this.answers += this.copySigned(rrset, nameAt, node);
    if (!this.truncated) this.writeProofs();
    if (!this.truncated) this.addAddresses(image.rrsetType(rrset), from, image.rrsetSize(rrset));
    return 0;
  }

  /** Questions for what signing makes: an NSEC at the name; of its signatures those of one set, as for ANY. */
  private signedTypes(type: number, nameAt: number, node: number): boolean {
    if (type === TYPE.NSEC) {
      this.answers += this.denyType(node, nameAt, '');
      return true;
    }
    const rrset = type === TYPE.RRSIG ? this.anyRrset(node) : 0;
    if (rrset === 0) return false;
    this.answers += this.signaturesOf({ rrset, node, apex: this.apexOf(node) }, nameAt);
    return true;
  }

  /** The name is there without this type; `wildcardOf` is the encloser's label where a wildcard stands for the name. */
  private noData(key: NameKey, nameAt: number, node: number, wildcardOf: number): 0 {
    this.negative(key, nameAt, node);
    if (this.truncated || !this.signs(node)) return 0;
    const at = nameAt + (wildcardOf > 0 ? (key.labelAt[wildcardOf] ?? 0) : 0);
    this.authority += this.denyType(node, at, wildcardOf > 0 ? '\x01*' : '');
    return 0;
  }

  private typedRrset(node: number, type: number): number {
    return isMetaType(type) ? 0 : this.image.rrset(node, type);
  }

  /** RFC 8482 section 4.1: one of the sets, addresses for choice, as NSD and Knot do. */
  private anyRrset(node: number): number {
    const { image } = this;
    const address = image.rrset(node, TYPE.A);
    if (address !== 0 || image.rrsetCount(node) === 0) return address;
    const first = image.firstRrset(node);
    return image.rrsetType(first) === NEGATIVE_SOA ? 0 : first;
  }

  /** DS belongs to the parent (RFC 4035 section 3.1.4.1), also where we serve both. */
  private parentSide(key: NameKey, nameAt: number, apex: number): number {
    const { image } = this;
    const skip = key.labels - labelCount(image, apex);
    for (let label = skip + 1; label <= key.labels; label++) {
      const above = key.find(image, label);
      if (above === 0) continue;
      const rrset = image.rrset(apex, TYPE.DS);
      if (rrset === 0) return this.unsignedChild(key, nameAt, { apex, above });
      this.answers += this.copy(rrset, nameAt);
      if (!this.truncated && this.signs(above)) {
        const place = { rrset, node: apex, apex: this.apexOf(above) };
        this.answers += this.signaturesOf(place, nameAt);
      }
      return 0;
    }
    return this.noData(key, nameAt, apex, 0);
  }

  /** We serve both sides of a delegation, and the parent says that the child is not signed. */
  private unsignedChild(
    key: NameKey,
    nameAt: number,
    { apex, above }: { apex: number; above: number },
  ): 0 {
    this.negative(key, nameAt, above);
    if (!this.truncated && this.signs(above)) {
      this.authority += this.denyDelegationDs(apex, this.apexOf(above), nameAt);
    }
    return 0;
  }

  /** The SOA of the zone that `node` is in, at the zone's name, which is the end of the name at `nameAt`. */
  private negative(key: NameKey, nameAt: number, node: number): 0 {
    const { image } = this;
    const apex = image.apex(image.zone(node));
    const soa = image.rrset(apex, NEGATIVE_SOA);
    const ownerAt = nameAt + key.length - image.nameLength(apex);
    this.authority += this.copySigned(soa, ownerAt, apex);
    return 0;
  }

  /** NS of the cut at or above the name, with the glue that is needed to get there. */
  private referral(key: NameKey, nameAt: number, from: number): 0 {
    const { image } = this;
    let label = from;
    let cut = key.find(image, label);
    while (label < key.labels && (cut === 0 || (image.flags(cut) & NODE.cut) === 0)) {
      label += 1;
      cut = key.find(image, label);
    }
    if (nameAt === 12) this.rateLabel = label;
    const rrset = cut === 0 ? 0 : image.rrset(cut, TYPE.NS);
    this.writeProofs();
    const at = this.at;
    const ownerAt = nameAt + (key.labelAt[label] ?? 0);
    this.authority += this.copy(rrset, ownerAt);
    if (!this.truncated && cut !== 0 && this.signs(cut)) this.secure(cut, ownerAt);
    if (!this.truncated) this.addAddresses(TYPE.NS, at, image.rrsetSize(rrset), cut);
    return 0;
  }

  /** Beside a referral: the DS of who is delegated to, or that there is none (RFC 4035 section 3.1.4). */
  private secure(cut: number, ownerAt: number): void {
    const ds = this.image.rrset(cut, TYPE.DS);
    this.authority +=
      ds === 0 ? this.denyType(cut, ownerAt, '') : this.copySigned(ds, ownerAt, cut);
  }

  /** RFC 6672 section 3.1: the DNAME, and a CNAME made of it with the same TTL. */
  private dname(key: NameKey, nameAt: number, found: { node: number; label: number }): number {
    const { image, out } = this;
    const rrset = image.rrset(found.node, TYPE.DNAME);
    const ownerBytes = key.labelAt[found.label] ?? 0;
    const from = this.at;
    this.answers += this.copy(rrset, nameAt + ownerBytes);
    const targetBytes = image.rrsetBytes(rrset) - 12;
    const length = ownerBytes + targetBytes;
    if (length > 255) {
      this.rcode = 6;
      return 0;
    }
    if (this.truncated || this.at + 12 + length > this.end) {
      this.truncated = true;
      return 0;
    }
    const at = this.at;
    out[at] = 0xc0 | (nameAt >> 8);
    out[at + 1] = nameAt & 255;
    for (let i = 2; i < 10; i++) out[at + i] = out[from + i] ?? 0;
    out[at + 3] = TYPE.CNAME;
    out[at + 10] = length >> 8;
    out[at + 11] = length & 255;
    for (let i = 0; i < ownerBytes; i++) out[at + 12 + i] = key.bytes[i] ?? 0;
    for (let i = 0; i < targetBytes; i++) {
      out[at + 12 + ownerBytes + i] = out[from + 12 + i] ?? 0;
    }
    this.at = at + 12 + length;
    this.answers += 1;
    if (this.signs(found.node)) {
      const place = { rrset, node: found.node, apex: this.apexOf(found.node) };
      this.answers += this.signaturesOf(place, nameAt + ownerBytes);
    }
    return this.query.type === TYPE.CNAME || this.truncated ? 0 : at + 12 - this.base;
  }

  /**
   * Addresses of the targets of `count` records that begin at `from`. In a referral (`cut` given) those at or below
   * the cut must fit; all others are a courtesy.
   */
  private addAddresses(type: number, from: number, count: number, cut = 0): void {
    const skip = type === TYPE.NS ? 0 : type === TYPE.MX ? 2 : type === TYPE.SRV ? 6 : -1;
    if (skip < 0) return;
    const { out, targets, base } = this;
    const known = Math.min(count, TARGETS_MAX);
    for (let i = 0, record = from; i < known; i++, record += 12 + u16(out, record + 10)) {
      targets[i] = record + 12 + skip - base;
    }
    for (let i = 0; i < known && !this.truncated; i++) this.addressesOf(targets[i] ?? 0, cut);
  }

  private addressesOf(nameAt: number, cut: number): void {
    const { image, target } = this;
    if (target.load(this.out, this.base + nameAt, this.at) < 0) return;
    const node = target.find(image, 0);
    if (node === 0) return;
    const flags = image.flags(node);
    if (cut === 0 && flags & (NODE.cut | NODE.glue)) return;
    const needed = cut !== 0 && (flags & (NODE.cut | NODE.glue)) !== 0;
    for (const type of ADDRESS_TYPES) {
      const rrset = image.rrset(node, type);
      const copied = this.copy(rrset, nameAt);
      this.additional += copied;
      if (this.truncated) {
        this.truncated = needed;
        return;
      }
      // RFC 4035 section 3.1.1: signatures of additional records may be left out where there is no room.
      if (copied > 0 && !needed && this.signs(node)) {
        this.additional += this.signaturesOf({ rrset, node, apex: this.apexOf(node) }, nameAt);
        this.truncated = false;
      }
    }
  }
}

/** Types that can stand beside an alias (RFC 4034 section 2), so that a question for them does not follow it. */
function besideAlias(type: number): boolean {
  return type === TYPE.CNAME || type === TYPE.ANY || type === TYPE.RRSIG || type === TYPE.NSEC;
}

const ADDRESS_TYPES = [TYPE.A, TYPE.AAAA] as const;

function labelCount(image: ImageReader, node: number): number {
  const end = image.nameLength(node);
  const at = (node + 3) << 2;
  let labels = 0;
  for (let i = 0; i < end - 1; i += 1 + (image.bytes[at + i] ?? 0)) labels += 1;
  return labels;
}
