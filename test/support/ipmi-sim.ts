/**
 * OpenIPMI's ipmi_sim, started for one test file: a BMC that nobody here wrote, in front of two files that stand for a
 * machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ping } from '../../src/ipmi/client.ts';
import type { BmcPorts } from '../../src/platform/bmc-udp.ts';
import { freePort } from './free-port.ts';
import { temporaryFolder } from './temporary-folder.ts';

export interface IpmiSim {
  readonly port: number;
  readonly powered: () => boolean;
  /** What was done to the machine: `power 1`, `reset 1`, `boot pxe`. */
  readonly actions: () => readonly string[];
  stop(): Promise<void>;
}

const ACCESS = ['callback', 'user', 'operator', 'admin']
  .map((level) => `    allowed_auths_${level} none md2 md5 straight`)
  .join('\n');

const lanConf = (port: number, dir: string, serialPort: number) => `name "sim"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 ${port}
    priv_limit admin
${ACCESS}
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "${dir}/chassis.sh ${dir}"
  sol "tcp:127.0.0.1:${serialPort}" 115200
  startnow false
  user 2 true "admin" "secret" admin 10 none md2 md5 straight
  user 3 true "oper" "operpw" operator 10 none md2 md5 straight
`;

const EMULATION = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`;

const CHASSIS = `#!/bin/sh
D=$1; op=$2; shift 2
case $op in
get) for p in "$@"; do case $p in power) echo "power:$(cat $D/power)";; boot) echo "boot:none";; *) exit 1;; esac; done;;
set) while [ $# -gt 1 ]; do
  echo "$1 $2" >> $D/actions
  case $1 in power) echo $2 > $D/power;; shutdown) echo 0 > $D/power;; esac
  shift 2
done;;
esac
`;

/** @param serialPort where the machine's serial line listens on TCP */
export async function startIpmiSim(ports: BmcPorts, serialPort: number): Promise<IpmiSim> {
  const dir = temporaryFolder('ipmi-sim');
  const port = await freePort();
  mkdirSync(join(dir, 'state'));
  writeFileSync(join(dir, 'lan.conf'), lanConf(port, dir, serialPort));
  writeFileSync(join(dir, 'sim.emu'), EMULATION);
  writeFileSync(join(dir, 'chassis.sh'), CHASSIS);
  chmodSync(join(dir, 'chassis.sh'), 0o755);
  writeFileSync(join(dir, 'power'), '0');
  writeFileSync(join(dir, 'actions'), '');
  const child: ChildProcess = spawn(
    'ipmi_sim',
    ['-c', 'lan.conf', '-f', 'sim.emu', '-s', 'state', '-n'],
    { cwd: dir, stdio: 'ignore' },
  );
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  // Each ping waits a second for its answer.
  for (let tries = 0; !(await ping(ports, { address: '127.0.0.1', port })); tries++) {
    if (tries > 20 || child.exitCode !== null) throw new Error('ipmi_sim did not start');
  }
  return {
    port,
    powered: () => readFileSync(join(dir, 'power'), 'utf8').trim() === '1',
    actions: () => readFileSync(join(dir, 'actions'), 'utf8').trim().split('\n'),
    async stop() {
      child.kill();
      await gone;
    },
  };
}
