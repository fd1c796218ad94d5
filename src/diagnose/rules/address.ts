/** Why a machine has no address: the link, the relay, the pool, another server, or the address itself. */
import type { Facts } from '../facts.ts';
import { all, type Rule, seconds, silence, times } from '../rule.ts';

const discovers = (f: Facts) => f.messages('discover', 'firmware', 'http-boot', 'ipxe');
const offers = (f: Facts) => f.messages('offer', 'firmware', 'http-boot', 'ipxe');
const requests = (f: Facts) =>
  f.messages('request', 'firmware', 'http-boot', 'ipxe').filter(({ port }) => port === 67);
const acks = (f: Facts) =>
  f
    .messages('ack', 'firmware', 'http-boot', 'ipxe')
    .filter(({ address, port }) => address !== '' && port === 67);
const dropped = (f: Facts, reason: string) => discovers(f).filter(({ drop }) => drop === reason);
/** The machine began an exchange later than it should: `secs` counts from when it began to try. */
const LATE_SECONDS = 8;
const STP_MS = 30_000;

export const ADDRESS_RULES: readonly Rule[] = [
  {
    name: 'pool-exhausted',
    title: 'No free address',
    confidence: 'certain',
    waitMs: 4000,
    places: ['asked', 'ipxe-asked'],
    evidence: (f) => {
      const used = f.of('address').filter(({ what }) => what === 'exhausted');
      const by = dropped(f, 'pool-exhausted');
      return used.length + by.length > 0
        ? [
            `asked ${times(Math.max(by.length, used.length), 'time')}; the pool ${used[0]?.address ?? ''} has no free address`,
          ]
        : undefined;
    },
    says: 'The machine asks, and every address of its segment is leased, reserved or in quarantine.',
    next: 'Enlarge the pool of the segment, shorten the leases of unknown machines, or wait until some end.',
    not: { 'no-offer': 'there the question is not answered for another reason, or by nobody' },
  },
  {
    name: 'unknown-machines-refused',
    title: 'Unknown machines get no address here',
    confidence: 'certain',
    waitMs: 8000,
    places: ['asked', 'ipxe-asked'],
    evidence: (f) =>
      all(
        dropped(f, 'unknown-client').length > 0 &&
          `${times(dropped(f, 'unknown-client').length, 'DISCOVER')} left unanswered: no record owns this NIC, and its segment serves only machines on record`,
      ),
    says: 'The segment that the machine is plugged into gives addresses to machines on record only, and this NIC belongs to none.',
    next: 'Plug it into a provisioning segment, or set unknownMachines for this one, or register the NIC.',
    not: { 'relay-unknown': 'there the segment itself is not known' },
  },
  {
    name: 'relay-unknown',
    title: 'The relay is of no known segment',
    confidence: 'certain',
    waitMs: 8000,
    places: ['asked', 'ipxe-asked'],
    evidence: (f) => {
      const [first] = dropped(f, 'unknown-segment').filter(({ relay }) => relay !== '');
      return (
        first && [
          `DISCOVER relayed by ${first.relay}, and no segment of the configuration has that address in it`,
        ]
      );
    },
    says: 'A relay forwards the questions of this machine from a network that the configuration has no segment for.',
    next: 'Add a segment for the network of the relay, or move the port to the VLAN that is meant.',
    not: {
      'wrong-vlan':
        'there the question comes in directly, by an interface or VLAN without a segment',
    },
  },
  {
    name: 'wrong-vlan',
    title: 'The port is in another VLAN',
    confidence: 'likely',
    waitMs: 8000,
    places: ['asked', 'ipxe-asked'],
    evidence: (f) => {
      const [first] = dropped(f, 'unknown-segment');
      const tagged = discovers(f).find(({ vlan }) => vlan !== undefined);
      if (first && first.relay === '')
        return ['DISCOVER came in by an interface that no segment names'];
      return offers(f).length === 0 && tagged
        ? [
            `${times(discovers(f).length, 'DISCOVER')} with VLAN tag ${tagged.vlan}, and nobody answers there`,
          ]
        : undefined;
    },
    says: 'The machine asks in a network that nobody serves: its switch port is in another VLAN than is meant, or tags what should be untagged.',
    next: 'Set the access VLAN of the switch port to the provisioning VLAN, untagged.',
    not: { 'relay-unknown': 'there a relay brings the question' },
  },
  {
    name: 'duplicate-mac',
    title: 'Two machines with one MAC address',
    confidence: 'certain',
    waitMs: 0,
    evidence: (f) => {
      const uuids = new Set(
        f.dhcp
          .filter(({ from, uuid }) => from === 'machine' && uuid !== '')
          .map(({ uuid }) => uuid),
      );
      return uuids.size > 1
        ? [`the NIC ${f.flight.mac} asked in the name of ${[...uuids].slice(0, 3).join(' and ')}`]
        : undefined;
    },
    says: 'Two machines say that they are this NIC: their UUIDs differ. Each takes the answers of the other.',
    next: 'One of the cards has a copied address: restore its burned-in MAC, or take one of the machines off the network.',
    not: { 'address-in-use': 'there two NICs use one IP address' },
  },
  {
    name: 'address-in-use',
    title: 'Its address is used by somebody else',
    confidence: 'certain',
    waitMs: 0,
    evidence: (f) => {
      const seen = f.of('address').filter(({ what }) => what !== 'exhausted');
      const declines = f.messages('decline');
      if (f.place === 'reported' || f.place === 'agent' || f.place === 'left') return undefined;
      if (seen.length === 0 && declines.length === 0) return undefined;
      return [
        ...seen.map(
          ({ what, address, by }) =>
            `${address} ${what === 'conflict' ? `answered from ${by}` : 'was declined by the machine'}`,
        ),
        ...declines.map(
          ({ address }) => `the machine declined ${address}: somebody answered on it`,
        ),
      ].slice(0, 3);
    },
    says: 'The address that the machine was given is in use by something that has no lease for it.',
    next: 'Find the other one by its MAC on the switch; a fixed address inside the pool looks like this. The address is in quarantine meanwhile.',
    not: { 'duplicate-mac': 'there one NIC address is there twice' },
  },
  {
    name: 'two-dhcp-servers',
    title: 'A second DHCP server answers',
    confidence: 'certain',
    waitMs: 8000,
    places: [
      'asked',
      'offered',
      'acked',
      'loading',
      'loaded',
      'ipxe-asked',
      'ipxe-offered',
      'ipxe-acked',
    ],
    evidence: (f) =>
      f.servers.length > 1
        ? [`addresses offered by, or taken from, ${f.servers.join(' and ')}`, silence(f)]
        : undefined,
    says: 'Besides this appliance another server offers addresses in this VLAN. Which of them wins changes from boot to boot, and with the other one the machine does not find its boot file.',
    next: 'Switch the other server off in this VLAN, or let the switch drop its answers (DHCP snooping). It is known by the address in the evidence.',
    not: { 'offer-not-received': 'there nobody else is seen, and our offers do not arrive' },
  },
  {
    name: 'proxydhcp-ignored',
    title: 'The firmware does not take ProxyDHCP offers',
    confidence: 'likely',
    waitMs: 15_000,
    places: ['asked', 'offered'],
    evidence: (f) => {
      const bare = offers(f).filter(({ address }) => address === '');
      const asked4011 = f.dhcp.some(({ from, port }) => from === 'machine' && port === 4011);
      return all(
        f.uefi &&
          bare.length > 0 &&
          `${times(bare.length, 'offer')} of a boot file without an address (ProxyDHCP)`,
        requests(f).length === 0 &&
          !asked4011 &&
          `${times(discovers(f).length, 'DISCOVER')}, no REQUEST, and no question on port 4011`,
      );
    },
    says: 'UEFI firmware got an address from one server and its boot file from another, and takes neither: many builds of it do not join the two.',
    next: 'Let the appliance lease the addresses of this segment (mode: server), or put the boot options into the other server.',
    not: { 'option-60-without-43': 'there the firmware does go on, to port 4011' },
  },
  {
    name: 'option-60-without-43',
    title: 'Option 60 without option 43',
    confidence: 'certain',
    waitMs: 8000,
    places: ['offered', 'acked', 'asked'],
    evidence: (f) => {
      const bare = offers(f).find(
        ({ vendorClass, vendorOptions, server }) =>
          vendorClass.startsWith('PXEClient') && !vendorOptions && server !== '',
      );
      const to4011 = f.dhcp.filter(({ from, port }) => from === 'machine' && port === 4011);
      const answered = f.dhcp.some(({ from, port }) => from === 'server' && port === 4011);
      return all(
        f.uefi &&
          bare &&
          `the offer of ${bare.server} has option 60 PXEClient and no option 43 of PXE`,
        to4011.length > 0 &&
          !answered &&
          `${times(to4011.length, 'question')} to port 4011, no answer`,
      );
    },
    says: 'A DHCP server answers with option 60 PXEClient alone. UEFI takes that for "ask my port 4011", where nobody listens, and stops.',
    next: 'Take option 60 out of the configuration of the server that the evidence names.',
    not: { 'boot-server-unanswered': 'there port 4011 is meant, and its server is not reached' },
  },
  {
    name: 'boot-server-unanswered',
    title: 'Port 4011 does not answer',
    confidence: 'certain',
    waitMs: 8000,
    places: ['asked', 'offered', 'acked'],
    evidence: (f) => {
      const to4011 = f.dhcp.filter(({ from, port }) => from === 'machine' && port === 4011);
      const answered = f.dhcp.some(({ from, port }) => from === 'server' && port === 4011);
      return to4011.length > 0 && !answered
        ? [
            `${times(to4011.length, 'question')} to port 4011 of ${to4011[0]?.server || 'the boot server'}, no answer`,
          ]
        : undefined;
    },
    says: 'The firmware asks the boot server (PXE, port 4011) for its file, and no answer comes.',
    next: 'Let UDP port 4011 through between machine and boot server; ProxyDHCP needs it both ways.',
    not: { 'option-60-without-43': 'there port 4011 should never have been asked' },
  },
  {
    name: 'address-refused',
    title: 'Its address is refused again and again',
    confidence: 'certain',
    waitMs: 8000,
    places: ['asked', 'offered', 'ipxe-asked', 'ipxe-offered'],
    evidence: (f) => {
      const naks = f.messages('nak');
      return naks.length >= 2 && acks(f).length === 0
        ? [`${naks.length} NAKs${naks[0]?.why ? `: ${naks[0].why}` : ''}, no ACK`]
        : undefined;
    },
    says: 'The machine insists on an address that is not its own here, and is refused each time.',
    next: 'Look whether another server refuses our addresses (the NAK names it); else clear the lease that the firmware keeps: a cold start does.',
    not: { 'two-dhcp-servers': 'there both servers offer' },
  },
  {
    name: 'request-unanswered',
    title: 'Its REQUEST is not answered',
    confidence: 'likely',
    waitMs: 10_000,
    places: ['offered', 'ipxe-offered'],
    evidence: (f) => {
      const asked = requests(f);
      return asked.length > 0 && acks(f).length === 0 && f.messages('nak').length === 0
        ? [
            `${times(asked.length, 'REQUEST')} to ${asked[0]?.server || 'any server'}, neither ACK nor NAK`,
          ]
        : undefined;
    },
    says: 'The machine took the offer and asked for the address, and the server did not acknowledge it.',
    next: 'Look at the log of the server that the REQUEST names: a full disk keeps acknowledgements back.',
    not: { 'offer-not-received': 'there no REQUEST is made' },
  },
  {
    name: 'link-late',
    title: 'The port forwards too late (spanning tree)',
    confidence: 'likely',
    waitMs: 8000,
    places: ['offered', 'asked', 'loaded', 'ipxe-asked', 'ipxe-offered'],
    evidence: (f) => {
      const [first] = discovers(f);
      const late = first && first.secs >= LATE_SECONDS && requests(f).length === 0;
      if (late)
        return [
          `the first DISCOVER that came through says it has been trying for ${first.secs} s`,
          silence(f),
        ];
      const ipxe = f.messages('discover', 'ipxe')[0];
      const gap = ipxe && f.transfer ? ipxe.at - f.transfer.endAt : 0;
      return ipxe && gap >= STP_MS && acks(f).every(({ stage }) => stage !== 'ipxe')
        ? [`iPXE was loaded, and its first DISCOVER came through ${seconds(gap)} later`, silence(f)]
        : undefined;
    },
    says: 'The link comes up, but the switch port forwards nothing for half a minute: spanning tree listens first. By then the firmware has given up.',
    next: 'Make the switch port an edge port (portfast); with LACP on the port, allow it to forward without a partner.',
    not: { 'ipxe-never-asked': 'there nothing comes through even later' },
  },
  {
    name: 'offer-lost-behind-relay',
    title: 'Offers are lost behind the relay',
    confidence: 'likely',
    waitMs: 15_000,
    places: ['offered', 'ipxe-offered'],
    evidence: (f) =>
      all(
        f.relay !== '' && `asked through the relay ${f.relay}`,
        requests(f).length === 0 && `${times(offers(f).length, 'offer')}, no REQUEST`,
      ),
    says: 'The relay brings the questions, but the answers do not get back to the machine through it.',
    next: 'Check the route from the appliance to the address of the relay, and that the relay lets answers from UDP port 67 in.',
    not: {
      'offer-not-received': 'there no relay is between',
      'relay-unknown': 'there we make no offer at all',
    },
  },
  {
    name: 'offer-not-received',
    title: 'Offers do not reach the machine',
    confidence: 'likely',
    waitMs: 15_000,
    places: ['offered', 'ipxe-offered'],
    evidence: (f) => {
      const repeats = discovers(f).length;
      return requests(f).length === 0 && repeats >= 2
        ? [
            `${times(repeats, 'DISCOVER')} and ${times(offers(f).length, 'offer')}; the machine goes on asking as if it heard none`,
          ]
        : undefined;
    },
    says: 'The machine is heard and answered, and asks again as if no answer had come: the way back is cut.',
    next: 'Check for a filter on the port (DHCP snooping that does not trust the port of the appliance), and for a one-way link: cable, transceiver.',
    not: {
      'two-dhcp-servers': 'there the machine asks another server for the address',
      'offer-not-taken': 'there it stops asking',
    },
  },
  {
    name: 'offer-not-taken',
    title: 'It does not take the offer',
    confidence: 'possible',
    waitMs: 20_000,
    places: ['offered', 'ipxe-offered'],
    evidence: (f) =>
      requests(f).length === 0
        ? [`${times(offers(f).length, 'offer')}, no REQUEST`, silence(f)]
        : undefined,
    says: 'The machine was offered an address and stopped asking without taking it.',
    next: 'Look at its screen: somebody may have ended the network boot, or another boot entry came first.',
    not: { 'offer-not-received': 'there it goes on asking' },
  },
  {
    name: 'no-offer',
    title: 'Nobody offers an address',
    confidence: 'likely',
    waitMs: 10_000,
    places: ['asked', 'ipxe-asked'],
    evidence: (f) => {
      const reason = discovers(f).find(({ drop }) => drop !== '')?.drop;
      return discovers(f).length > 0
        ? [`${times(discovers(f).length, 'DISCOVER')}, no offer${reason ? ` (${reason})` : ''}`]
        : undefined;
    },
    says: 'The machine asks for an address and nobody offers one.',
    next: 'Check that the port is in the provisioning VLAN, or that the relay of its VLAN names this appliance.',
    not: { 'relay-unknown': 'there we hear the question and know why we are silent' },
  },
];
