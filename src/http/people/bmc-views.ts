/** How BMCs look in the API. No password is in any of it: a credential is a name. */
import { z } from 'zod';
import type { BmcRecord } from '../../inventory/bmcs.ts';
import type { MachineRecord } from '../../inventory/machine-fields.ts';

const time = z.number().int().describe('Milliseconds since 1970, UTC; 0: never');
const protocol = z.enum(['ipmi', 'redfish']);

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
  })
  .meta({ id: 'MachineBmc' });

export function showMachineBmc(machine: MachineRecord, known: BmcRecord | undefined) {
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
  };
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
