/**
 * What is wrong with a boot as a whole: exchanges that did not come to their end, servers that contradict each other,
 * transfers that broke off.
 */

import { printable } from '../dhcp/option-plain.ts';
import { MESSAGE, OPTION, readText } from '../dhcp/options.ts';
import { addressOption } from '../dhcp/packet.ts';
import { limit } from '../limits.ts';
import { formatIpv4, IPV4_ANY, type Ipv4 } from '../wire/ipv4.ts';
import { bootFileOf, checkReply, isFirmware, sendsToBootServer } from './check-replies.ts';
import { checkTransfer } from './check-transfers.ts';
import { type Problem, problem } from './checks.ts';
import type { BootTrace, DhcpMessage, MachineTrace } from './model.ts';

const BOOT_SERVER_PORT = 4011;
/** Longer than any server needs that does not stop to ping the address; vendor ROMs ask again after four seconds. */
const SLOW_OFFER_US = 1_000_000;

/** One transaction id of one machine: what was asked, and what was answered. */
interface Exchange {
  readonly requests: readonly DhcpMessage[];
  readonly replies: readonly DhcpMessage[];
  /** Which request a reply answers. */
  readonly questions: ReadonlyMap<DhcpMessage, DhcpMessage>;
}

export function checkBoot(boot: BootTrace): Problem[] {
  const messages = boot.entries.filter((entry) => entry.kind === 'dhcp');
  const exchanges = [...Map.groupBy(messages, ({ packet }) => packet.xid).values()].map(exchangeOf);
  const asked = exchanges.some(({ requests }) => requests.length > 0);
  const answered4011 = messages.some(
    ({ fromServer, from }) => fromServer && from.port === BOOT_SERVER_PORT,
  );
  const found = exchanges.flatMap((exchange) => [
    ...(exchange.requests.length > 0
      ? [...checkEnds(exchange), ...checkServers(exchange), ...checkBooting(exchange, answered4011)]
      : asked
        ? exchange.replies.map((reply) =>
            problem('xid-mismatch', reply, `${reply.packet.xid.toString(16)} was not asked for`),
          )
        : []),
    ...exchange.replies.flatMap((reply) => checkReply(reply, exchange.questions.get(reply))),
  ]);
  const transfers = boot.entries.filter((entry) => entry.kind === 'tftp');
  return [...found, ...checkStory(messages), ...transfers.flatMap(checkTransfer)].sort(
    (a, b) => a.frame - b.frame,
  );
}

/** One pass, in the order of the frames: a reply answers the newest request before it of the kind that it answers. */
function exchangeOf(group: readonly DhcpMessage[]): Exchange {
  const questions = new Map<DhcpMessage, DhcpMessage>();
  let discover: DhcpMessage | undefined;
  let newest: DhcpMessage | undefined;
  let toBootServer: DhcpMessage | undefined;
  for (const message of group) {
    if (!message.fromServer) {
      if (message.to.port === BOOT_SERVER_PORT) toBootServer = message;
      else newest = message;
      if (message.type === MESSAGE.discover) discover = message;
      continue;
    }
    const direct = message.type === MESSAGE.offer ? discover : newest;
    const question = message.from.port === BOOT_SERVER_PORT ? toBootServer : direct;
    if (question) questions.set(message, question);
  }
  return {
    requests: group.filter(({ fromServer }) => !fromServer),
    replies: group.filter(({ fromServer }) => fromServer),
    questions,
  };
}

