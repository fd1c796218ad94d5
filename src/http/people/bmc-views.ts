/** How BMCs look in the API. No password is in any of it: a credential is a name. */
import { z } from 'zod';
import type { BmcClaim } from '../../inventory/bmc-claims.ts';
import type { BmcRecord } from '../../inventory/bmcs.ts';
import type { MachineRecord } from '../../inventory/machine-fields.ts';

const time = z.number().int().describe('Milliseconds since 1970, UTC; 0: never');
const protocol = z.enum(['ipmi', 'redfish']);

const refusedView = z
  .array(z.object({ credential: z.string(), code: z.string(), at: time }))
  .describe('Logins that it has refused, which are not tried again by themselves');

export const machineBmcView = z
  .object({
    hardwarename: z.string(),
    address: z.string(),
    mac: z.string(),
    vendor: z.string(),
    firmware: z.string(),
    credential: z.string().describe("The machine's own; '' for the site's"),
    protocol: z.enum(['ipmi', 'redfish', '']).describe("What it answered last; '' before that"),
    openedWith: z.string().describe('Name of the credential that opened it last'),
    certificate: z.string().describe('SHA-256 of its pinned certificate'),
    openedAt: time,
    failedAt: time.describe('Since when it cannot be opened; 0: it can'),
    code: z.string(),
    detail: z.string(),
    trusted: z.boolean().describe("The site's logins may be sent to its certificate"),
    refused: refusedView,
    claim: z
      .object({
        address: z.string(),
        mac: z.string(),
        at: time,
        state: z.enum(['open', 'proven', 'unproven', 'confirmed']),
        why: z.string().describe('Why it is not proven'),
        lookNext: time.describe('When it is tried again; 0: not by itself'),
      })
      .optional()
      .describe('What the machine reports of its BMC from inside'),
  })
  .meta({ id: 'MachineBmc' });

export function showMachineBmc(
  machine: MachineRecord,
  { known, claim }: { known: BmcRecord | undefined; claim: BmcClaim | undefined },
) {
  const { address, mac, at, state, why, lookNext } = claim ?? {};
  return {
    hardwarename: machine.hardwarename as string,
    address: machine.bmcAddress,
    mac: machine.bmcMac,
    vendor: machine.bmcVendor,
    firmware: machine.bmcFirmware,
    credential: machine.bmcCredential,
    protocol: known?.protocol ?? ('' as const),
    openedWith: known?.credential ?? '',
    certificate: known?.certificate ?? '',
    openedAt: known?.openedAt ?? 0,
    failedAt: known?.failedAt ?? 0,
    code: known?.code ?? '',
    detail: known?.detail ?? '',
    trusted: known?.trusted ?? false,
    refused: showRefused(known),
    ...(claim
      ? { claim: { address, mac, at, state, why, lookNext } as Omit<BmcClaim, 'looks'> }
      : {}),
  };
}

function showRefused(bmc: BmcRecord | undefined) {
  return Object.entries(bmc?.refused ?? {}).map(([credential, { code, at }]) => ({
    ...{ credential, code, at },
  }));
}

export const powerView = z.object({ on: z.boolean(), protocol }).meta({ id: 'BmcPower' });

export const sensorsView = z
  .object({
    protocol,
    sensors: z.array(
      z.object({
        name: z.string(),
        type: z.string(),
        health: z.enum(['ok', 'warning', 'critical', 'failed', 'none']),
        value: z.number().optional(),
        unit: z.string().optional(),
        states: z.array(z.string()),
        thresholds: z
          .object({
            lowerFailed: z.number().optional(),
            lowerCritical: z.number().optional(),
            lowerWarning: z.number().optional(),
            upperWarning: z.number().optional(),
            upperCritical: z.number().optional(),
            upperFailed: z.number().optional(),
          })
          .optional()
          .describe('Where it becomes a warning, critical or failed; those that it has'),
      }),
    ),
  })
  .meta({ id: 'BmcSensors' });

export const logView = z
  .object({
    protocol,
    entries: z.array(
      z.object({
        id: z.string(),
        seconds: z.number().optional().describe('Since 1970; absent when its clock was not set'),
        text: z.string(),
      }),
    ),
  })
  .meta({ id: 'BmcLog' });

export const fruView = z
  .object({
    protocol,
    manufacturer: z.string(),
    product: z.string(),
    serial: z.string(),
    assetTag: z.string(),
    uuids: z.array(z.string()).describe('Every spelling that SMBIOS may have'),
    bmcFirmware: z.string(),
    biosVersion: z.string(),
    macs: z.array(z.string()).describe("Of the machine's NICs, where it knows them"),
    bmcMac: z.string(),
  })
  .meta({ id: 'BmcFru' });

export const bmcView = z
  .object({
    id: z.string().describe('Its MAC, else its address'),
    mac: z.string(),
    address: z.string(),
    source: z.enum(['dhcp', 'report', 'record']).describe('Who told of it first'),
    vendorClass: z.string(),
    hostname: z.string(),
    firstAt: time,
    lastAt: time,
    hardwarename: z.string().describe("'' for one that matches no machine"),
    matchedBy: z.string().describe('mac, uuid, serial, nic, address or person'),
    why: z.string().describe('Why it matches none'),
    protocol: z.enum(['ipmi', 'redfish', '']),
    openedWith: z.string().describe('Name of the credential that opened it last'),
    certificate: z.string(),
    code: z.string().describe('Of the last failure'),
    detail: z.string(),
    manufacturer: z.string(),
    product: z.string(),
    serial: z.string(),
    uuids: z.array(z.string()),
    firmware: z.string(),
    power: z.enum(['on', 'off', '']),
    lookedAt: time,
    lookNext: time.describe('When it is looked at again; 0: not by itself'),
    wake: z
      .enum(['', 'wanted', 'asked', 'done'])
      .describe('wanted: a person may have its machine switched on; asked: it is to be'),
    wakes: z.number().int(),
    wakeAt: time,
    trusted: z.boolean().describe("The site's logins may be sent to its certificate"),
    refused: refusedView,
  })
  .meta({ id: 'Bmc' });

export function showBmc(bmc: BmcRecord) {
  const { matchedAt: _, credential, openedAt: _o, failedAt: _f, looks: _l, facts, ...all } = bmc;
  const { refusedAt: _r, ...rest } = all;
  const { manufacturer = '', product = '', serial = '', uuids = [], firmware = '' } = facts;
  return {
    ...rest,
    refused: showRefused(bmc),
    hardwarename: rest.hardwarename as string,
    openedWith: credential,
    ...{ manufacturer, product, serial, uuids: [...uuids], firmware },
  };
}
