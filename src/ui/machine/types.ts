/** A machine as the API gives it to this page: the record with its NICs and its last report. */
import type { StoredEvent } from '../../events.ts';
import type { MachineRecord } from '../../inventory/machine-fields.ts';
import type { ReconReport } from '../../inventory/report.ts';

export interface Nic {
  readonly mac: string;
  readonly name: string;
  readonly address: string;
  readonly subnet: string;
  readonly switch: string;
  readonly port: string;
  readonly speedMbps: number;
}

export interface MachineView extends MachineRecord {
  readonly nics: readonly Nic[];
  readonly hardware?: Partial<ReconReport>;
}

export interface MachineAnswer {
  readonly machine: MachineView;
  readonly events: readonly StoredEvent[];
}
