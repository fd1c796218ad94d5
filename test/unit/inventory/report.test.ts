import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { parseReport, reportSchema } from '../../../src/inventory/report.ts';
import { bytesOf, report } from '../../support/reports.ts';

describe('the recon report', () => {
  it('docs/recon-report.schema.json is its schema', () => {
    const schema = z.toJSONSchema(reportSchema, { io: 'input', unrepresentable: 'any' });
    const text = `${JSON.stringify({ title: 'Reveille recon report, schema 1', ...schema }, null, 2)}\n`;
    const file = 'docs/recon-report.schema.json';
    if (process.env.UPDATE_FIXTURES) writeFileSync(file, text);
    expect(JSON.parse(text)).toEqual(JSON.parse(readFileSync(file, 'utf8')));
  });

  it('the example of docs/machine-protocol.md is accepted', () => {
    const example =
      /```json\n([\s\S]*?)```/.exec(readFileSync('docs/machine-protocol.md', 'utf8'))?.[1] ?? '';
    expect(parseReport(new TextEncoder().encode(example))).toMatchObject({
      ok: true,
      report: { dmi: { serial: 'SN-0001' } },
    });
  });

  it.each([
    ['null for what is unknown', { ...report(), bmc: null }, '/bmc'],
    [
      'a multicast MAC',
      { ...report(), nics: [{ name: 'eth0', mac: '01:00:5e:00:00:01' }] },
      '/nics/0/mac',
    ],
    ['no NIC', { ...report(), nics: [] }, '/nics'],
    [
      'a negative size',
      { ...report(), disks: [{ name: 'sda', sizeBytes: -1 }] },
      '/disks/0/sizeBytes',
    ],
    [
      'an absurd size',
      { ...report(), disks: [{ name: 'sda', sizeBytes: 1e300 }] },
      '/disks/0/sizeBytes',
    ],
    ['a text without end', { ...report(), dmi: { serial: 'x'.repeat(257) } }, '/dmi/serial'],
    [
      'a name like the prototype',
      JSON.parse(JSON.stringify(report()).replace('"dmi":{', '"dmi":{"__proto__":{},')),
      '/dmi/__proto__',
    ],
  ])('refuses %s at %s', (_what, body, path) => {
    expect(parseReport(bytesOf(body))).toMatchObject({ ok: false, path });
  });
});
