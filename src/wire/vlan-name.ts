/** A name like `eth0.100` is a VLAN's, by everybody's habit: of the interface before the dot, with the tag behind it. */
export interface VlanName {
  readonly parent: string;
  /** 1 to 4094 (IEEE 802.1Q, table 9-2). */
  readonly tag: number;
}

export function vlanNamed(iface: string): VlanName | undefined {
  const [, parent = '', digits = ''] = /^(.+)\.(\d{1,4})$/.exec(iface) ?? [];
  const tag = Number(digits);
  return parent !== '' && tag >= 1 && tag <= 4094 ? { parent, tag } : undefined;
}

/** Words for a shell that make the interface, should it be a VLAN's, and bring it up. */
export function wayUp(iface: string): string {
  const vlan = vlanNamed(iface);
  const make = vlan
    ? `ip link add link ${vlan.parent} name ${iface} type vlan id ${vlan.tag}; `
    : '';
  return `${make}ip link set ${iface} up`;
}
