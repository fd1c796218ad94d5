/**
 * What can be told of a boot when it is over, by the commands that people type: its record exported, read by Wireshark's own
 * program and by ours, judged again from the file; and what the machine got at that moment, told later.
 */
import { join } from 'node:path';
import type { LabPeople } from '../people.ts';
import type { ScenarioRun } from '../scenario.ts';

export interface PastBoot {
  readonly boot: string;
  readonly mac: string;
  readonly at: number;
  /** What it was given at that moment, and what that was called afterwards. */
  readonly file: string;
  readonly diagnosis: string;
}

export async function checkAfterwards(
  run: ScenarioRun,
  people: LabPeople,
  past: PastBoot,
): Promise<void> {
  await checkExport(run, people, past);
  await checkTimeTravel(run, people, past);
}

async function checkExport(
  run: ScenarioRun,
  people: LabPeople,
  { boot, mac, file, diagnosis }: PastBoot,
): Promise<void> {
  const { check } = run;
  const to = join(run.lab.dir, 'exported');
  await people.reveille(['boot', 'export', boot, '--to', to]);
  const again = JSON.parse(await people.reveille(['diagnose', `${to}.json`, '--json']));
  const [judged] = again.boots;
  check(judged?.diagnosis?.name === diagnosis, `the record says ${judged?.diagnosis?.name}`);
  const fields = ['-T', 'fields', '-e', 'dhcp.option.dhcp', '-e', 'tftp.source_file'];
  const read = await people.program('tshark', '-r', `${to}.pcapng`, ...fields);
  // DISCOVER, OFFER, REQUEST, ACK, and the request for the boot file.
  for (const type of [1, 2, 3, 5])
    check(new RegExp(`^${type}\t`, 'm').test(read), `tshark sees no DHCP message ${type}: ${read}`);
  check(read.includes(file), `tshark does not see ${file} in: ${read}`);
  const expert = ['-Y', '_ws.malformed', '-T', 'fields', '-e', 'frame.number'];
  const malformed = await people.program('tshark', '-r', `${to}.pcapng`, ...expert);
  check(malformed.trim() === '', `tshark calls frames malformed: ${malformed}`);
  const decoded = await people.reveille(['decode', `${to}.pcapng`]);
  check(
    decoded.includes(mac) && decoded.includes(file),
    `reveille decode does not show ${file} for ${mac}`,
  );
  const fromCapture = JSON.parse(await people.reveille(['diagnose', `${to}.pcapng`, '--json']));
  check(fromCapture.boots[0]?.mac === mac, 'the exported capture is of no boot of this machine');
}

/** What did it get then? Asked for the moment, by the name that it has since. */
async function checkTimeTravel(
  run: ScenarioRun,
  people: LabPeople,
  { mac, at, file, diagnosis }: PastBoot,
): Promise<void> {
  const config = ['-c', join(run.lab.dir, 'reveille.yaml'), '--json'];
  const ask = async (subject: string, time: string) =>
    JSON.parse(await people.reveille(['explain', subject, '--at', time, ...config]));
  const then = await ask(mac, new Date(at).toISOString());
  const told = (then.answers as { what: string; detail: string }[]).map(
    ({ what, detail }) => `${what}: ${detail}`,
  );
  run.say(`at ${new Date(at).toISOString()} it got ${told.join('; ')}`);
  run.check(then.state === 'unknown', `it was ${then.state} then`);
  run.check(
    told.some((line) => line.startsWith('offer to firmware') && line.includes(file)),
    `no offer of ${file} is told: ${told}`,
  );
  run.check(
    told.some((line) => line.startsWith(`diagnosis: ${diagnosis}`)),
    `${diagnosis} is not told: ${told}`,
  );
  const before = await ask(mac, '2001-01-01T00:00Z');
  run.check(before.boot === null, 'it had booted in 2001');
  const now = JSON.parse(await people.reveille(['explain', mac, ...config]));
  const firmware = now.stages.find(({ client }: { client: string }) => client.includes('UEFI x64'));
  run.check(
    firmware !== undefined && !firmware.bootFile.includes(file),
    `it would be given ${firmware?.bootFile} now`,
  );
}
