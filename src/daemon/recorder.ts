/** The flight recorder put together: what it reads, and how a machine leaves for its disk at present. */

import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { createBootRules } from '../boot/binaries.ts';
import { overrideOf } from '../boot/quirks.ts';
import type { Config } from '../config.ts';
import { createFlows, type Flows } from '../http/machine/flows.ts';
import { AskerTable, makeAskerTable } from '../nameserver/asker-watch.ts';
import { seldomErrors } from '../platform/seldom.ts';
import { loadTcpInfo } from '../platform/tcp-info.ts';
import { createRecorder, type Recorder } from '../recorder/recorder.ts';
import { isAsset, type openCore, systemClock } from './core.ts';
import { addDiagnosisMetrics, addRecorderMetrics } from './metrics.ts';

export function openRecorder(
  { db, inventory, segments, newcomers }: ReturnType<typeof openCore>,
  config: Config,
  { registry, log }: { readonly registry: Registry; readonly log: Logger },
): { recorder: Recorder; flows: Flows; askers: SharedArrayBuffer } {
  const flows = createFlows(loadTcpInfo(), systemClock);
  const rules = createBootRules(config.boot, (file) => isAsset(config, file));
  const { quirks } = inventory.serverdb;
  const askers = makeAskerTable();
  const tellError = seldomErrors(log);
  const recorder = createRecorder({
    onError: (err, about) => tellError({ err, about }, 'the flight recorder could not do a part'),
    quietMs: 1000 * config.recorder.quietSeconds,
    ...{ db, inventory, clock: systemClock, live: flows.of, watch: new AskerTable(askers) },
    admitsOutside: newcomers.admitsOutside,
    proxied: new Set(segments.filter(({ mode }) => mode === 'proxy').map(({ name }) => name)),
    overrideOf(mac) {
      const hardwarename = inventory.machines.stateByMac(mac)?.hardwarename;
      return overrideOf(quirks.known('override', mac, hardwarename));
    },
    localBootOf(mac) {
      const machine = inventory.machines.stateByMac(mac);
      const hardwarename = machine?.hardwarename;
      const subject = { mac, hardwarename, product: undefined };
      return rules.localBootOf(subject, quirks.known('local-boot', mac, hardwarename));
    },
  });
  addDiagnosisMetrics(registry, recorder.store.counts);
  addRecorderMetrics(registry, recorder.dropped);
  return { recorder, flows, askers };
}
