/**
 * Firmware and an iPXE that trust the site's CA: a BIOS and a UEFI machine fetch script, kernel and initrd by https after a boot file by
 * TFTP, a third one, OVMF with the CA enrolled, its boot file too; the agent reports by https. Nobody asks anything by plain HTTP.
 *
 * CA, certificate and both binaries are made with the lines of docs/https.md. Building takes minutes and a copy of iPXE's source,
 * whose folder `src` is named by IPXE_SOURCE.
 */
import { X509Certificate } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildIpxe, makeSiteCa } from '../../test/support/site-ca.ts';
import { negotiatedBy } from '../negotiated.ts';
import { IPXE_SOURCE } from '../prerequisites.ts';
import { CA_LIST } from '../qemu.ts';
import type { Scenario } from '../scenario.ts';
import { signatureList } from '../uefi-variables.ts';
import { same } from './boots.ts';
import { checkRecords, everyoneRegisters } from './ingest.ts';

const SERVER = '10.77.0.1';
const PORT = 8443;

export const https: Scenario = {
  name: 'https',
  about:
    'an iPXE built with the site’s CA, BIOS and UEFI, and HTTPS Boot: not one request by plain HTTP',
  byCommand: true,
  tools: ['openssl', 'gcc', 'make', '/usr/include/lzma.h'],
  built: [IPXE_SOURCE],
  rack: {
    machines: [
      { name: 'tls-bios', netboot: 'chain', serial: 'SN-4101', disks: [] },
      { name: 'tls-uefi', firmware: 'uefi', serial: 'SN-4102', disks: [] },
      { name: 'tls-boot', firmware: 'uefi', netboot: 'https', serial: 'SN-4103', disks: [] },
    ],
  },
  config(dir) {
    const source = dirname(IPXE_SOURCE[0]);
    const site = makeSiteCa(dir, SERVER);
    buildIpxe(source, site.ca);
    const assets = join(dir, 'boot');
    mkdirSync(assets);
    for (const file of ['bin-x86_64-efi/snponly.efi', 'bin/undionly.kpxe'])
      copyFileSync(join(source, file), join(assets, file.split('/').at(-1) ?? ''));
    const { ca, cert, key } = site;
    // edk2 takes the CAs of HTTPS in the form of its variables.
    writeFileSync(join(dir, CA_LIST), signatureList(new X509Certificate(readFileSync(ca)).raw));
    return {
      boot: { assets },
      machineHttp: { tls: { port: PORT, cert, key, ca, offer: true, offerFirmware: true } },
    };
  },
  async run(run) {
    for (const vm of run.lab.vms) run.lab.powerOn(vm);
    await everyoneRegisters(run, { patiently: true });
    await checkRecords(run);
    const capture = await run.capture();
    for (const { machine } of run.lab.vms) {
      const check = (holds: boolean, what: string) => run.check(holds, `${machine.name}: ${what}`);
      const mac = machine.nics.find(({ boot }) => boot)?.mac ?? '';
      const seen = negotiatedBy(capture, mac);
      run.negotiated[machine.name] = seen;
      const scripts = seen.granted.filter(({ stage }) => stage === 'ipxe');
      same(
        check,
        'where iPXE is sent',
        scripts.map(({ options }) => options[67]),
        [`"https://${SERVER}:${PORT}/boot/…/script.ipxe"`],
      );
      const first = seen.granted.find(({ stage }) => stage === 'http-boot');
      if (machine.netboot === 'https')
        same(
          check,
          'where UEFI is sent',
          first?.options[67],
          `"https://${SERVER}:${PORT}/boot/ipxe/snponly.efi"`,
        );
      same(check, 'requests by plain HTTP', seen.http, []);
    }
  },
};
