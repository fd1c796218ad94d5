/** The events of network interfaces: part of the one list in ../events.ts. */
export interface InterfaceEventData {
  /** DHCP is not served on it any more, or not yet: it is gone, or down. */
  'interface.lost': { iface: string; why: string };
  /** It is there, and is served; the start of the daemon is not told of. */
  'interface.served': { iface: string };
}

export const INTERFACE_EVENT_NAMES = [
  'interface.lost',
  'interface.served',
] as const satisfies readonly (keyof InterfaceEventData)[];
