/**
 * Every DHCP option code with its name and the shape of its value, for people who read captures.
 *
 * Names and shapes follow the registry "BOOTP Vendor Extensions and DHCP Options" (RFC 2132 for most; others name their
 * RFC), and what vendors use without one: PXE's 128 to 135, iPXE's 175 and 203, Microsoft's 249 and 252. What the server itself
 * sends and reads is options.ts.
 */

/** How a value is written; `option-text.ts` has the reader of each. */
export type OptionShape =
  | 'address'
  | 'addresses'
  | 'address-pairs'
  | 'number'
  | 'signed'
  | 'seconds'
  | 'text'
  | 'flag'
  | 'codes'
  | 'hex'
  | 'message-type'
  | 'overload'
  | 'vendor'
  | 'client-id'
  | 'user-class'
  | 'fqdn'
  | 'relay'
  | 'archs'
  | 'interface'
  | 'uuid'
  | 'names'
  | 'routes'
  | 'vendor-classes'
  | 'vendor-options'
  | 'ipxe';

type Row = readonly [code: number, name: string, shape: OptionShape];

const ROWS: readonly Row[] = [
  [1, 'subnet mask', 'address'],
  [2, 'time offset', 'signed'],
  [3, 'router', 'addresses'],
  [4, 'time server', 'addresses'],
  [5, 'name server (IEN 116)', 'addresses'],
  [6, 'dns', 'addresses'],
  [7, 'log server', 'addresses'],
  [8, 'quotes server', 'addresses'],
  [9, 'lpr server', 'addresses'],
  [10, 'impress server', 'addresses'],
  [11, 'resource location server', 'addresses'],
  [12, 'host name', 'text'],
  [13, 'boot file blocks', 'number'],
  [14, 'merit dump file', 'text'],
  [15, 'domain', 'text'],
  [16, 'swap server', 'address'],
  [17, 'root path', 'text'],
  [18, 'extensions path', 'text'],
  [19, 'ip forwarding', 'flag'],
  [20, 'non-local source routing', 'flag'],
  [21, 'policy filter', 'address-pairs'],
  [22, 'maximum datagram', 'number'],
  [23, 'ip ttl', 'number'],
  [24, 'path mtu ageing', 'seconds'],
  [25, 'path mtu plateaus', 'hex'],
  [26, 'mtu', 'number'],
  [27, 'all subnets local', 'flag'],
  [28, 'broadcast', 'address'],
  [29, 'mask discovery', 'flag'],
  [30, 'mask supplier', 'flag'],
  [31, 'router discovery', 'flag'],
  [32, 'router solicitation', 'address'],
  [33, 'static routes', 'address-pairs'],
  [34, 'trailers', 'flag'],
  [35, 'arp timeout', 'seconds'],
  [36, 'ethernet encapsulation', 'flag'],
  [37, 'tcp ttl', 'number'],
  [38, 'tcp keepalive', 'seconds'],
  [39, 'tcp keepalive garbage', 'flag'],
  [40, 'nis domain', 'text'],
  [41, 'nis server', 'addresses'],
  [42, 'ntp', 'addresses'],
  [43, 'vendor specific', 'vendor'],
  [44, 'netbios name server', 'addresses'],
  [45, 'netbios datagram server', 'addresses'],
  [46, 'netbios node type', 'number'],
  [47, 'netbios scope', 'text'],
  [48, 'x font server', 'addresses'],
  [49, 'x display manager', 'addresses'],
  [50, 'requested address', 'address'],
  [51, 'lease time', 'seconds'],
  [52, 'overload', 'overload'],
  [53, 'message type', 'message-type'],
  [54, 'server', 'address'],
  [55, 'parameter list', 'codes'],
  [56, 'message', 'text'],
  [57, 'maximum size', 'number'],
  [58, 'renewal time', 'seconds'],
  [59, 'rebinding time', 'seconds'],
  [60, 'vendor class', 'text'],
  [61, 'client id', 'client-id'],
  [62, 'netware domain', 'text'],
  [63, 'netware information', 'hex'],
  [64, 'nis+ domain', 'text'],
  [65, 'nis+ server', 'addresses'],
  [66, 'tftp server', 'text'],
  [67, 'boot file', 'text'],
  [68, 'home agent', 'addresses'],
  [69, 'smtp server', 'addresses'],
  [70, 'pop3 server', 'addresses'],
  [71, 'nntp server', 'addresses'],
  [72, 'www server', 'addresses'],
  [73, 'finger server', 'addresses'],
  [74, 'irc server', 'addresses'],
  [75, 'streettalk server', 'addresses'],
  [76, 'streettalk directory', 'addresses'],
  [77, 'user class', 'user-class'],
  [78, 'slp agent', 'hex'],
  [79, 'slp scope', 'hex'],
  [80, 'rapid commit', 'flag'],
  [81, 'client fqdn', 'fqdn'],
  [82, 'relay agent', 'relay'],
  [83, 'isns', 'hex'],
  [85, 'nds servers', 'addresses'],
  [86, 'nds tree', 'text'],
  [87, 'nds context', 'text'],
  [88, 'bcmcs domains', 'names'],
  [89, 'bcmcs addresses', 'addresses'],
  [90, 'authentication', 'hex'],
  [91, 'last transaction time', 'seconds'],
  [92, 'associated addresses', 'addresses'],
  [93, 'architecture', 'archs'],
  [94, 'network interface', 'interface'],
  [95, 'ldap', 'text'],
  [97, 'uuid', 'uuid'],
  [98, 'user authentication', 'text'],
  [99, 'civic location', 'hex'],
  [100, 'time zone (posix)', 'text'],
  [101, 'time zone (tzdb)', 'text'],
  [108, 'ipv6-only preferred', 'seconds'],
  [112, 'netinfo address', 'addresses'],
  [113, 'netinfo tag', 'text'],
  [114, 'captive portal', 'text'],
  [116, 'auto-configure', 'flag'],
  [117, 'name service search', 'hex'],
  [118, 'subnet selection', 'address'],
  [119, 'domain search', 'names'],
  [120, 'sip servers', 'hex'],
  [121, 'classless routes', 'routes'],
  [122, 'cablelabs', 'hex'],
  [123, 'coordinate location', 'hex'],
  [124, 'vendor classes', 'vendor-classes'],
  [125, 'vendor options', 'vendor-options'],
  [128, 'pxe 128', 'hex'],
  [129, 'pxe 129', 'hex'],
  [130, 'pxe 130', 'hex'],
  [131, 'pxe 131', 'hex'],
  [132, 'pxe 132', 'hex'],
  [133, 'pxe 133', 'hex'],
  [134, 'pxe 134', 'hex'],
  [135, 'pxe 135', 'hex'],
  [136, 'pana agent', 'addresses'],
  [137, 'lost server', 'names'],
  [138, 'capwap controllers', 'addresses'],
  [141, 'sip domains', 'names'],
  [142, 'andsf servers', 'addresses'],
  [143, 'sztp redirect', 'hex'],
  [145, 'forcerenew nonce', 'hex'],
  [146, 'rdnss selection', 'hex'],
  [150, 'tftp servers', 'addresses'],
  [151, 'status', 'hex'],
  [152, 'base time', 'seconds'],
  [153, 'start time of state', 'seconds'],
  [154, 'query start', 'seconds'],
  [155, 'query end', 'seconds'],
  [156, 'dhcp state', 'number'],
  [157, 'data source', 'number'],
  [159, 'port parameters', 'hex'],
  [161, 'mud url', 'text'],
  [162, 'dns over tls', 'hex'],
  [175, 'ipxe', 'ipxe'],
  [176, 'ip telephone', 'text'],
  [203, 'ipxe 203', 'hex'],
  [208, 'pxelinux magic', 'hex'],
  [209, 'pxelinux configuration', 'text'],
  [210, 'pxelinux path prefix', 'text'],
  [211, 'pxelinux reboot time', 'seconds'],
  [212, '6rd', 'hex'],
  [213, 'access domain', 'names'],
  [220, 'subnet allocation', 'hex'],
  [221, 'virtual subnet', 'hex'],
  [249, 'classless routes (microsoft)', 'routes'],
  [252, 'proxy autodiscovery', 'text'],
];

const BY_CODE: ReadonlyMap<number, Row> = new Map(ROWS.map((row) => [row[0], row]));

/** `option` for a code without a name: site-specific, or assigned to nobody. */
export function optionName(code: number): string {
  return BY_CODE.get(code)?.[1] ?? 'option';
}

/** The same, of which one can tell what has no name. */
export function optionLabel(code: number): string {
  return BY_CODE.get(code)?.[1] ?? `option ${code}`;
}

export function optionShape(code: number): OptionShape {
  return BY_CODE.get(code)?.[2] ?? 'hex';
}
