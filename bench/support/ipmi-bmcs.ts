/**
 * A hall of simulated BMCs in one process, for the IPMI bench: one on port 623 of each address from 127.66.0.1 on. Prints
 * `ready COUNT`, and on SIGTERM what was done to the machines.
 */
import { startFakeBmc } from '../../qemu-lab/fake-bmc.ts';
import { simpleMachine } from '../../qemu-lab/fake-bmc-state.ts';
import { bmcAddress } from './ipmi-addresses.ts';

const count = Number(process.argv[2] ?? 1000);
const machines = Array.from({ length: count }, () => simpleMachine(true));
for (const [index, machine] of machines.entries()) {
  const bmc = await startFakeBmc({ address: bmcAddress(index), port: 623, machine });
  // ipmipower's repeated Open Sessions fill the slots of a real BMC for a minute: they shall not be held against the next one.
  bmc.knobs.sessionsMax = 64;
}
process.stdout.write(`ready ${count}\n`);

let reported = 0;
/** The number of power cycles since the last report, and how many machines had exactly one. */
process.on('SIGUSR2', () => {
  reported += 1;
  const cycles = machines.map(({ actions }) => actions.splice(0).length);
  const total = cycles.reduce((sum, each) => sum + each, 0);
  const once = cycles.filter((each) => each === 1).length;
  process.stdout.write(`report ${reported} cycles ${total} once ${once}\n`);
});
process.on('SIGTERM', () => process.exit(0));