function checkEnds({ requests, replies }: Exchange): Problem[] {
  const found: Problem[] = [];
  const [discover, request] = [MESSAGE.discover, MESSAGE.request].map((wanted) =>
    requests.find(({ type, to }) => type === wanted && to.port !== BOOT_SERVER_PORT),
  );
  const offers = replies.filter(({ type }) => type === MESSAGE.offer);
  const addressed = offers.filter(({ packet }) => packet.yiaddr !== IPV4_ANY);
  const ended = replies.find(
    ({ type, from }) =>
      (type === MESSAGE.ack || type === MESSAGE.nak) && from.port !== BOOT_SERVER_PORT,
  );
  const times = requests.filter(({ type }) => type === MESSAGE.discover).length;
  if (discover && replies.length === 0 && !request) {
    found.push(problem('no-answer', discover, `${times} DISCOVER`));
  } else if (discover && offers.length > 0 && addressed.length === 0 && !request) {
    found.push(problem('only-proxy-offers', offers[0], `${offers.length} without an address`));
  }
  if (addressed.length > 0 && !request) {
    found.push(problem('offer-unanswered', addressed[0], `asked ${times} times, took none`));
  }
  if (request && !ended) {
    const count = requests.filter(({ type }) => type === MESSAGE.request).length;
    found.push(problem('request-unanswered', request, `${count} REQUEST`));
  }
  const toBootServer = requests.find(({ to }) => to.port === BOOT_SERVER_PORT);
  if (toBootServer && !replies.some(({ from }) => from.port === BOOT_SERVER_PORT)) {
    found.push(
      problem('boot-server-unanswered', toBootServer, `to ${formatIpv4(toBootServer.to.address)}`),
    );
  }
  const waitedUs = discover && offers[0] ? offers[0].atUs - discover.atUs : 0;
  if (waitedUs >= SLOW_OFFER_US) {
    found.push(problem('slow-offer', offers[0], `${(waitedUs / 1_000_000).toFixed(1)} s`));
  }
  return found;
}

function checkServers({ requests, replies, questions }: Exchange): Problem[] {
  const found: Problem[] = [];
  const offers = replies.filter(({ type }) => type === MESSAGE.offer);
  const serverOf = (reply: DhcpMessage) =>
    formatIpv4(addressOption(reply.packet, OPTION.serverId) ?? reply.from.address);
  const distinct = (list: readonly DhcpMessage[]) => [...new Set(list.map(serverOf))];
  const leasing = distinct(offers.filter(({ packet }) => packet.yiaddr !== IPV4_ANY));
  if (leasing.length > 1) found.push(problem('two-servers', offers[0], leasing.join(' and ')));
  const booting = distinct(offers.filter((offer) => bootFileOf(offer) !== ''));
  if (booting.length > 1) found.push(problem('two-boot-servers', offers[0], booting.join(' and ')));
  const heard = new Set(distinct(offers));
  for (const request of requests) {
    const named = addressOption(request.packet, OPTION.serverId);
    if (request.type === MESSAGE.decline) {
      const address = addressOption(request.packet, OPTION.requestedAddress) ?? IPV4_ANY;
      found.push(problem('declined', request, formatIpv4(address)));
    }
    if (request.type !== MESSAGE.request || named === undefined || offers.length === 0) continue;
    if (!heard.has(formatIpv4(named))) {
      found.push(problem('unknown-server', request, `${formatIpv4(named)} in option 54`));
    }
  }
  for (const reply of replies) {
    if (reply.type === MESSAGE.nak) {
      const why = printable(readText(reply.packet.options.get(OPTION.message)));
      found.push(problem('nak', reply, `by ${serverOf(reply)}${why === '' ? '' : `: ${why}`}`));
    }
    if (reply.type !== MESSAGE.ack) continue;
    const wanted = addressOption(
      questions.get(reply)?.packet ?? reply.packet,
      OPTION.requestedAddress,
    );
    const given = reply.packet.yiaddr;
    if (wanted !== undefined && given !== IPV4_ANY && wanted !== given) {
      found.push(
        problem('wrong-address', reply, `${formatIpv4(given)}, not ${formatIpv4(wanted)}`),
      );
    }
  }
  return found;
}

