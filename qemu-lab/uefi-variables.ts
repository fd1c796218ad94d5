/**
 * Adds to the variables of a virtual machine that is off, as its setup or a tool that has run on it would have: shim's own list of
 * certificates, which only Boot Services may write and so no running system of the lab could.
 *
 * edk2's file of variables is a firmware volume (PI 1.7, volume 3, 3.2.1) with one store in it: records one behind another, aligned to
 * four bytes, then erased flash (MdeModulePkg, VariableFormat.h, the authenticated format).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Mac } from '../src/wire/mac.ts';

/** EFI_CERT_X509_GUID (UEFI 2.10, 32.4.1), and an owner that nobody reads, as they lie in memory. */
const X509 = Buffer.from('a159c0a5e494a74a87b5ab155c2bf072', 'hex');
const OWNER = Buffer.alloc(16);

/** One certificate as an EFI_SIGNATURE_LIST. */
export function signatureList(der: Uint8Array): Buffer {
  const sizes = Buffer.alloc(12);
  const [headBytes, entryBytes] = [X509.length + sizes.length, OWNER.length + der.length];
  sizes.writeUInt32LE(headBytes + entryBytes, 0);
  sizes.writeUInt32LE(entryBytes, 8);
  return Buffer.concat([X509, sizes, OWNER, der]);
}

export interface UefiVariable {
  /** Whose: a GUID as it lies in memory. */
  readonly vendor: Uint8Array;
  readonly name: string;
  readonly attributes: number;
  readonly data: Uint8Array;
}

/** SHIM_LOCK_GUID, 605dab50-e046-4300-abb6-3dd810dd8b23. */
const SHIM = Buffer.from('50ab5d6046e00043abb63dd810dd8b23', 'hex');
const NON_VOLATILE = 1;
const BOOT_SERVICES = 2;

/** What `mokutil --import` and its confirmation at the console leave behind. */
export function mokList(der: Uint8Array): UefiVariable {
  const attributes = NON_VOLATILE | BOOT_SERVICES;
  return { vendor: SHIM, name: 'MokList', attributes, data: signatureList(der) };
}

/** EFI_VLAN_CONFIG_PROTOCOL_GUID (UEFI 2.10, 27.1), 9e23d768-d2f3-4366-9fc3-3a7aba864374. */
const VLAN_CONFIG = Buffer.from('68d7239ef3d266439fc33a7aba864374', 'hex');

/** What the firmware's own form for VLANs leaves behind: this NIC speaks with that tag (edk2, NetworkPkg, MnpVlan.c). */
export function vlanOfNic(mac: Mac, tag: number): UefiVariable {
  const data = Buffer.alloc(2);
  data.writeUInt16LE(tag);
  const name = mac.replaceAll(':', '').toUpperCase();
  return { vendor: VLAN_CONFIG, name, attributes: NON_VOLATILE | BOOT_SERVICES, data };
}

/** Where the volume says how long its header is, and the length of the store's own. */
const VOLUME_HEADER_AT = 0x30;
const STORE_HEADER_BYTES = 28;
const RECORD_HEADER_BYTES = 60;
const RECORD = 0x55aa;
const ADDED = 0x3f;
const ERASED = 0xff;

/** @throws Error when the file is no store of variables, or is full */
export function addVariable(file: string, variable: UefiVariable): void {
  const flash = readFileSync(file);
  if (flash.toString('latin1', 0x28, 0x2c) !== '_FVH')
    throw new Error(`${file} is no file of UEFI variables`);
  const store = flash.readUInt16LE(VOLUME_HEADER_AT);
  const end = store + flash.readUInt32LE(store + 16);
  let at = store + STORE_HEADER_BYTES;
  while (flash.readUInt16LE(at) === RECORD)
    at = aligned(
      at + RECORD_HEADER_BYTES + flash.readUInt32LE(at + 36) + flash.readUInt32LE(at + 40),
    );
  const record = encodeRecord(variable);
  const free = flash.subarray(at, Math.min(at + record.length, end));
  if (free.length < record.length || !free.every((byte) => byte === ERASED))
    throw new Error(`${file} has no room for ${variable.name}`);
  flash.set(record, at);
  writeFileSync(file, flash);
}

function encodeRecord({ vendor, name, attributes, data }: UefiVariable): Buffer {
  const head = Buffer.alloc(RECORD_HEADER_BYTES);
  const label = Buffer.from(`${name}\0`, 'utf16le');
  head.writeUInt16LE(RECORD, 0);
  head[2] = ADDED;
  head.writeUInt32LE(attributes, 4);
  head.writeUInt32LE(label.length, 36);
  head.writeUInt32LE(data.length, 40);
  head.set(vendor, 44);
  return Buffer.concat([head, label, data]);
}

const aligned = (offset: number): number => (offset + 3) & ~3;
