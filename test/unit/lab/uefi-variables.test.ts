/** A file of UEFI variables, made as edk2 makes it; that firmware and shim take what is added is the scenario `architectures`'s to show. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { addVariable, mokList, vlanOfNic } from '../../../qemu-lab/uefi-variables.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { mac } from '../../support/world.ts';

const dir = temporaryFolder('uefi');
const file = join(dir, 'vars.fd');

const STORE_AT = 0x48;
const STORE_BYTES = 0x200;
const FIRST_AT = STORE_AT + 28;

beforeEach(() => {
  const flash = Buffer.alloc(0x1000, 0xff);
  flash.write('_FVH', 0x28, 'latin1');
  flash.writeUInt16LE(STORE_AT, 0x30);
  flash.writeUInt32LE(STORE_BYTES, STORE_AT + 16);
  writeFileSync(file, flash);
});

const CERTIFICATE = Buffer.from('a certificate, as DER');

describe('a variable', () => {
  it('that is the VLAN of a NIC has its MAC for a name, and the tag for data', () => {
    expect(vlanOfNic(mac('52:54:00:c6:4c:0a'), 100)).toMatchObject({
      name: '525400C64C0A',
      data: Buffer.of(100, 0),
    });
  });

  it('is a record in the first erased place', () => {
    addVariable(file, mokList(CERTIFICATE));
    const flash = readFileSync(file);
    // Start, added; not volatile and for Boot Services; the bytes of its name and of its data.
    expect(flash.readUInt32LE(FIRST_AT)).toBe(0x003f55aa);
    expect(flash.readUInt32LE(FIRST_AT + 4)).toBe(3);
    expect(flash.readUInt32LE(FIRST_AT + 36)).toBe(16);
    expect(flash.readUInt32LE(FIRST_AT + 40)).toBe(28 + 16 + CERTIFICATE.length);
    expect(flash.toString('utf16le', FIRST_AT + 60, FIRST_AT + 76)).toBe('MokList\0');
    const list = flash.subarray(FIRST_AT + 76);
    expect(list.readUInt32LE(16)).toBe(28 + 16 + CERTIFICATE.length);
    expect(list.readUInt32LE(24)).toBe(16 + CERTIFICATE.length);
    expect(list.subarray(44, 44 + CERTIFICATE.length)).toEqual(CERTIFICATE);
    expect(list[44 + CERTIFICATE.length]).toBe(0xff);
  });

  it('comes behind those that are there, aligned to four bytes', () => {
    addVariable(file, mokList(CERTIFICATE));
    addVariable(file, mokList(CERTIFICATE));
    const second = FIRST_AT + ((60 + 16 + 44 + CERTIFICATE.length + 3) & ~3);
    expect(readFileSync(file).readUInt16LE(second)).toBe(0x55aa);
  });

  it('is refused where there is no room, and by a file of something else', () => {
    const large = mokList(Buffer.alloc(STORE_BYTES));
    expect(() => addVariable(file, large)).toThrow(/no room for MokList/);
    writeFileSync(file, Buffer.alloc(0x100));
    expect(() => addVariable(file, mokList(CERTIFICATE))).toThrow(/no file of UEFI variables/);
  });
});
