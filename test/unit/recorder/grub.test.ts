/** What is learned of a boot by shim and GRUB: the file that was handed out, and never what GRUB fetched by itself. */
import { expect, it } from 'vitest';
import { A, record } from '../../support/recording.ts';

const YAML =
  'boot: { secureBoot: { uefiX64: { first: shimx64.efi, second: grubnetx64.efi, loader: grub } } }';
const HOUR = 3_700_000;

function world() {
  const made = record(YAML);
  const { inventory } = made;
  const { quirks } = inventory.serverdb;
  const fetch = (file: string, blksizeBytes: number, sizeBytes: number) => {
    const terms = { asked: `blksize ${blksizeBytes}`, granted: `blksize ${blksizeBytes}` };
    const started = { file, blksizeBytes, windowsize: 1, sizeBytes, ...terms };
    made.append({ name: 'tftp.started', data: started });
    const sent = { file, sizeBytes, durationMs: 20, retransmits: 0 };
    made.append({ name: 'tftp.sent', data: sent });
  };
  const load = () => {
    made.lease('uefi');
    fetch('shimx64.efi', 1468, 1_048_504);
    fetch('grubx64.efi', 1468, 3_843_520);
    inventory.transaction(() => inventory.boots.binaryServed(made.bootId()));
  };
  const start = () => {
    fetch('grub/x86_64-efi/terminal.lst', 1024, 200);
    fetch('/grub/grub.cfg', 1024, 362);
  };
  const fail = (trait: 'binary' | 'blksize', value: string) =>
    inventory.transaction(() =>
      quirks.learn({
        ...{ scope: 'machine', subject: A, trait, value, outcome: 'fails', why: 'x', since: 0 },
      }),
    );
  const rows = () =>
    quirks.list().map(({ trait, value, outcome }) => `${trait} ${value} ${outcome}`);
  return { ...made, fetch, load, start, fail, rows };
}

it('of one that got its script the shim and the block size of GRUB itself have worked', () => {
  const { load, start, fail, rows, append, step, pass } = world();
  fail('binary', 'snponly.efi');
  fail('blksize', '2048');
  pass(HOUR);
  load();
  start();
  append({ name: 'ipxe.script', data: { mode: 'recon', why: '', loader: 'grub' } });
  step();
  expect(rows().toSorted()).toEqual([
    'binary shimx64.efi works',
    'binary snponly.efi fails',
    'blksize 1468 works',
    'blksize 2048 fails',
  ]);
});

it('of a file that was asked for with a folder nothing is learned, as none is handed out so', () => {
  const { lease, fetch, fail, rows, append, step } = world();
  fail('binary', 'snponly.efi');
  lease('ipxe');
  fetch('efi/ipxe.efi', 1468, 100_000);
  append({ name: 'ipxe.script', data: { mode: 'recon', why: '' } });
  step();
  expect(rows()).toEqual(['binary snponly.efi fails']);
});

it('of one that asks for no script nothing is learned', () => {
  const { load, start, rows, step, diagnosed } = world();
  load();
  start();
  for (let second = 0; second < 200; second++) step();
  expect(diagnosed()).toEqual(['grub-never-asked']);
  expect(rows()).toEqual([]);
});

it('of one whose file the firmware refuses, the shim has failed', () => {
  const { lease, load, rows, step, diagnosed } = world();
  load();
  step(3000);
  lease('uefi');
  step();
  expect(diagnosed()).toEqual(['secure-boot-refused']);
  expect(rows()).toEqual(['binary shimx64.efi fails']);
});