function checkBooting(exchange: Exchange, answered4011: boolean): Problem[] {
  const { requests, replies } = exchange;
  const discover = requests.find(({ type }) => type === MESSAGE.discover);
  if (!discover || !isFirmware(discover)) return [];
  const offers = replies.filter(({ type }) => type === MESSAGE.offer);
  const found: Problem[] = [];
  const lone = offers.find((offer) => sendsToBootServer(offer, discover));
  if (lone && !answered4011) {
    found.push(problem('pxe-class-alone', lone, `by ${formatIpv4(lone.from.address)}`));
  }
  const anyFile = replies.some((reply) => bootFileOf(reply) !== '');
  if (offers.length > 0 && !anyFile && !lone && !answered4011) {
    found.push(
      problem('boot-file-missing', offers[0], `${offers.length} offer(s), none with a file`),
    );
  }
  return found;
}

/** Over the exchanges: what changed from one stage of the boot to the next. */
function checkStory(messages: readonly DhcpMessage[]): Problem[] {
  const found: Problem[] = [];
  const acks = messages.filter(
    ({ type, packet }) => type === MESSAGE.ack && packet.yiaddr !== IPV4_ANY,
  );
  // In another VLAN it has another one, and may be in both.
  const firstOf = ({ vlans }: DhcpMessage) =>
    acks.find((ack) => `${ack.vlans}` === `${vlans}`)?.packet.yiaddr;
  const moved = acks.find((ack) => ack.packet.yiaddr !== firstOf(ack));
  const first = moved && firstOf(moved);
  if (moved && first !== undefined) {
    const detail = `${formatIpv4(first)}, then ${formatIpv4(moved.packet.yiaddr)}`;
    found.push(problem('address-changed', moved, detail));
  }
  const loaders = acks.filter((ack) => /\.(efi|k?k?pxe|0)$/i.test(bootFileOf(ack)));
  if (loaders.length > limit('binariesPerBoot')) {
    found.push(problem('boot-loop', loaders.at(-1), `${loaders.length} times`));
  }
  return found;
}

/** One address at two machines at once: the first one's lease had not run out, and it had not given it back. Nobody else can. */
export function checkAddresses(machines: readonly MachineTrace[]): Problem[] {
  const messages = machines
    .flatMap(({ key, boots }) =>
      boots.flatMap(({ entries }) =>
        entries.flatMap((entry) => (entry.kind === 'dhcp' ? [{ key, message: entry }] : [])),
      ),
    )
    .sort((a, b) => a.message.frame - b.message.frame);
  // By VLAN and address: two VLANs may have one network each, of the same numbers.
  const holders = new Map<string, { key: string; untilUs: number }>();
  const found: Problem[] = [];
  for (const { key, message } of messages) {
    const { packet, type, atUs } = message;
    const at = (address: Ipv4) => `${message.vlans} ${address}`;
    const givesUp = givenUpBy(message);
    if (givesUp !== undefined) {
      const holder = holders.get(at(givesUp));
      if (holder?.key === key) holders.delete(at(givesUp));
      else if (holder && type === MESSAGE.release && atUs < holder.untilUs) {
        const detail = `${formatIpv4(givesUp)}, which ${holder.key} holds`;
        found.push(problem('release-of-anothers', message, detail));
      }
    }
    if (type !== MESSAGE.ack || packet.yiaddr === IPV4_ANY) continue;
    const holder = holders.get(at(packet.yiaddr));
    if (holder && holder.key !== key && atUs < holder.untilUs) {
      found.push(
        problem(
          'address-conflict',
          message,
          `${formatIpv4(packet.yiaddr)} at ${holder.key} and ${key}`,
        ),
      );
    }
    const seconds = packet.options.get(OPTION.leaseTime);
    const leaseUs = seconds?.length === 4 ? Buffer.from(seconds).readUInt32BE(0) * 1_000_000 : 0;
    holders.set(at(packet.yiaddr), { key, untilUs: atUs + leaseUs });
  }
  return found;
}

/** The address that the client of this message will not use any more. */
function givenUpBy({ type, packet }: DhcpMessage): Ipv4 | undefined {
  if (type === MESSAGE.release) return packet.ciaddr;
  return type === MESSAGE.decline ? addressOption(packet, OPTION.requestedAddress) : undefined;
}
