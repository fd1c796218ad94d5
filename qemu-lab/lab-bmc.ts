/**
 * A BMC of the rack: the simulated one, on a link and with a MAC of its own in the out-of-band network, in front of a
 * machine of the lab. Its address comes from whoever serves that network, by busybox's DHCP client as in most real BMCs, or
 * it is fixed. The machine asks it in-band, its serial port is the console behind Serial over LAN.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serveInBand } from './bmc-inband.ts';
import { type FakeBmc, startFakeBmc } from './fake-bmc.ts';
import { notePower, type PowerEvent, type StartCause, takeBootDevice } from './fake-bmc-boot.ts';
import type { FakeMachine } from './fake-bmc-state.ts';
import { openUdpIn } from './netns.ts';
import { addNeighbour, type LabNetwork, OUT_OF_BAND } from './network.ts';
import type { FakeBmcPlan } from './rack.ts';
import type { SerialHub } from './serial-hub.ts';
import type { Vm } from './vm.ts';

export interface LabBmc {
  readonly fake: FakeBmc;
  readonly mac: string;
  /** Undefined until it has one. */
  address(): string | undefined;
  /** What its machine is to boot at this start, if it has been told; flags for one boot are gone after it. */
  bootDevice(cause: StartCause): 'pxe' | 'disk' | undefined;
  /** Tells it what has happened to the power of its machine. */
  note(event: PowerEvent): void;
  /** From now on it answers nobody; what it did to the machine stays as it is. */
  die(): void;
  revive(): void;
  close(): Promise<void>;
}

export interface LabBmcParts {
  readonly plan: FakeBmcPlan;
  /** At most eight characters: names the namespace and the port of the bridge. */
  readonly name: string;
  /** The folder of its machine. */
  readonly dir: string;
  readonly network: LabNetwork;
  readonly vm: Vm;
  readonly serial: SerialHub;
}

const RMCP_PORT = 623;

/** What busybox's client calls when something has changed; its output is read here. */
const DHCP_SCRIPT = `#!/bin/sh
case $1 in
bound | renew)
  ip address replace "$ip/$mask" dev "$interface"
  [ -z "$router" ] || ip route replace default via "\${router%% *}"
  echo "bound $ip"
  ;;
deconfig) ip address flush dev "$interface" ;;
esac
`;

export async function startLabBmc(parts: LabBmcParts): Promise<LabBmc> {
  const { plan, dir, name, network, vm, serial } = parts;
  const fixed = plan.address === 'dhcp' ? undefined : plan.address;
  const ns = addNeighbour(network, name, {
    mac: plan.mac,
    bridge: OUT_OF_BAND.bridge,
    ...(fixed ? { address: `${fixed}/24` } : {}),
  });
  const fake = await startFakeBmc({
    ...{ fd: openUdpIn(ns, RMCP_PORT), mac: plan.mac, machine: machineOf(vm, serial) },
    ...{
      fru: { serial: vm.machine.serial },
      users: plan.users,
      suites: plan.suites,
      address: fixed ?? '0.0.0.0',
    },
    ...(plan.kg === undefined ? {} : { kg: Buffer.from(plan.kg, 'hex') }),
  });
  Object.assign(fake.knobs, plan.knobs);
  const { state } = fake;
  let address: string | undefined;
  const settle = (text: string) => {
    address = text;
    state.lan.set(3, addressBytes(text));
    state.lan.set(6, addressBytes(OUT_OF_BAND.netmask));
    state.lan.set(12, addressBytes(OUT_OF_BAND.address));
  };
  state.lan.set(4, Uint8Array.of(fixed ? SOURCE.fixed : SOURCE.dhcp));
  const client = fixed ? undefined : dhcpClient(ns, dir, settle);
  if (fixed) settle(fixed);
  const inBand = serveInBand(join(dir, 'bmc'), state);
  let dying: NodeJS.Timeout | undefined;
  const setDead = (dead: boolean) => {
    fake.knobs.dead = dead;
  };
  return {
    ...{ fake, mac: plan.mac, address: () => address },
    bootDevice(cause) {
      const device = takeBootDevice(state, cause, performance.now());
      return fake.knobs.ignoresBootFlags ? undefined : device;
    },
    note(event) {
      notePower(state, event);
      if (plan.diesAfterSeconds !== undefined && event.kind === 'on')
        dying ??= setTimeout(() => setDead(true), plan.diesAfterSeconds * 1000);
    },
    die: () => setDead(true),
    revive: () => setDead(false),
    async close() {
      clearTimeout(dying);
      client?.kill('SIGKILL');
      inBand.close();
      await fake.close();
    },
  };
}

/** The machine as its BMC has it in hand. */
function machineOf(vm: Vm, serial: SerialHub): FakeMachine {
  return {
    serial,
    powerOn: () => vm.isOn,
    control(action) {
      switch (action) {
        case 'on':
          return vm.start('command');
        case 'off':
          return void vm.stop();
        case 'cycle':
          return void vm.cycle();
        case 'reset':
          return void vm.reset('command');
        case 'soft':
          return vm.askToGoDown();
        case 'nmi':
          return vm.interrupt();
      }
    },
  };
}

/** LAN parameter 4: where the address comes from. */
const SOURCE = { fixed: 1, dhcp: 2 } as const;

const addressBytes = (text: string) => Uint8Array.from(text.split('.').map(Number));

function dhcpClient(ns: string, dir: string, onAddress: (text: string) => void): ChildProcess {
  const script = join(dir, 'bmc-dhcp.sh');
  writeFileSync(script, DHCP_SCRIPT);
  chmodSync(script, 0o755);
  const words = ['udhcpc', '-f', '-i', 'eth0', '-t', '3', '-T', '2', '-A', '3', '-s', script];
  const client = spawn('ip', ['netns', 'exec', ns, 'busybox', ...words], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  client.stdout?.setEncoding('utf8');
  client.stdout?.on('data', (text: string) => {
    for (const [, found] of text.matchAll(/^bound (\S+)$/gm)) if (found) onAddress(found);
  });
  return client;
}
