/**
 * Set and Get LAN Configuration Parameters (IPMI 2.0 sections 23.1 to 23.3): the BMC's own address. Addresses are in
 * network order, unlike everything else.
 */
import { type Command, nothing, reading } from '../command.ts';
import { NETFN } from '../message.ts';

export const LAN_PARAMETER = {
  setInProgress: 0,
  ip: 3,
  source: 4,
  mac: 5,
  mask: 6,
  gateway: 12,
  gatewayMac: 13,
  backupGateway: 14,
  community: 16,
  vlan: 20,
  suites: 23,
} as const;

const COMPLETIONS = {
  128: 'parameter not supported',
  129: 'another set is in progress',
  130: 'the parameter can only be read',
  131: 'the parameter can only be written',
};

export const getLanParameter: Command<{ channel: number; parameter: number }, Uint8Array> = {
  name: 'Get LAN Configuration Parameters',
  netFn: NETFN.transport,
  command: 0x02,
  repeatable: true,
  completions: COMPLETIONS,
  encode: ({ channel, parameter }) => Uint8Array.of(channel, parameter, 0, 0),
  decode: reading((reader) => {
    reader.u8();
    return reader.rest();
  }),
};

export const setLanParameter: Command<
  { channel: number; parameter: number; data: Uint8Array },
  void
> = {
  name: 'Set LAN Configuration Parameters',
  netFn: NETFN.transport,
  command: 0x01,
  repeatable: true,
  completions: COMPLETIONS,
  encode: ({ channel, parameter, data }) => Uint8Array.of(channel, parameter, ...data),
  decode: nothing,
};
