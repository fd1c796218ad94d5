/** The loopback addresses of the IPMI bench: 250 in each of 127.66.0.0/24 and up. */
const PER_NETWORK = 250;

export function bmcAddress(index: number): string {
  return `127.66.${Math.floor(index / PER_NETWORK)}.${(index % PER_NETWORK) + 1}`;
}

/** The same as FreeIPMI writes ranges of hosts. */
export function hostRanges(count: number): string {
  const networks = Math.ceil(count / PER_NETWORK);
  return Array.from({ length: networks }, (_, network) => {
    const last = Math.min(PER_NETWORK, count - network * PER_NETWORK);
    return `127.66.${network}.[1-${last}]`;
  }).join(',');
}
