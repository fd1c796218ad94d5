/** Made from docs/openapi.json by `npm run api`; a test holds it. Not to be edited. */

export type Nic = {
  readonly mac: string;
  readonly name: string;
  readonly address: string;
  readonly subnet: string;
  readonly switch: string;
  readonly port: string;
  readonly speedMbps: number;
};
export type Machine = {
  /** Its name for life, from the serial. */
  readonly hardwarename: string;
  /** Counts changes; the ETag. */
  readonly version: number;
  /** As reported or entered. */
  readonly serial: string;
  /** SMBIOS UUID, when it identifies something. */
  readonly uuid: string;
  /** From SMBIOS. */
  readonly manufacturer: string;
  /** From SMBIOS. */
  readonly product: string;
  /** A recon report has come; else it was entered. */
  readonly reported: boolean;
  /** docs/states.md */
  readonly state: string;
  /** Why it is in this state. */
  readonly stateWhy: string;
  /** Who brought it there. */
  readonly stateBy: string;
  /** Since when. */
  readonly stateAt: number | null;
  /** What has to happen next, and who does it. */
  readonly stateNext: string;
  /** Until when; null: it may stay. */
  readonly stateDeadlineAt: number | null;
  /** The deadline has passed: it is stuck. */
  readonly overdue: boolean;
  /** The other machine of a conflict. */
  readonly conflictWith: string;
  /** The NIC that it reported from. */
  readonly bootMac: string;
  /** What it is called while it has a role. */
  readonly hostname: string;
  /** What it does. */
  readonly role: string;
  /** The team that has it; empty: capacity. */
  readonly squad: string;
  /** The person to ask. */
  readonly owner: string;
  /** Words to find it by. */
  readonly tags: readonly string[];
  /** Anything. */
  readonly notes: string;
  /** Fields of a site’s own. */
  readonly custom: Readonly<Record<string, string>>;
  /** No change of state until this is lifted. */
  readonly protected: boolean;
  /** Somebody’s data may be on its disks; only a proven recycle lifts this. */
  readonly mayHoldData: boolean;
  /** Datacenter. */
  readonly site: string;
  /** Hall or room. */
  readonly hall: string;
  /** Row of racks. */
  readonly row: string;
  /** Rack. */
  readonly rack: string;
  /** Lowest unit that it fills, from 1; 0: not known. */
  readonly unit: number;
  /** Units that it fills. */
  readonly height: number;
  /** `person`, or `lldp` when inferred. */
  readonly locatedBy: string;
  /** Assigned by rules from the report. */
  readonly hardwareType: string;
  /** What differs from the type. */
  readonly typeMismatch: string;
  /** Day of purchase. */
  readonly purchasedAt: string;
  /** Last day of warranty. */
  readonly warrantyUntil: string;
  /** Who sold it. */
  readonly supplier: string;
  /** The order that it came with. */
  readonly orderNumber: string;
  /** Static IPv6 addresses, beside those of its NICs. */
  readonly ipv6: readonly string[];
  /** Address of its BMC. */
  readonly bmcAddress: string;
  /** MAC of its BMC. */
  readonly bmcMac: string;
  /** Vendor of its BMC. */
  readonly bmcVendor: string;
  /** From the report. */
  readonly bmcFirmware: string;
  /** Name of a stored credential. */
  readonly bmcCredential: string;
  /** Of the first processor. */
  readonly cpuModel: string;
  /** Processors. */
  readonly cpuCount: number;
  /** Cores of all processors. */
  readonly coreCount: number;
  /** Threads of all processors. */
  readonly threadCount: number;
  /** Memory. */
  readonly memoryBytes: number;
  /** Disks. */
  readonly diskCount: number;
  /** Sum of all disks. */
  readonly diskBytes: number;
  /** Network interfaces. */
  readonly nicCount: number;
  /** Graphics processors. */
  readonly gpuCount: number;
  /** Of the system firmware. */
  readonly biosVersion: string;
  /** When the record was made. */
  readonly createdAt: number | null;
  /** When it last changed. */
  readonly updatedAt: number | null;
  readonly nics: readonly Nic[];
  /** The last report. */
  readonly hardware?: Readonly<Record<string, unknown>> | undefined;
};
export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** Stable; docs/errors.md lists every one. */
  readonly code: string;
  readonly detail?: string | undefined;
  /** JSON pointer to the part that failed. */
  readonly path?: string | undefined;
  readonly requestId: string;
};
export type Event = {
  readonly id: number;
  /** Milliseconds since 1970, UTC */
  readonly at: number;
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly mac?: string | undefined;
  readonly boot?: string | undefined;
  readonly hardwarename?: string | undefined;
};
export type PastMoment = {
  /** The NIC that it booted from then */
  readonly mac: string;
  /** Whose NIC that is now */
  readonly hardwarename: string | null;
  /** Milliseconds since 1970, UTC */
  readonly at: number;
  /** Of the machine, then; `unknown` before it was registered */
  readonly state: string;
  readonly boot: {
    readonly id: string;
    /** Milliseconds since 1970, UTC */
    readonly startedAt: number;
    readonly arch: string;
  } | null;
  readonly answers: readonly {
    /** Milliseconds since 1970, UTC */
    readonly at: number;
    readonly what: string;
    readonly detail: string;
  }[];
};
export type FleetDiff = {
  readonly differences: readonly {
    readonly machine: string;
    readonly mac: string;
    readonly what: string;
    readonly before: string;
    readonly after: string;
  }[];
  /** Leases that another segment, or none, would look after */
  readonly leases: readonly {
    readonly machine: string;
    readonly mac: string;
    readonly what: string;
    readonly before: string;
    readonly after: string;
  }[];
  readonly zones: readonly {
    readonly zone: string;
    readonly removed: readonly string[];
    readonly added: readonly string[];
  }[];
  /** Why the new zones would be refused */
  readonly faults: readonly string[];
  /** Machines asked about: fewer than `machines` when the time was over */
  readonly asked: number;
  readonly machines: number;
  /** Of all that changes, also where the lists are cut */
  readonly counts: {
    readonly answers: number;
    readonly machines: number;
    readonly leases: number;
    readonly records: number;
  };
};
export type MachineBmc = {
  readonly hardwarename: string;
  readonly address: string;
  readonly mac: string;
  readonly vendor: string;
  readonly firmware: string;
  /** The machine's own; '' for the site's */
  readonly credential: string;
  /** What it answered last; '' before that */
  readonly protocol: 'ipmi' | 'redfish' | '';
  /** Name of the credential that opened it last */
  readonly openedWith: string;
  /** SHA-256 of its pinned certificate */
  readonly certificate: string;
  /** Milliseconds since 1970, UTC; 0: never */
  readonly openedAt: number;
  /** Since when it cannot be opened; 0: it can */
  readonly failedAt: number;
  readonly code: string;
  readonly detail: string;
  /** The site's logins may be sent to its certificate */
  readonly trusted: boolean;
  /** Logins that it has refused, which are not tried again by themselves */
  readonly refused: readonly {
    readonly credential: string;
    readonly code: string;
    /** Milliseconds since 1970, UTC; 0: never */
    readonly at: number;
  }[];
  /** What the machine reports of its BMC from inside */
  readonly claim?:
    | {
        readonly address: string;
        readonly mac: string;
        /** Milliseconds since 1970, UTC; 0: never */
        readonly at: number;
        readonly state: 'open' | 'proven' | 'unproven' | 'confirmed';
        /** Why it is not proven */
        readonly why: string;
        /** When it is tried again; 0: not by itself */
        readonly lookNext: number;
      }
    | undefined;
};
export type BmcPower = {
  readonly on: boolean;
  readonly protocol: 'ipmi' | 'redfish';
};
export type BmcSensors = {
  readonly protocol: 'ipmi' | 'redfish';
  readonly sensors: readonly {
    readonly name: string;
    readonly type: string;
    readonly health: 'ok' | 'warning' | 'critical' | 'failed' | 'none';
    readonly value?: number | undefined;
    readonly unit?: string | undefined;
    readonly states: readonly string[];
    /** Where it becomes a warning, critical or failed; those that it has */
    readonly thresholds?:
      | {
          readonly lowerFailed?: number | undefined;
          readonly lowerCritical?: number | undefined;
          readonly lowerWarning?: number | undefined;
          readonly upperWarning?: number | undefined;
          readonly upperCritical?: number | undefined;
          readonly upperFailed?: number | undefined;
        }
      | undefined;
  }[];
};
export type BmcLog = {
  readonly protocol: 'ipmi' | 'redfish';
  readonly entries: readonly {
    readonly id: string;
    /** Since 1970; absent when its clock was not set */
    readonly seconds?: number | undefined;
    readonly text: string;
  }[];
};
export type BmcFru = {
  readonly protocol: 'ipmi' | 'redfish';
  readonly manufacturer: string;
  readonly product: string;
  readonly serial: string;
  readonly assetTag: string;
  /** Every spelling that SMBIOS may have */
  readonly uuids: readonly string[];
  readonly bmcFirmware: string;
  readonly biosVersion: string;
  /** Of the machine's NICs, where it knows them */
  readonly macs: readonly string[];
  readonly bmcMac: string;
};
export type Bmc = {
  /** Its MAC, else its address */
  readonly id: string;
  readonly mac: string;
  readonly address: string;
  /** Who told of it first */
  readonly source: 'dhcp' | 'report' | 'record';
  readonly vendorClass: string;
  readonly hostname: string;
  /** Milliseconds since 1970, UTC; 0: never */
  readonly firstAt: number;
  /** Milliseconds since 1970, UTC; 0: never */
  readonly lastAt: number;
  /** '' for one that matches no machine */
  readonly hardwarename: string;
  /** mac, uuid, serial, nic, address or person */
  readonly matchedBy: string;
  /** Why it matches none */
  readonly why: string;
  readonly protocol: 'ipmi' | 'redfish' | '';
  /** Name of the credential that opened it last */
  readonly openedWith: string;
  readonly certificate: string;
  /** Of the last failure */
  readonly code: string;
  readonly detail: string;
  readonly manufacturer: string;
  readonly product: string;
  readonly serial: string;
  readonly uuids: readonly string[];
  readonly firmware: string;
  readonly power: 'on' | 'off' | '';
  /** Milliseconds since 1970, UTC; 0: never */
  readonly lookedAt: number;
  /** When it is looked at again; 0: not by itself */
  readonly lookNext: number;
  /** wanted: a person may have its machine switched on; asked: it is to be */
  readonly wake: '' | 'wanted' | 'asked' | 'done';
  readonly wakes: number;
  /** Milliseconds since 1970, UTC; 0: never */
  readonly wakeAt: number;
  /** The site's logins may be sent to its certificate */
  readonly trusted: boolean;
  /** Logins that it has refused, which are not tried again by themselves */
  readonly refused: readonly {
    readonly credential: string;
    readonly code: string;
    /** Milliseconds since 1970, UTC; 0: never */
    readonly at: number;
  }[];
};
export type ItemResult = {
  readonly hardwarename: string;
  readonly ok: boolean;
  readonly version?: number | undefined;
  readonly code?: string | undefined;
  readonly detail?: string | undefined;
  /** A JSON pointer to what is wrong with it */
  readonly path?: string | undefined;
  /** Of an import: which row of the sheet, from 1 */
  readonly row?: number | undefined;
  /** Of an import: the column that is wrong */
  readonly column?: string | undefined;
};
export type Certificate = {
  readonly id: string;
  readonly hardwarename: string;
  readonly job: string;
  /** Milliseconds since 1970, UTC */
  readonly issuedAt: number;
  readonly result: 'sanitized' | 'failed';
  /** The lowest of any disk; empty: one reached none */
  readonly level: '' | 'clear' | 'purge';
  readonly disks: number;
  /** What is signed, byte for byte; JSON */
  readonly text: string;
  /** Ed25519 over the text, base64 */
  readonly signature: string;
};
export type Delivery = {
  readonly name: string;
  readonly version: number;
  readonly supplier: string;
  readonly expectedOn: string;
  readonly notes: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Lines by what has become of them */
  readonly counts: Readonly<Record<string, number>>;
};
export type DnsFault = {
  readonly code: string;
  readonly name: string;
  readonly why: string;
};
export type DnsStatus = {
  /** The one that is served */
  readonly generation: number;
  /** The one that a person holds */
  readonly held: number | null;
  /** What speaks against the next one */
  readonly faults: readonly DnsFault[];
  readonly zones: readonly {
    readonly name: string;
    readonly serial: number;
    readonly records: number;
  }[];
  /** Threads that answer over UDP; none where the main thread does */
  readonly udp: {
    readonly threads: number;
    readonly running: number;
    /** Threads started in place of one that had ended */
    readonly restarts: number;
    /** Addresses at which nobody answers now */
    readonly silent: readonly string[];
  };
};
export type DnsGeneration = {
  readonly id: number;
  readonly at: number;
  readonly cause: string;
  readonly status: 'served' | 'refused';
  readonly faults: readonly DnsFault[];
  readonly added: number;
  readonly removed: number;
};
export type DnsRecord = {
  /** Relative to the site, or with a final dot */
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  /** As a zone file has it */
  readonly data: string;
  readonly note: string;
  readonly id: string;
};
export type DnsExplained = {
  readonly question: string;
  readonly zone: string | null;
  readonly serial: number | null;
  readonly rcode: string;
  readonly authoritative: boolean;
  readonly answers: readonly {
    readonly name: string;
    readonly type: string;
    readonly ttl: number;
    readonly data: string;
  }[];
  readonly origins: readonly {
    readonly name: string;
    readonly owners: readonly string[];
    readonly records: readonly string[];
  }[];
};
export type DnsKeys = {
  readonly keys: readonly {
    readonly tag: number;
    readonly role: 'zsk' | 'ksk';
    readonly state: 'published' | 'active' | 'retired' | 'removed';
    /** Seconds since 1970 */
    readonly readyAt: number;
    /** Seconds since 1970 */
    readonly publishedAt: number;
    readonly activeAt: number | null;
    readonly retiredAt: number | null;
    readonly removedAt: number | null;
    readonly dnskey: string;
  }[];
};
export type DnsDelegation = {
  readonly ds: readonly {
    readonly tag: number;
    readonly data: string;
    /** Seconds since 1970 */
    readonly notBefore: number;
    /** The parent shall have this one */
    readonly wanted: boolean;
  }[];
};
export type Diagnosis = {
  readonly id: number;
  /** Empty: it was switched on, and no boot came of it */
  readonly boot: string;
  readonly mac: string;
  readonly hardwarename: string;
  /** A row of docs/diagnoses.md */
  readonly name: string;
  readonly title: string;
  readonly confidence: string;
  /** How far the boot got */
  readonly place: string;
  readonly evidence: readonly string[];
  readonly says: string;
  readonly next: string;
  /** What looks like it, and how it differs */
  readonly not: Readonly<Record<string, string>>;
  /** Others that fit */
  readonly also: readonly string[];
  /** Milliseconds since 1970, UTC */
  readonly at: number;
  /** When the machine went on after all */
  readonly endedAt: number | null;
  readonly site: string;
  readonly rack: string;
  readonly switch: string;
  readonly port: string;
  readonly model: string;
};
export type Quirk = {
  readonly scope: 'machine' | 'model';
  /** A MAC, or vendor / product / firmware */
  readonly subject: string;
  readonly trait: 'binary' | 'blksize' | 'local-boot' | 'override';
  readonly value: string;
  readonly outcome: string;
  /** learned, or who wrote it */
  readonly source: string;
  readonly why: string;
  readonly times: number;
  /** Milliseconds since 1970, UTC */
  readonly at: number;
};
export type Explained = {
  /** Empty: no machine on record has this NIC */
  readonly hardwarename: string;
  /** The NIC that was asked for */
  readonly mac: string;
  readonly state:
    | 'available'
    | 'installing'
    | 'in-use'
    | 'recycling'
    | 'broken'
    | 'held'
    | 'retired'
    | 'unknown';
  readonly stateWhy: string;
  readonly stages: readonly {
    readonly segment: string;
    /** The kind of client: firmware, iPXE, an operating system */
    readonly client: string;
    /** `offer`, or why there is none */
    readonly outcome: string;
    readonly address: string;
    readonly bootFile: string;
    readonly terms: string;
    readonly why: string;
  }[];
};
export type FleetLine = {
  /** none: it has joined no fleet; closed: it is dialled again and again */
  readonly line: 'none' | 'open' | 'closed' | 'refused';
  /** What this appliance is to the fleet; '' for none, as below */
  readonly site: string;
  /** Where it dials */
  readonly central: string;
  /** Since when the line is so */
  readonly since: number;
  /** When central was last heard; 0: not since the start */
  readonly heardAt: number;
  /** Events that central has not said to have kept, where that is known */
  readonly behind: number | null;
  /** Of a refusal, as CERTIFICATE_UNKNOWN */
  readonly code: string;
  /** What was said of a line that is not open */
  readonly why: string;
  /** Renewed each month, while the line is open */
  readonly certificateEndsAt: number;
};
export type FleetMachine = {
  readonly hardwarename: string;
  readonly serial: string;
  readonly manufacturer: string;
  readonly product: string;
  readonly hardwareType: string;
  readonly state:
    | 'available'
    | 'installing'
    | 'in-use'
    | 'recycling'
    | 'broken'
    | 'held'
    | 'retired';
  readonly stateWhy: string;
  readonly stateNext: string;
  readonly stateAt: number;
  readonly overdue: boolean;
  readonly reported: boolean;
  readonly conflictWith: string;
  readonly hostname: string;
  readonly role: string;
  readonly squad: string;
  readonly hall: string;
  readonly row: string;
  readonly rack: string;
  readonly unit: number;
  readonly height: number;
  readonly orderNumber: string;
  readonly bootMac: string;
  readonly bmcAddress: string;
  readonly createdAt: number;
};
export type Image = {
  readonly name: string;
  readonly version: string;
  readonly kind: 'raw' | 'tarball' | 'installer';
  readonly description: string;
  readonly format: 'preseed' | 'kickstart' | 'autoinstall' | 'ignition' | null;
  readonly kernelArguments: string;
  readonly files: readonly {
    readonly role: 'disk' | 'root' | 'kernel' | 'initrd' | 'template';
    /** Of the bytes as they are kept and served */
    readonly sha256: string;
    readonly sizeBytes: number;
    readonly compression: 'zstd' | 'gzip' | 'none';
    /** Of what comes out of the decompressor */
    readonly contentSha256: string;
    readonly contentBytes: number;
  }[];
  readonly channels: readonly string[];
  /** The key that signed it; empty without a signature */
  readonly signedBy: string;
  /** Why nothing can be installed from it; empty when it is sound */
  readonly damaged: string;
  /** Milliseconds since 1970, UTC */
  readonly createdAt: number;
  readonly createdBy: string;
};
export type ImageChannel = {
  readonly name: string;
  readonly channel: string;
  readonly version: string;
  /** Milliseconds since 1970, UTC */
  readonly movedAt: number;
};
export type ImageUpload = {
  readonly id: string;
  /** Empty when it is sent to us; else where it is imported from */
  readonly source: string;
  readonly state: 'receiving' | 'checking' | 'stored' | 'failed';
  /** What it must be, and in the end what it is */
  readonly sha256: string;
  /** 0 while it is not known */
  readonly sizeBytes: number;
  /** On disk: where to go on */
  readonly offsetBytes: number;
  readonly receivedBytes: number;
  readonly checkedBytes: number;
  readonly code: string;
  readonly detail: string;
  readonly who: string;
  /** Milliseconds since 1970, UTC */
  readonly createdAt: number;
  /** Milliseconds since 1970, UTC */
  readonly updatedAt: number;
};
export type ImageStore = {
  readonly files: number;
  readonly sizeBytes: number;
  readonly unusedFiles: number;
  readonly unusedBytes: number;
  readonly damagedFiles: number;
  readonly freeBytes: number;
  /** Names of the keys that signatures are checked with */
  readonly keys: readonly string[];
  readonly requireSignature: boolean;
};
export type ImageStream = {
  readonly job: string;
  readonly hardwarename: string;
  readonly squad: string;
  /** The address of the appliance in that provisioning network */
  readonly uplink: string;
  /** kept: its connection broke just now */
  readonly state: 'sending' | 'kept' | 'waiting';
  /** In the queue; 0 when it is being sent */
  readonly position: number;
  /** When it last asked */
  readonly leftBytes: number;
  /** What it may take; 0 for no bound */
  readonly bytesPerSecond: number;
  /** When it will have everything, about: by its own word, else by what the uplink carries and who is before it; null when that is not known */
  readonly endsAt: number | null;
};
export type Job = {
  readonly id: string;
  readonly action: string;
  /** hardwarename=C0MPUT3 */
  readonly target: string;
  readonly status: 'queued' | 'running' | 'finished' | 'failed' | 'cancelled';
  /** What its steps said; null when nothing, or when it has not finished */
  readonly result: unknown;
  readonly params: Readonly<Record<string, unknown>>;
  readonly requester: string;
  readonly user: string;
  /** UTC, as 2015-07-31 17:36:31 */
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  /** Of its kind */
  readonly version: number;
  readonly priority: number;
  /** The newest that has begun */
  readonly step: string;
  readonly retries: number;
  /** Why it failed (docs/errors.md); empty when it did not */
  readonly code: string;
  readonly detail: string;
  /** Of one that has not ended, with include=progress */
  readonly progress?:
    | {
        readonly done: number;
        readonly steps: number;
        readonly waiting_for: string;
        readonly remaining_seconds: number | null;
        readonly cancelling: boolean;
      }
    | undefined;
};
export type BurnIn = {
  readonly job: string;
  /** When it ended */
  readonly at: number;
  readonly status: 'finished' | 'failed';
  /** What is wrong (docs/errors.md); empty when nothing was found */
  readonly code: string;
  readonly detail: string;
  /** What the agent measured; empty when it failed */
  readonly measured: Readonly<Record<string, string | number | boolean>>;
};
export type JobDetail = {
  readonly job: Job;
  readonly phase: string;
  readonly steps: readonly {
    readonly name: string;
    readonly status: string;
    readonly attempts: number;
    readonly started_at: string | null;
    readonly ended_at: string | null;
  }[];
  /** What keeps it from going on; empty when nothing does */
  readonly waiting_for: string;
  readonly waiting_until: string | null;
  readonly cancelling: boolean;
  /** From history, and from how fast the machine is now; null when neither says */
  readonly remaining_seconds: number | null;
  /** Nothing like a part of it was done here yet */
  readonly remaining_is_guess: boolean;
  readonly log: readonly {
    readonly seq: number;
    /** UTC, as 2015-07-31 17:36:31 */
    readonly at: string;
    readonly entry: Readonly<Record<string, unknown>>;
  }[];
};
export type JobStats = {
  /** Each figure is of the newest entries of its group, none older than so many days */
  readonly window: {
    readonly days: number;
    readonly newest: number;
  };
  readonly kinds: readonly {
    readonly action: string;
    /** Empty: all of them */
    readonly hardwareType: string;
    readonly finished: number;
    readonly failed: number;
    readonly cancelled: number;
    readonly successRate: number;
    readonly duration: {
      readonly count: number;
      readonly p50Ms: number;
      readonly p90Ms: number;
      readonly p99Ms: number;
    };
  }[];
  readonly steps: readonly {
    readonly action: string;
    readonly hardwareType: string;
    readonly step: string;
    readonly duration: {
      readonly count: number;
      readonly p50Ms: number;
      readonly p90Ms: number;
      readonly p99Ms: number;
    };
  }[];
  readonly failures: readonly {
    readonly code: string;
    readonly jobs: number;
  }[];
  readonly worstBmcs: readonly {
    readonly bmc: string;
    readonly target: string;
    readonly jobs: number;
    readonly failed: number;
    readonly retries: number;
    readonly code: string;
  }[];
};
export type JobQueue = {
  readonly paused: boolean;
  readonly paused_at: string | null;
  readonly who: string;
  readonly why: string;
  /** Jobs by status */
  readonly counts: Readonly<Record<string, number>>;
};
export type Pool = {
  readonly name: string;
  readonly version: number;
  readonly role: string;
  readonly site: string;
  readonly squad: string;
  readonly image: string;
  readonly hardware: string;
  readonly count: number;
  readonly healthy: number;
  readonly members: number;
  /** What keeps it from its size; empty when nothing does */
  readonly why: string;
  readonly who: string;
  /** Milliseconds since 1970, UTC */
  readonly updatedAt: number;
};
export type PoolDetail = {
  readonly pool: Pool;
  readonly members: readonly {
    readonly hardwarename: string;
    readonly hostname: string;
    readonly rack: string;
    /** Milliseconds since 1970, UTC */
    readonly joinedAt: number;
    readonly unhealthyAt: number | null;
    /** It has failed, and a breaker keeps it from being replaced */
    readonly held: boolean;
    readonly why: string;
  }[];
  /** Open requests for it */
  readonly requests: readonly string[];
};
export type Reset = {
  readonly id: number;
  /** Empty: all pools of the site */
  readonly pool: string;
  readonly site: string;
  readonly status: 'running' | 'paused' | 'finished' | 'stopped' | 'aborted';
  readonly why: string;
  readonly who: string;
  readonly atOnceMax: number;
  /** Milliseconds since 1970, UTC */
  readonly startedAt: number;
  /** Milliseconds since 1970, UTC */
  readonly deadlineAt: number;
  readonly endedAt: number | null;
  readonly machines: readonly {
    readonly hardwarename: string;
    readonly pool: string;
    readonly status: string;
    readonly job: string;
    readonly code: string;
  }[];
};
export type ProvisioningRequest = {
  readonly id: string;
  /** The pool that asked; empty when people did */
  readonly pool: string;
  readonly role: string;
  readonly site: string;
  readonly squad: string;
  readonly owner: string;
  readonly requester: string;
  readonly priority: number;
  readonly image: string;
  /** In words */
  readonly hardware: string;
  readonly status: 'working' | 'waiting' | 'cancelling' | 'fulfilled' | 'cancelled';
  /** To bring in all: fewer than asked for once its pool shrank */
  readonly count: number;
  readonly done: number;
  /** Machines that failed and were replaced */
  readonly failed: number;
  /** What it waits for; empty when nothing */
  readonly why: string;
  /** Milliseconds since 1970, UTC */
  readonly createdAt: number;
  readonly endedAt: number | null;
};
export type ProvisioningRequestDetail = {
  readonly request: ProvisioningRequest;
  /** As it was asked for */
  readonly asked: Readonly<Record<string, unknown>>;
  readonly places: readonly {
    readonly place: number;
    readonly status: 'open' | 'claimed' | 'done';
    readonly hostname: string;
    readonly machine: string;
    readonly rack: string;
    /** Why this machine */
    readonly why: string;
    /** Machines that had this place */
    readonly tries: number;
    readonly job: string;
    readonly step: string;
    readonly waitingFor: string;
    readonly sinceAt: number | null;
    /** By what others took; null when not known */
    readonly remainingMs: number | null;
  }[];
  readonly remainingMs: number | null;
  readonly log: readonly {
    readonly seq: number;
    /** Milliseconds since 1970, UTC */
    readonly at: number;
    readonly entry: Readonly<Record<string, unknown>>;
  }[];
};
export type ProvisioningPlan = {
  readonly chosen: readonly {
    readonly hardwarename: string;
    readonly rack: string;
    readonly why: string;
  }[];
  readonly rejected: readonly {
    readonly why: string;
    readonly count: number;
    readonly examples: readonly string[];
  }[];
  readonly fitting: number;
  readonly missing: number;
  readonly shortOf: string;
  readonly asked: Readonly<Record<string, unknown>>;
};
export type Breaker = {
  readonly id: number;
  /** `install`, or `work`: machines of pools */
  readonly source: string;
  readonly factor: string;
  readonly value: string;
  readonly failed: number;
  readonly tried: number;
  readonly failedOthers: number;
  readonly triedOthers: number;
  readonly also: readonly {
    readonly factor: string;
    readonly value: string;
  }[];
  /** Milliseconds since 1970, UTC */
  readonly openedAt: number;
  readonly closedAt: number | null;
  readonly who: string;
  readonly why: string;
};
export type ServedSegments = {
  readonly segments: readonly {
    readonly name: string;
    /** Who says so: the configuration, a subnet over it, or a subnet alone */
    readonly origin: 'file' | 'file and subnet' | 'subnet';
    readonly kind: string;
    readonly mode: string;
    /** null: reached through relays */
    readonly iface: string | null;
    readonly cidr: string;
    /** The address of the appliance that clients are told */
    readonly server: string;
    readonly pools: readonly {
      readonly first: string;
      readonly last: string;
    }[];
    /** In the pools */
    readonly addresses: number;
    readonly routers: readonly string[];
    readonly dns: readonly string[];
    readonly domain: string;
  }[];
  /** Subnets on record that contradict the configuration: the configuration holds */
  readonly refused: readonly {
    readonly subnet: string;
    readonly path: string;
    readonly why: string;
  }[];
};
export type PairStatus = {
  readonly member: 'a' | 'b';
  /** apart: serves from its copy without changing anything */
  readonly mode: 'active' | 'following' | 'apart' | 'waiting';
  /** Goes up each time that one of the two becomes active */
  readonly epoch: number;
  readonly partner: {
    readonly address: string;
    readonly inTouch: boolean;
    /** It has everything that was promised here */
    readonly current: boolean;
    /** Changes that it does not have */
    readonly behind: number;
    /** When the two were last in touch; 0: never */
    readonly touchAt: number;
    /** By how much the clock here is ahead of its */
    readonly clockAheadMs: number;
    /** Of its program; '' while it is not known */
    readonly version: string;
  };
  /** The one of the two that follows */
  readonly standby: {
    /** It has everything, and may take over */
    readonly current: boolean;
    /** How old what it has is, where that is known */
    readonly behindMs: number | null;
    /** Files of images that it does not have yet */
    readonly images: {
      readonly missing: number;
      readonly bytes: number;
    };
  };
  /** How often this one has become active since its start */
  readonly takeOvers: number;
  readonly version: string;
  /** Which addresses DHCP may give: all, those of its own half, none that are new, nothing at all */
  readonly addresses: 'whole' | 'half' | 'read-only' | 'none';
  /** Why what it has to note cannot be written (the disk is full); '': nothing waits */
  readonly unwritten: string;
  /** From when on all of them, where that is known */
  readonly wholeFrom: number | null;
  readonly witness: 'none' | 'heard' | 'silent';
  /** Why this one is, or was last, active */
  readonly why: string;
};
export type Webhook = {
  readonly id: string;
  readonly url: string;
  readonly squad: string;
  readonly names: readonly string[];
  readonly enabled: boolean;
  /** The last event that it was told of */
  readonly cursor: number;
  readonly attempts: number;
  readonly nextAt: number | null;
  /** Since when nothing has got through */
  readonly failingSince: number | null;
  readonly lastError: string;
  readonly lastSentAt: number | null;
  readonly createdBy: string;
  readonly createdAt: number;
};

/** By method and path below /api/v1. */
export interface Operations {
  /** This description. */
  'GET /openapi.json': {
    path: object;
    query: object;
    body: undefined;
    answer: Readonly<Record<string, unknown>>;
  };
  /** A page of machines: filters and sorting on every field. */
  'GET /machines': {
    path: object;
    query: {
      readonly hardwarename?: string | undefined;
      readonly 'hardwarename.not'?: string | undefined;
      readonly 'hardwarename.like'?: string | undefined;
      readonly version?: string | undefined;
      readonly 'version.not'?: string | undefined;
      readonly 'version.gte'?: string | undefined;
      readonly 'version.lte'?: string | undefined;
      readonly serial?: string | undefined;
      readonly 'serial.not'?: string | undefined;
      readonly 'serial.like'?: string | undefined;
      readonly uuid?: string | undefined;
      readonly 'uuid.not'?: string | undefined;
      readonly 'uuid.like'?: string | undefined;
      readonly manufacturer?: string | undefined;
      readonly 'manufacturer.not'?: string | undefined;
      readonly 'manufacturer.like'?: string | undefined;
      readonly product?: string | undefined;
      readonly 'product.not'?: string | undefined;
      readonly 'product.like'?: string | undefined;
      readonly reported?: string | undefined;
      readonly state?: string | undefined;
      readonly 'state.not'?: string | undefined;
      readonly 'state.like'?: string | undefined;
      readonly stateWhy?: string | undefined;
      readonly 'stateWhy.not'?: string | undefined;
      readonly 'stateWhy.like'?: string | undefined;
      readonly stateBy?: string | undefined;
      readonly 'stateBy.not'?: string | undefined;
      readonly 'stateBy.like'?: string | undefined;
      readonly 'stateAt.gte'?: string | undefined;
      readonly 'stateAt.lte'?: string | undefined;
      readonly stateNext?: string | undefined;
      readonly 'stateNext.not'?: string | undefined;
      readonly 'stateNext.like'?: string | undefined;
      readonly 'stateDeadlineAt.gte'?: string | undefined;
      readonly 'stateDeadlineAt.lte'?: string | undefined;
      readonly overdue?: string | undefined;
      readonly conflictWith?: string | undefined;
      readonly 'conflictWith.not'?: string | undefined;
      readonly 'conflictWith.like'?: string | undefined;
      readonly bootMac?: string | undefined;
      readonly 'bootMac.not'?: string | undefined;
      readonly 'bootMac.like'?: string | undefined;
      readonly hostname?: string | undefined;
      readonly 'hostname.not'?: string | undefined;
      readonly 'hostname.like'?: string | undefined;
      readonly role?: string | undefined;
      readonly 'role.not'?: string | undefined;
      readonly 'role.like'?: string | undefined;
      readonly squad?: string | undefined;
      readonly 'squad.not'?: string | undefined;
      readonly 'squad.like'?: string | undefined;
      readonly owner?: string | undefined;
      readonly 'owner.not'?: string | undefined;
      readonly 'owner.like'?: string | undefined;
      readonly tags?: string | undefined;
      readonly notes?: string | undefined;
      readonly 'notes.not'?: string | undefined;
      readonly 'notes.like'?: string | undefined;
      readonly custom?: string | undefined;
      readonly protected?: string | undefined;
      readonly mayHoldData?: string | undefined;
      readonly site?: string | undefined;
      readonly 'site.not'?: string | undefined;
      readonly 'site.like'?: string | undefined;
      readonly hall?: string | undefined;
      readonly 'hall.not'?: string | undefined;
      readonly 'hall.like'?: string | undefined;
      readonly row?: string | undefined;
      readonly 'row.not'?: string | undefined;
      readonly 'row.like'?: string | undefined;
      readonly rack?: string | undefined;
      readonly 'rack.not'?: string | undefined;
      readonly 'rack.like'?: string | undefined;
      readonly unit?: string | undefined;
      readonly 'unit.not'?: string | undefined;
      readonly 'unit.gte'?: string | undefined;
      readonly 'unit.lte'?: string | undefined;
      readonly height?: string | undefined;
      readonly 'height.not'?: string | undefined;
      readonly 'height.gte'?: string | undefined;
      readonly 'height.lte'?: string | undefined;
      readonly locatedBy?: string | undefined;
      readonly 'locatedBy.not'?: string | undefined;
      readonly 'locatedBy.like'?: string | undefined;
      readonly hardwareType?: string | undefined;
      readonly 'hardwareType.not'?: string | undefined;
      readonly 'hardwareType.like'?: string | undefined;
      readonly typeMismatch?: string | undefined;
      readonly 'typeMismatch.not'?: string | undefined;
      readonly 'typeMismatch.like'?: string | undefined;
      readonly purchasedAt?: string | undefined;
      readonly 'purchasedAt.not'?: string | undefined;
      readonly 'purchasedAt.gte'?: string | undefined;
      readonly 'purchasedAt.lte'?: string | undefined;
      readonly warrantyUntil?: string | undefined;
      readonly 'warrantyUntil.not'?: string | undefined;
      readonly 'warrantyUntil.gte'?: string | undefined;
      readonly 'warrantyUntil.lte'?: string | undefined;
      readonly supplier?: string | undefined;
      readonly 'supplier.not'?: string | undefined;
      readonly 'supplier.like'?: string | undefined;
      readonly orderNumber?: string | undefined;
      readonly 'orderNumber.not'?: string | undefined;
      readonly 'orderNumber.like'?: string | undefined;
      readonly ipv6?: string | undefined;
      readonly bmcAddress?: string | undefined;
      readonly 'bmcAddress.not'?: string | undefined;
      readonly 'bmcAddress.like'?: string | undefined;
      readonly bmcMac?: string | undefined;
      readonly 'bmcMac.not'?: string | undefined;
      readonly 'bmcMac.like'?: string | undefined;
      readonly bmcVendor?: string | undefined;
      readonly 'bmcVendor.not'?: string | undefined;
      readonly 'bmcVendor.like'?: string | undefined;
      readonly bmcFirmware?: string | undefined;
      readonly 'bmcFirmware.not'?: string | undefined;
      readonly 'bmcFirmware.like'?: string | undefined;
      readonly bmcCredential?: string | undefined;
      readonly 'bmcCredential.not'?: string | undefined;
      readonly 'bmcCredential.like'?: string | undefined;
      readonly cpuModel?: string | undefined;
      readonly 'cpuModel.not'?: string | undefined;
      readonly 'cpuModel.like'?: string | undefined;
      readonly cpuCount?: string | undefined;
      readonly 'cpuCount.not'?: string | undefined;
      readonly 'cpuCount.gte'?: string | undefined;
      readonly 'cpuCount.lte'?: string | undefined;
      readonly coreCount?: string | undefined;
      readonly 'coreCount.not'?: string | undefined;
      readonly 'coreCount.gte'?: string | undefined;
      readonly 'coreCount.lte'?: string | undefined;
      readonly threadCount?: string | undefined;
      readonly 'threadCount.not'?: string | undefined;
      readonly 'threadCount.gte'?: string | undefined;
      readonly 'threadCount.lte'?: string | undefined;
      readonly memoryBytes?: string | undefined;
      readonly 'memoryBytes.not'?: string | undefined;
      readonly 'memoryBytes.gte'?: string | undefined;
      readonly 'memoryBytes.lte'?: string | undefined;
      readonly diskCount?: string | undefined;
      readonly 'diskCount.not'?: string | undefined;
      readonly 'diskCount.gte'?: string | undefined;
      readonly 'diskCount.lte'?: string | undefined;
      readonly diskBytes?: string | undefined;
      readonly 'diskBytes.not'?: string | undefined;
      readonly 'diskBytes.gte'?: string | undefined;
      readonly 'diskBytes.lte'?: string | undefined;
      readonly nicCount?: string | undefined;
      readonly 'nicCount.not'?: string | undefined;
      readonly 'nicCount.gte'?: string | undefined;
      readonly 'nicCount.lte'?: string | undefined;
      readonly gpuCount?: string | undefined;
      readonly 'gpuCount.not'?: string | undefined;
      readonly 'gpuCount.gte'?: string | undefined;
      readonly 'gpuCount.lte'?: string | undefined;
      readonly biosVersion?: string | undefined;
      readonly 'biosVersion.not'?: string | undefined;
      readonly 'biosVersion.like'?: string | undefined;
      readonly 'createdAt.gte'?: string | undefined;
      readonly 'createdAt.lte'?: string | undefined;
      readonly 'updatedAt.gte'?: string | undefined;
      readonly 'updatedAt.lte'?: string | undefined;
      readonly 'nic.mac'?: string | undefined;
      readonly 'nic.switch'?: string | undefined;
      readonly 'nic.switch.like'?: string | undefined;
      readonly 'nic.port'?: string | undefined;
      readonly 'nic.port.like'?: string | undefined;
      readonly 'nic.address'?: string | undefined;
      readonly 'nic.subnet'?: string | undefined;
      readonly 'disk.model'?: string | undefined;
      readonly 'disk.model.like'?: string | undefined;
      readonly 'disk.serial'?: string | undefined;
      readonly 'disk.serial.like'?: string | undefined;
      readonly 'disk.firmware'?: string | undefined;
      readonly 'disk.firmware.like'?: string | undefined;
      readonly 'disk.interface'?: string | undefined;
      readonly 'disk.interface.like'?: string | undefined;
      readonly 'memory.part'?: string | undefined;
      readonly 'memory.part.like'?: string | undefined;
      readonly 'memory.serial'?: string | undefined;
      readonly 'memory.serial.like'?: string | undefined;
      readonly 'memory.manufacturer'?: string | undefined;
      readonly 'memory.manufacturer.like'?: string | undefined;
      readonly 'cpu.model'?: string | undefined;
      readonly 'cpu.model.like'?: string | undefined;
      readonly 'pci.name'?: string | undefined;
      readonly 'pci.name.like'?: string | undefined;
      readonly 'pci.vendor'?: string | undefined;
      readonly 'pci.vendor.like'?: string | undefined;
      readonly 'pci.device'?: string | undefined;
      readonly 'pci.device.like'?: string | undefined;
      readonly 'gpu.name'?: string | undefined;
      readonly 'gpu.name.like'?: string | undefined;
      readonly 'adapter.driver'?: string | undefined;
      readonly 'adapter.driver.like'?: string | undefined;
      readonly 'adapter.firmware'?: string | undefined;
      readonly 'adapter.firmware.like'?: string | undefined;
      readonly sort?: string | undefined;
      readonly cursor?: string | undefined;
      readonly include?: 'hardware' | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly machines: readonly Machine[];
      /** Cursor of the next page; absent on the last one */
      readonly next?: string | undefined;
    };
  };
  /** Enter a machine that has not reported: expected, or in service already. */
  'POST /machines': {
    path: object;
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly serial?: string | undefined;
      readonly manufacturer?: string | undefined;
      readonly product?: string | undefined;
      readonly state?: 'held' | 'in-use' | undefined;
      readonly nics?:
        | readonly {
            readonly mac: string;
            readonly name?: string | undefined;
            readonly address?: string | undefined;
            readonly subnet?: string | undefined;
          }[]
        | undefined;
      /** What it is called while it has a role. */
      readonly hostname?: string | '' | undefined;
      /** What it does. */
      readonly role?: string | undefined;
      /** The team that has it; empty: capacity. */
      readonly squad?: string | '' | undefined;
      /** The person to ask. */
      readonly owner?: string | undefined;
      /** Words to find it by. */
      readonly tags?: readonly string[] | undefined;
      /** Anything. */
      readonly notes?: string | undefined;
      /** Fields of a site’s own. */
      readonly custom?: Readonly<Record<string, string>> | undefined;
      /** No change of state until this is lifted. */
      readonly protected?: boolean | undefined;
      /** Datacenter. */
      readonly site?: string | undefined;
      /** Hall or room. */
      readonly hall?: string | undefined;
      /** Row of racks. */
      readonly row?: string | undefined;
      /** Rack. */
      readonly rack?: string | '' | undefined;
      /** Lowest unit that it fills, from 1; 0: not known. */
      readonly unit?: number | undefined;
      /** Units that it fills. */
      readonly height?: number | undefined;
      /** Day of purchase. */
      readonly purchasedAt?: string | '' | undefined;
      /** Last day of warranty. */
      readonly warrantyUntil?: string | '' | undefined;
      /** Who sold it. */
      readonly supplier?: string | undefined;
      /** The order that it came with. */
      readonly orderNumber?: string | undefined;
      /** Static IPv6 addresses, beside those of its NICs. */
      readonly ipv6?: readonly string[] | undefined;
      /** Address of its BMC. */
      readonly bmcAddress?: string | '' | undefined;
      /** MAC of its BMC. */
      readonly bmcMac?: '' | undefined;
      /** Vendor of its BMC. */
      readonly bmcVendor?: string | undefined;
      /** Name of a stored credential. */
      readonly bmcCredential?: string | '' | undefined;
    };
    answer: Machine;
  };
  /** How many machines pass the filters. */
  'GET /machines/count': {
    path: object;
    query: {
      readonly hardwarename?: string | undefined;
      readonly 'hardwarename.not'?: string | undefined;
      readonly 'hardwarename.like'?: string | undefined;
      readonly version?: string | undefined;
      readonly 'version.not'?: string | undefined;
      readonly 'version.gte'?: string | undefined;
      readonly 'version.lte'?: string | undefined;
      readonly serial?: string | undefined;
      readonly 'serial.not'?: string | undefined;
      readonly 'serial.like'?: string | undefined;
      readonly uuid?: string | undefined;
      readonly 'uuid.not'?: string | undefined;
      readonly 'uuid.like'?: string | undefined;
      readonly manufacturer?: string | undefined;
      readonly 'manufacturer.not'?: string | undefined;
      readonly 'manufacturer.like'?: string | undefined;
      readonly product?: string | undefined;
      readonly 'product.not'?: string | undefined;
      readonly 'product.like'?: string | undefined;
      readonly reported?: string | undefined;
      readonly state?: string | undefined;
      readonly 'state.not'?: string | undefined;
      readonly 'state.like'?: string | undefined;
      readonly stateWhy?: string | undefined;
      readonly 'stateWhy.not'?: string | undefined;
      readonly 'stateWhy.like'?: string | undefined;
      readonly stateBy?: string | undefined;
      readonly 'stateBy.not'?: string | undefined;
      readonly 'stateBy.like'?: string | undefined;
      readonly 'stateAt.gte'?: string | undefined;
      readonly 'stateAt.lte'?: string | undefined;
      readonly stateNext?: string | undefined;
      readonly 'stateNext.not'?: string | undefined;
      readonly 'stateNext.like'?: string | undefined;
      readonly 'stateDeadlineAt.gte'?: string | undefined;
      readonly 'stateDeadlineAt.lte'?: string | undefined;
      readonly overdue?: string | undefined;
      readonly conflictWith?: string | undefined;
      readonly 'conflictWith.not'?: string | undefined;
      readonly 'conflictWith.like'?: string | undefined;
      readonly bootMac?: string | undefined;
      readonly 'bootMac.not'?: string | undefined;
      readonly 'bootMac.like'?: string | undefined;
      readonly hostname?: string | undefined;
      readonly 'hostname.not'?: string | undefined;
      readonly 'hostname.like'?: string | undefined;
      readonly role?: string | undefined;
      readonly 'role.not'?: string | undefined;
      readonly 'role.like'?: string | undefined;
      readonly squad?: string | undefined;
      readonly 'squad.not'?: string | undefined;
      readonly 'squad.like'?: string | undefined;
      readonly owner?: string | undefined;
      readonly 'owner.not'?: string | undefined;
      readonly 'owner.like'?: string | undefined;
      readonly tags?: string | undefined;
      readonly notes?: string | undefined;
      readonly 'notes.not'?: string | undefined;
      readonly 'notes.like'?: string | undefined;
      readonly custom?: string | undefined;
      readonly protected?: string | undefined;
      readonly mayHoldData?: string | undefined;
      readonly site?: string | undefined;
      readonly 'site.not'?: string | undefined;
      readonly 'site.like'?: string | undefined;
      readonly hall?: string | undefined;
      readonly 'hall.not'?: string | undefined;
      readonly 'hall.like'?: string | undefined;
      readonly row?: string | undefined;
      readonly 'row.not'?: string | undefined;
      readonly 'row.like'?: string | undefined;
      readonly rack?: string | undefined;
      readonly 'rack.not'?: string | undefined;
      readonly 'rack.like'?: string | undefined;
      readonly unit?: string | undefined;
      readonly 'unit.not'?: string | undefined;
      readonly 'unit.gte'?: string | undefined;
      readonly 'unit.lte'?: string | undefined;
      readonly height?: string | undefined;
      readonly 'height.not'?: string | undefined;
      readonly 'height.gte'?: string | undefined;
      readonly 'height.lte'?: string | undefined;
      readonly locatedBy?: string | undefined;
      readonly 'locatedBy.not'?: string | undefined;
      readonly 'locatedBy.like'?: string | undefined;
      readonly hardwareType?: string | undefined;
      readonly 'hardwareType.not'?: string | undefined;
      readonly 'hardwareType.like'?: string | undefined;
      readonly typeMismatch?: string | undefined;
      readonly 'typeMismatch.not'?: string | undefined;
      readonly 'typeMismatch.like'?: string | undefined;
      readonly purchasedAt?: string | undefined;
      readonly 'purchasedAt.not'?: string | undefined;
      readonly 'purchasedAt.gte'?: string | undefined;
      readonly 'purchasedAt.lte'?: string | undefined;
      readonly warrantyUntil?: string | undefined;
      readonly 'warrantyUntil.not'?: string | undefined;
      readonly 'warrantyUntil.gte'?: string | undefined;
      readonly 'warrantyUntil.lte'?: string | undefined;
      readonly supplier?: string | undefined;
      readonly 'supplier.not'?: string | undefined;
      readonly 'supplier.like'?: string | undefined;
      readonly orderNumber?: string | undefined;
      readonly 'orderNumber.not'?: string | undefined;
      readonly 'orderNumber.like'?: string | undefined;
      readonly ipv6?: string | undefined;
      readonly bmcAddress?: string | undefined;
      readonly 'bmcAddress.not'?: string | undefined;
      readonly 'bmcAddress.like'?: string | undefined;
      readonly bmcMac?: string | undefined;
      readonly 'bmcMac.not'?: string | undefined;
      readonly 'bmcMac.like'?: string | undefined;
      readonly bmcVendor?: string | undefined;
      readonly 'bmcVendor.not'?: string | undefined;
      readonly 'bmcVendor.like'?: string | undefined;
      readonly bmcFirmware?: string | undefined;
      readonly 'bmcFirmware.not'?: string | undefined;
      readonly 'bmcFirmware.like'?: string | undefined;
      readonly bmcCredential?: string | undefined;
      readonly 'bmcCredential.not'?: string | undefined;
      readonly 'bmcCredential.like'?: string | undefined;
      readonly cpuModel?: string | undefined;
      readonly 'cpuModel.not'?: string | undefined;
      readonly 'cpuModel.like'?: string | undefined;
      readonly cpuCount?: string | undefined;
      readonly 'cpuCount.not'?: string | undefined;
      readonly 'cpuCount.gte'?: string | undefined;
      readonly 'cpuCount.lte'?: string | undefined;
      readonly coreCount?: string | undefined;
      readonly 'coreCount.not'?: string | undefined;
      readonly 'coreCount.gte'?: string | undefined;
      readonly 'coreCount.lte'?: string | undefined;
      readonly threadCount?: string | undefined;
      readonly 'threadCount.not'?: string | undefined;
      readonly 'threadCount.gte'?: string | undefined;
      readonly 'threadCount.lte'?: string | undefined;
      readonly memoryBytes?: string | undefined;
      readonly 'memoryBytes.not'?: string | undefined;
      readonly 'memoryBytes.gte'?: string | undefined;
      readonly 'memoryBytes.lte'?: string | undefined;
      readonly diskCount?: string | undefined;
      readonly 'diskCount.not'?: string | undefined;
      readonly 'diskCount.gte'?: string | undefined;
      readonly 'diskCount.lte'?: string | undefined;
      readonly diskBytes?: string | undefined;
      readonly 'diskBytes.not'?: string | undefined;
      readonly 'diskBytes.gte'?: string | undefined;
      readonly 'diskBytes.lte'?: string | undefined;
      readonly nicCount?: string | undefined;
      readonly 'nicCount.not'?: string | undefined;
      readonly 'nicCount.gte'?: string | undefined;
      readonly 'nicCount.lte'?: string | undefined;
      readonly gpuCount?: string | undefined;
      readonly 'gpuCount.not'?: string | undefined;
      readonly 'gpuCount.gte'?: string | undefined;
      readonly 'gpuCount.lte'?: string | undefined;
      readonly biosVersion?: string | undefined;
      readonly 'biosVersion.not'?: string | undefined;
      readonly 'biosVersion.like'?: string | undefined;
      readonly 'createdAt.gte'?: string | undefined;
      readonly 'createdAt.lte'?: string | undefined;
      readonly 'updatedAt.gte'?: string | undefined;
      readonly 'updatedAt.lte'?: string | undefined;
      readonly 'nic.mac'?: string | undefined;
      readonly 'nic.switch'?: string | undefined;
      readonly 'nic.switch.like'?: string | undefined;
      readonly 'nic.port'?: string | undefined;
      readonly 'nic.port.like'?: string | undefined;
      readonly 'nic.address'?: string | undefined;
      readonly 'nic.subnet'?: string | undefined;
      readonly 'disk.model'?: string | undefined;
      readonly 'disk.model.like'?: string | undefined;
      readonly 'disk.serial'?: string | undefined;
      readonly 'disk.serial.like'?: string | undefined;
      readonly 'disk.firmware'?: string | undefined;
      readonly 'disk.firmware.like'?: string | undefined;
      readonly 'disk.interface'?: string | undefined;
      readonly 'disk.interface.like'?: string | undefined;
      readonly 'memory.part'?: string | undefined;
      readonly 'memory.part.like'?: string | undefined;
      readonly 'memory.serial'?: string | undefined;
      readonly 'memory.serial.like'?: string | undefined;
      readonly 'memory.manufacturer'?: string | undefined;
      readonly 'memory.manufacturer.like'?: string | undefined;
      readonly 'cpu.model'?: string | undefined;
      readonly 'cpu.model.like'?: string | undefined;
      readonly 'pci.name'?: string | undefined;
      readonly 'pci.name.like'?: string | undefined;
      readonly 'pci.vendor'?: string | undefined;
      readonly 'pci.vendor.like'?: string | undefined;
      readonly 'pci.device'?: string | undefined;
      readonly 'pci.device.like'?: string | undefined;
      readonly 'gpu.name'?: string | undefined;
      readonly 'gpu.name.like'?: string | undefined;
      readonly 'adapter.driver'?: string | undefined;
      readonly 'adapter.driver.like'?: string | undefined;
      readonly 'adapter.firmware'?: string | undefined;
      readonly 'adapter.firmware.like'?: string | undefined;
    };
    body: undefined;
    answer: {
      readonly count: number;
    };
  };
  /** Machines by what somebody half remembers: a piece of a serial, MAC, name or port. */
  'GET /machines/search': {
    path: object;
    query: {
      readonly q: string;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly hits: readonly {
        /** 3: it is the name; 2: in it; 1: elsewhere; 0: alike */
        readonly rank: number;
        readonly machine: Machine;
      }[];
    };
  };
  /** One machine, with its last report and its newest events; its ETag is its version. */
  'GET /machines/{hardwarename}': {
    path: {
      readonly hardwarename: string;
    };
    query: {
      readonly events?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly machine: Machine;
      readonly events: readonly Event[];
      /** Its newest burn-in; null without one */
      readonly burnIn: BurnIn | null;
    };
  };
  /** Change fields of a machine, at the version that was read (If-Match). */
  'PATCH /machines/{hardwarename}': {
    path: {
      readonly hardwarename: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      /** What it is called while it has a role. */
      readonly hostname?: string | '' | undefined;
      /** What it does. */
      readonly role?: string | undefined;
      /** The team that has it; empty: capacity. */
      readonly squad?: string | '' | undefined;
      /** The person to ask. */
      readonly owner?: string | undefined;
      /** Words to find it by. */
      readonly tags?: readonly string[] | undefined;
      /** Anything. */
      readonly notes?: string | undefined;
      /** Fields of a site’s own. */
      readonly custom?: Readonly<Record<string, string>> | undefined;
      /** No change of state until this is lifted. */
      readonly protected?: boolean | undefined;
      /** Datacenter. */
      readonly site?: string | undefined;
      /** Hall or room. */
      readonly hall?: string | undefined;
      /** Row of racks. */
      readonly row?: string | undefined;
      /** Rack. */
      readonly rack?: string | '' | undefined;
      /** Lowest unit that it fills, from 1; 0: not known. */
      readonly unit?: number | undefined;
      /** Units that it fills. */
      readonly height?: number | undefined;
      /** Day of purchase. */
      readonly purchasedAt?: string | '' | undefined;
      /** Last day of warranty. */
      readonly warrantyUntil?: string | '' | undefined;
      /** Who sold it. */
      readonly supplier?: string | undefined;
      /** The order that it came with. */
      readonly orderNumber?: string | undefined;
      /** Static IPv6 addresses, beside those of its NICs. */
      readonly ipv6?: readonly string[] | undefined;
      /** Address of its BMC. */
      readonly bmcAddress?: string | '' | undefined;
      /** MAC of its BMC. */
      readonly bmcMac?: string | '' | undefined;
      /** Vendor of its BMC. */
      readonly bmcVendor?: string | undefined;
      /** Name of a stored credential. */
      readonly bmcCredential?: string | '' | undefined;
    };
    answer: Machine;
  };
  /** Forget a machine that was entered and never came. */
  'DELETE /machines/{hardwarename}': {
    path: {
      readonly hardwarename: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** The states, what each waits for, every legal change, and how many machines are where. */
  'GET /states': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly states: readonly {
        readonly state:
          | 'available'
          | 'installing'
          | 'in-use'
          | 'recycling'
          | 'broken'
          | 'held'
          | 'retired';
        readonly kind: 'stable' | 'waiting';
        readonly deadlineMs?: number | undefined;
        readonly next: string;
        readonly machines: number;
        readonly overdue: number;
      }[];
      readonly transitions: readonly {
        readonly from: string;
        readonly to:
          | 'available'
          | 'installing'
          | 'in-use'
          | 'recycling'
          | 'broken'
          | 'held'
          | 'retired';
        readonly by: string;
        readonly why: string;
      }[];
    };
  };
  /** Move a machine to another state; one in use only with its owner’s explicit release. */
  'POST /machines/{hardwarename}/transitions': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: {
      readonly to:
        | 'available'
        | 'installing'
        | 'in-use'
        | 'recycling'
        | 'broken'
        | 'held'
        | 'retired';
      /** The hardwarename, to release a machine in use: what is on it may be lost */
      readonly release?: string | undefined;
      /** Another deadline; 0 for none */
      readonly deadlineAt?: number | undefined;
      /** The next step */
      readonly next?: string | undefined;
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: Machine;
  };
  /** Give a machine its role and a free hostname by the naming rules. */
  'POST /machines/{hardwarename}/hostname': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: {
      readonly role: string;
      /** Why: it stands in the history. */
      readonly why?: string | undefined;
    };
    answer: Machine;
  };
  /** Reserve an address for a NIC or the BMC: this one, or the lowest free one of a subnet. */
  'POST /machines/{hardwarename}/addresses': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: {
      readonly mac: string;
      readonly subnet: string;
      readonly address?: string | undefined;
    };
    answer: {
      readonly address: string;
      readonly subnet: string;
      readonly mac: string;
      readonly hardwarename: string;
    };
  };
  /** Free the address of a NIC. */
  'DELETE /machines/{hardwarename}/addresses/{mac}': {
    path: {
      readonly hardwarename: string;
      readonly mac: string;
    };
    query: object;
    body: undefined;
    answer: undefined;
  };
  /** Merges that this record was part of, and what it has in common with its conflict. */
  'GET /machines/{hardwarename}/merges': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly merges: readonly {
        readonly id: number;
        readonly kept: string;
        readonly gone: string;
        readonly at: number;
        readonly who: string;
        readonly why: string;
        readonly undone: boolean;
      }[];
      readonly likeness?:
        | {
            readonly with: string;
            readonly score: number;
            readonly shared: readonly string[];
            readonly differing: readonly string[];
          }
        | undefined;
    };
  };
  /** This record and another are one machine: keep this one; a split takes it back. */
  'POST /machines/{hardwarename}/merge': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: {
      readonly gone: string;
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: {
      readonly id: number;
      readonly kept: string;
      readonly gone: string;
      readonly at: number;
      readonly who: string;
      readonly why: string;
      readonly undone: boolean;
    };
  };
  /** Undo a merge: the record that went comes back as it was. */
  'POST /merges/{id}/split': {
    path: {
      readonly id: string | number;
    };
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why: string;
      /** The hardwarename of the record that was kept, when it is in use */
      readonly release?: string | undefined;
    };
    answer: {
      readonly id: number;
      readonly kept: string;
      readonly gone: string;
      readonly at: number;
      readonly who: string;
      readonly why: string;
      readonly undone: boolean;
    };
  };
  /** Put a NIC on record that no machine has. */
  'POST /machines/{hardwarename}/nics': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: {
      readonly mac: string;
      readonly name?: string | undefined;
      /** Why: it stands in the history. */
      readonly why?: string | undefined;
    };
    answer: Machine;
  };
  /** Take a NIC off the record, with its address: it is in another machine, or in none. */
  'DELETE /machines/{hardwarename}/nics/{mac}': {
    path: {
      readonly hardwarename: string;
      readonly mac: string;
    };
    query: {
      readonly why?: string | undefined;
      readonly release?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** Edit or move many machines, with a result for each. */
  'POST /machines/bulk': {
    path: object;
    query: object;
    body: {
      readonly machines?: readonly string[] | undefined;
      /** As the query of the list */
      readonly filter?:
        | {
            /** Its name for life, from the serial. any of these, divided by commas */
            readonly hardwarename?: string | undefined;
            /** Its name for life, from the serial. none of these */
            readonly 'hardwarename.not'?: string | undefined;
            /** Its name for life, from the serial. with * and ? as wildcards */
            readonly 'hardwarename.like'?: string | undefined;
            /** Counts changes; the ETag. any of these, divided by commas */
            readonly version?: string | undefined;
            /** Counts changes; the ETag. none of these */
            readonly 'version.not'?: string | undefined;
            /** Counts changes; the ETag. at least */
            readonly 'version.gte'?: string | undefined;
            /** Counts changes; the ETag. at most */
            readonly 'version.lte'?: string | undefined;
            /** As reported or entered. any of these, divided by commas */
            readonly serial?: string | undefined;
            /** As reported or entered. none of these */
            readonly 'serial.not'?: string | undefined;
            /** As reported or entered. with * and ? as wildcards */
            readonly 'serial.like'?: string | undefined;
            /** SMBIOS UUID, when it identifies something. any of these, divided by commas */
            readonly uuid?: string | undefined;
            /** SMBIOS UUID, when it identifies something. none of these */
            readonly 'uuid.not'?: string | undefined;
            /** SMBIOS UUID, when it identifies something. with * and ? as wildcards */
            readonly 'uuid.like'?: string | undefined;
            /** From SMBIOS. any of these, divided by commas */
            readonly manufacturer?: string | undefined;
            /** From SMBIOS. none of these */
            readonly 'manufacturer.not'?: string | undefined;
            /** From SMBIOS. with * and ? as wildcards */
            readonly 'manufacturer.like'?: string | undefined;
            /** From SMBIOS. any of these, divided by commas */
            readonly product?: string | undefined;
            /** From SMBIOS. none of these */
            readonly 'product.not'?: string | undefined;
            /** From SMBIOS. with * and ? as wildcards */
            readonly 'product.like'?: string | undefined;
            /** A recon report has come; else it was entered. any of these, divided by commas */
            readonly reported?: string | undefined;
            /** docs/states.md any of these, divided by commas */
            readonly state?: string | undefined;
            /** docs/states.md none of these */
            readonly 'state.not'?: string | undefined;
            /** docs/states.md with * and ? as wildcards */
            readonly 'state.like'?: string | undefined;
            /** Why it is in this state. any of these, divided by commas */
            readonly stateWhy?: string | undefined;
            /** Why it is in this state. none of these */
            readonly 'stateWhy.not'?: string | undefined;
            /** Why it is in this state. with * and ? as wildcards */
            readonly 'stateWhy.like'?: string | undefined;
            /** Who brought it there. any of these, divided by commas */
            readonly stateBy?: string | undefined;
            /** Who brought it there. none of these */
            readonly 'stateBy.not'?: string | undefined;
            /** Who brought it there. with * and ? as wildcards */
            readonly 'stateBy.like'?: string | undefined;
            /** Since when. at least */
            readonly 'stateAt.gte'?: string | undefined;
            /** Since when. at most */
            readonly 'stateAt.lte'?: string | undefined;
            /** What has to happen next, and who does it. any of these, divided by commas */
            readonly stateNext?: string | undefined;
            /** What has to happen next, and who does it. none of these */
            readonly 'stateNext.not'?: string | undefined;
            /** What has to happen next, and who does it. with * and ? as wildcards */
            readonly 'stateNext.like'?: string | undefined;
            /** Until when; null: it may stay. at least */
            readonly 'stateDeadlineAt.gte'?: string | undefined;
            /** Until when; null: it may stay. at most */
            readonly 'stateDeadlineAt.lte'?: string | undefined;
            /** The deadline has passed: it is stuck. any of these, divided by commas */
            readonly overdue?: string | undefined;
            /** The other machine of a conflict. any of these, divided by commas */
            readonly conflictWith?: string | undefined;
            /** The other machine of a conflict. none of these */
            readonly 'conflictWith.not'?: string | undefined;
            /** The other machine of a conflict. with * and ? as wildcards */
            readonly 'conflictWith.like'?: string | undefined;
            /** The NIC that it reported from. any of these, divided by commas */
            readonly bootMac?: string | undefined;
            /** The NIC that it reported from. none of these */
            readonly 'bootMac.not'?: string | undefined;
            /** The NIC that it reported from. with * and ? as wildcards */
            readonly 'bootMac.like'?: string | undefined;
            /** What it is called while it has a role. any of these, divided by commas */
            readonly hostname?: string | undefined;
            /** What it is called while it has a role. none of these */
            readonly 'hostname.not'?: string | undefined;
            /** What it is called while it has a role. with * and ? as wildcards */
            readonly 'hostname.like'?: string | undefined;
            /** What it does. any of these, divided by commas */
            readonly role?: string | undefined;
            /** What it does. none of these */
            readonly 'role.not'?: string | undefined;
            /** What it does. with * and ? as wildcards */
            readonly 'role.like'?: string | undefined;
            /** The team that has it; empty: capacity. any of these, divided by commas */
            readonly squad?: string | undefined;
            /** The team that has it; empty: capacity. none of these */
            readonly 'squad.not'?: string | undefined;
            /** The team that has it; empty: capacity. with * and ? as wildcards */
            readonly 'squad.like'?: string | undefined;
            /** The person to ask. any of these, divided by commas */
            readonly owner?: string | undefined;
            /** The person to ask. none of these */
            readonly 'owner.not'?: string | undefined;
            /** The person to ask. with * and ? as wildcards */
            readonly 'owner.like'?: string | undefined;
            /** Words to find it by. all of these, divided by commas */
            readonly tags?: string | undefined;
            /** Anything. any of these, divided by commas */
            readonly notes?: string | undefined;
            /** Anything. none of these */
            readonly 'notes.not'?: string | undefined;
            /** Anything. with * and ? as wildcards */
            readonly 'notes.like'?: string | undefined;
            /** Fields of a site’s own. all of these, divided by commas */
            readonly custom?: string | undefined;
            /** No change of state until this is lifted. any of these, divided by commas */
            readonly protected?: string | undefined;
            /** Somebody’s data may be on its disks; only a proven recycle lifts this. any of these, divided by commas */
            readonly mayHoldData?: string | undefined;
            /** Datacenter. any of these, divided by commas */
            readonly site?: string | undefined;
            /** Datacenter. none of these */
            readonly 'site.not'?: string | undefined;
            /** Datacenter. with * and ? as wildcards */
            readonly 'site.like'?: string | undefined;
            /** Hall or room. any of these, divided by commas */
            readonly hall?: string | undefined;
            /** Hall or room. none of these */
            readonly 'hall.not'?: string | undefined;
            /** Hall or room. with * and ? as wildcards */
            readonly 'hall.like'?: string | undefined;
            /** Row of racks. any of these, divided by commas */
            readonly row?: string | undefined;
            /** Row of racks. none of these */
            readonly 'row.not'?: string | undefined;
            /** Row of racks. with * and ? as wildcards */
            readonly 'row.like'?: string | undefined;
            /** Rack. any of these, divided by commas */
            readonly rack?: string | undefined;
            /** Rack. none of these */
            readonly 'rack.not'?: string | undefined;
            /** Rack. with * and ? as wildcards */
            readonly 'rack.like'?: string | undefined;
            /** Lowest unit that it fills, from 1; 0: not known. any of these, divided by commas */
            readonly unit?: string | undefined;
            /** Lowest unit that it fills, from 1; 0: not known. none of these */
            readonly 'unit.not'?: string | undefined;
            /** Lowest unit that it fills, from 1; 0: not known. at least */
            readonly 'unit.gte'?: string | undefined;
            /** Lowest unit that it fills, from 1; 0: not known. at most */
            readonly 'unit.lte'?: string | undefined;
            /** Units that it fills. any of these, divided by commas */
            readonly height?: string | undefined;
            /** Units that it fills. none of these */
            readonly 'height.not'?: string | undefined;
            /** Units that it fills. at least */
            readonly 'height.gte'?: string | undefined;
            /** Units that it fills. at most */
            readonly 'height.lte'?: string | undefined;
            /** `person`, or `lldp` when inferred. any of these, divided by commas */
            readonly locatedBy?: string | undefined;
            /** `person`, or `lldp` when inferred. none of these */
            readonly 'locatedBy.not'?: string | undefined;
            /** `person`, or `lldp` when inferred. with * and ? as wildcards */
            readonly 'locatedBy.like'?: string | undefined;
            /** Assigned by rules from the report. any of these, divided by commas */
            readonly hardwareType?: string | undefined;
            /** Assigned by rules from the report. none of these */
            readonly 'hardwareType.not'?: string | undefined;
            /** Assigned by rules from the report. with * and ? as wildcards */
            readonly 'hardwareType.like'?: string | undefined;
            /** What differs from the type. any of these, divided by commas */
            readonly typeMismatch?: string | undefined;
            /** What differs from the type. none of these */
            readonly 'typeMismatch.not'?: string | undefined;
            /** What differs from the type. with * and ? as wildcards */
            readonly 'typeMismatch.like'?: string | undefined;
            /** Day of purchase. any of these, divided by commas */
            readonly purchasedAt?: string | undefined;
            /** Day of purchase. none of these */
            readonly 'purchasedAt.not'?: string | undefined;
            /** Day of purchase. at least */
            readonly 'purchasedAt.gte'?: string | undefined;
            /** Day of purchase. at most */
            readonly 'purchasedAt.lte'?: string | undefined;
            /** Last day of warranty. any of these, divided by commas */
            readonly warrantyUntil?: string | undefined;
            /** Last day of warranty. none of these */
            readonly 'warrantyUntil.not'?: string | undefined;
            /** Last day of warranty. at least */
            readonly 'warrantyUntil.gte'?: string | undefined;
            /** Last day of warranty. at most */
            readonly 'warrantyUntil.lte'?: string | undefined;
            /** Who sold it. any of these, divided by commas */
            readonly supplier?: string | undefined;
            /** Who sold it. none of these */
            readonly 'supplier.not'?: string | undefined;
            /** Who sold it. with * and ? as wildcards */
            readonly 'supplier.like'?: string | undefined;
            /** The order that it came with. any of these, divided by commas */
            readonly orderNumber?: string | undefined;
            /** The order that it came with. none of these */
            readonly 'orderNumber.not'?: string | undefined;
            /** The order that it came with. with * and ? as wildcards */
            readonly 'orderNumber.like'?: string | undefined;
            /** Static IPv6 addresses, beside those of its NICs. all of these, divided by commas */
            readonly ipv6?: string | undefined;
            /** Address of its BMC. any of these, divided by commas */
            readonly bmcAddress?: string | undefined;
            /** Address of its BMC. none of these */
            readonly 'bmcAddress.not'?: string | undefined;
            /** Address of its BMC. with * and ? as wildcards */
            readonly 'bmcAddress.like'?: string | undefined;
            /** MAC of its BMC. any of these, divided by commas */
            readonly bmcMac?: string | undefined;
            /** MAC of its BMC. none of these */
            readonly 'bmcMac.not'?: string | undefined;
            /** MAC of its BMC. with * and ? as wildcards */
            readonly 'bmcMac.like'?: string | undefined;
            /** Vendor of its BMC. any of these, divided by commas */
            readonly bmcVendor?: string | undefined;
            /** Vendor of its BMC. none of these */
            readonly 'bmcVendor.not'?: string | undefined;
            /** Vendor of its BMC. with * and ? as wildcards */
            readonly 'bmcVendor.like'?: string | undefined;
            /** From the report. any of these, divided by commas */
            readonly bmcFirmware?: string | undefined;
            /** From the report. none of these */
            readonly 'bmcFirmware.not'?: string | undefined;
            /** From the report. with * and ? as wildcards */
            readonly 'bmcFirmware.like'?: string | undefined;
            /** Name of a stored credential. any of these, divided by commas */
            readonly bmcCredential?: string | undefined;
            /** Name of a stored credential. none of these */
            readonly 'bmcCredential.not'?: string | undefined;
            /** Name of a stored credential. with * and ? as wildcards */
            readonly 'bmcCredential.like'?: string | undefined;
            /** Of the first processor. any of these, divided by commas */
            readonly cpuModel?: string | undefined;
            /** Of the first processor. none of these */
            readonly 'cpuModel.not'?: string | undefined;
            /** Of the first processor. with * and ? as wildcards */
            readonly 'cpuModel.like'?: string | undefined;
            /** Processors. any of these, divided by commas */
            readonly cpuCount?: string | undefined;
            /** Processors. none of these */
            readonly 'cpuCount.not'?: string | undefined;
            /** Processors. at least */
            readonly 'cpuCount.gte'?: string | undefined;
            /** Processors. at most */
            readonly 'cpuCount.lte'?: string | undefined;
            /** Cores of all processors. any of these, divided by commas */
            readonly coreCount?: string | undefined;
            /** Cores of all processors. none of these */
            readonly 'coreCount.not'?: string | undefined;
            /** Cores of all processors. at least */
            readonly 'coreCount.gte'?: string | undefined;
            /** Cores of all processors. at most */
            readonly 'coreCount.lte'?: string | undefined;
            /** Threads of all processors. any of these, divided by commas */
            readonly threadCount?: string | undefined;
            /** Threads of all processors. none of these */
            readonly 'threadCount.not'?: string | undefined;
            /** Threads of all processors. at least */
            readonly 'threadCount.gte'?: string | undefined;
            /** Threads of all processors. at most */
            readonly 'threadCount.lte'?: string | undefined;
            /** Memory. any of these, divided by commas */
            readonly memoryBytes?: string | undefined;
            /** Memory. none of these */
            readonly 'memoryBytes.not'?: string | undefined;
            /** Memory. at least */
            readonly 'memoryBytes.gte'?: string | undefined;
            /** Memory. at most */
            readonly 'memoryBytes.lte'?: string | undefined;
            /** Disks. any of these, divided by commas */
            readonly diskCount?: string | undefined;
            /** Disks. none of these */
            readonly 'diskCount.not'?: string | undefined;
            /** Disks. at least */
            readonly 'diskCount.gte'?: string | undefined;
            /** Disks. at most */
            readonly 'diskCount.lte'?: string | undefined;
            /** Sum of all disks. any of these, divided by commas */
            readonly diskBytes?: string | undefined;
            /** Sum of all disks. none of these */
            readonly 'diskBytes.not'?: string | undefined;
            /** Sum of all disks. at least */
            readonly 'diskBytes.gte'?: string | undefined;
            /** Sum of all disks. at most */
            readonly 'diskBytes.lte'?: string | undefined;
            /** Network interfaces. any of these, divided by commas */
            readonly nicCount?: string | undefined;
            /** Network interfaces. none of these */
            readonly 'nicCount.not'?: string | undefined;
            /** Network interfaces. at least */
            readonly 'nicCount.gte'?: string | undefined;
            /** Network interfaces. at most */
            readonly 'nicCount.lte'?: string | undefined;
            /** Graphics processors. any of these, divided by commas */
            readonly gpuCount?: string | undefined;
            /** Graphics processors. none of these */
            readonly 'gpuCount.not'?: string | undefined;
            /** Graphics processors. at least */
            readonly 'gpuCount.gte'?: string | undefined;
            /** Graphics processors. at most */
            readonly 'gpuCount.lte'?: string | undefined;
            /** Of the system firmware. any of these, divided by commas */
            readonly biosVersion?: string | undefined;
            /** Of the system firmware. none of these */
            readonly 'biosVersion.not'?: string | undefined;
            /** Of the system firmware. with * and ? as wildcards */
            readonly 'biosVersion.like'?: string | undefined;
            /** When the record was made. at least */
            readonly 'createdAt.gte'?: string | undefined;
            /** When the record was made. at most */
            readonly 'createdAt.lte'?: string | undefined;
            /** When it last changed. at least */
            readonly 'updatedAt.gte'?: string | undefined;
            /** When it last changed. at most */
            readonly 'updatedAt.lte'?: string | undefined;
            /** MAC of a NIC. any of these, divided by commas */
            readonly 'nic.mac'?: string | undefined;
            /** Switch that a NIC sees by LLDP. any of these, divided by commas */
            readonly 'nic.switch'?: string | undefined;
            /** Switch that a NIC sees by LLDP. with * and ? as wildcards */
            readonly 'nic.switch.like'?: string | undefined;
            /** Port of that switch. any of these, divided by commas */
            readonly 'nic.port'?: string | undefined;
            /** Port of that switch. with * and ? as wildcards */
            readonly 'nic.port.like'?: string | undefined;
            /** Address that is reserved for a NIC. any of these, divided by commas */
            readonly 'nic.address'?: string | undefined;
            /** Subnet of that address. any of these, divided by commas */
            readonly 'nic.subnet'?: string | undefined;
            /** Model of a disk. any of these, divided by commas */
            readonly 'disk.model'?: string | undefined;
            /** Model of a disk. with * and ? as wildcards */
            readonly 'disk.model.like'?: string | undefined;
            /** Serial of a disk. any of these, divided by commas */
            readonly 'disk.serial'?: string | undefined;
            /** Serial of a disk. with * and ? as wildcards */
            readonly 'disk.serial.like'?: string | undefined;
            /** Firmware of a disk. any of these, divided by commas */
            readonly 'disk.firmware'?: string | undefined;
            /** Firmware of a disk. with * and ? as wildcards */
            readonly 'disk.firmware.like'?: string | undefined;
            /** nvme, sata, sas, ... any of these, divided by commas */
            readonly 'disk.interface'?: string | undefined;
            /** nvme, sata, sas, ... with * and ? as wildcards */
            readonly 'disk.interface.like'?: string | undefined;
            /** Part number of a memory module. any of these, divided by commas */
            readonly 'memory.part'?: string | undefined;
            /** Part number of a memory module. with * and ? as wildcards */
            readonly 'memory.part.like'?: string | undefined;
            /** Serial of a memory module. any of these, divided by commas */
            readonly 'memory.serial'?: string | undefined;
            /** Serial of a memory module. with * and ? as wildcards */
            readonly 'memory.serial.like'?: string | undefined;
            /** Who made a memory module. any of these, divided by commas */
            readonly 'memory.manufacturer'?: string | undefined;
            /** Who made a memory module. with * and ? as wildcards */
            readonly 'memory.manufacturer.like'?: string | undefined;
            /** Model of a processor. any of these, divided by commas */
            readonly 'cpu.model'?: string | undefined;
            /** Model of a processor. with * and ? as wildcards */
            readonly 'cpu.model.like'?: string | undefined;
            /** Name of a PCI device. any of these, divided by commas */
            readonly 'pci.name'?: string | undefined;
            /** Name of a PCI device. with * and ? as wildcards */
            readonly 'pci.name.like'?: string | undefined;
            /** Vendor of a PCI device, as in 0x1af4. any of these, divided by commas */
            readonly 'pci.vendor'?: string | undefined;
            /** Vendor of a PCI device, as in 0x1af4. with * and ? as wildcards */
            readonly 'pci.vendor.like'?: string | undefined;
            /** Its device number, as in 0x1000. any of these, divided by commas */
            readonly 'pci.device'?: string | undefined;
            /** Its device number, as in 0x1000. with * and ? as wildcards */
            readonly 'pci.device.like'?: string | undefined;
            /** Name of a graphics processor. any of these, divided by commas */
            readonly 'gpu.name'?: string | undefined;
            /** Name of a graphics processor. with * and ? as wildcards */
            readonly 'gpu.name.like'?: string | undefined;
            /** Driver of a network adapter. any of these, divided by commas */
            readonly 'adapter.driver'?: string | undefined;
            /** Driver of a network adapter. with * and ? as wildcards */
            readonly 'adapter.driver.like'?: string | undefined;
            /** Firmware of a network adapter. any of these, divided by commas */
            readonly 'adapter.firmware'?: string | undefined;
            /** Firmware of a network adapter. with * and ? as wildcards */
            readonly 'adapter.firmware.like'?: string | undefined;
          }
        | undefined;
      readonly edit?:
        | {
            /** What it is called while it has a role. */
            readonly hostname?: string | '' | undefined;
            /** What it does. */
            readonly role?: string | undefined;
            /** The team that has it; empty: capacity. */
            readonly squad?: string | '' | undefined;
            /** The person to ask. */
            readonly owner?: string | undefined;
            /** Words to find it by. */
            readonly tags?: readonly string[] | undefined;
            /** Anything. */
            readonly notes?: string | undefined;
            /** Fields of a site’s own. */
            readonly custom?: Readonly<Record<string, string>> | undefined;
            /** No change of state until this is lifted. */
            readonly protected?: boolean | undefined;
            /** Datacenter. */
            readonly site?: string | undefined;
            /** Hall or room. */
            readonly hall?: string | undefined;
            /** Row of racks. */
            readonly row?: string | undefined;
            /** Rack. */
            readonly rack?: string | '' | undefined;
            /** Lowest unit that it fills, from 1; 0: not known. */
            readonly unit?: number | undefined;
            /** Units that it fills. */
            readonly height?: number | undefined;
            /** Day of purchase. */
            readonly purchasedAt?: string | '' | undefined;
            /** Last day of warranty. */
            readonly warrantyUntil?: string | '' | undefined;
            /** Who sold it. */
            readonly supplier?: string | undefined;
            /** The order that it came with. */
            readonly orderNumber?: string | undefined;
            /** Static IPv6 addresses, beside those of its NICs. */
            readonly ipv6?: readonly string[] | undefined;
            /** Address of its BMC. */
            readonly bmcAddress?: string | '' | undefined;
            /** MAC of its BMC. */
            readonly bmcMac?: string | '' | undefined;
            /** Vendor of its BMC. */
            readonly bmcVendor?: string | undefined;
            /** Name of a stored credential. */
            readonly bmcCredential?: string | '' | undefined;
          }
        | undefined;
      readonly move?:
        | {
            readonly to:
              | 'available'
              | 'installing'
              | 'in-use'
              | 'recycling'
              | 'broken'
              | 'held'
              | 'retired';
            /** The hardwarenames of the machines in use that are released */
            readonly release?: readonly string[] | undefined;
          }
        | undefined;
      /** Why: it stands in the history. */
      readonly why: string;
      /** How many machines it will change */
      readonly confirm?: number | undefined;
      readonly dryRun?: boolean | undefined;
    };
    answer: {
      readonly changed: number;
      readonly failed: number;
      readonly dryRun: boolean;
      readonly results: readonly ItemResult[];
    };
  };
  /** Enter and change machines from a list or a sheet, with a result for each row. */
  'POST /machines/import': {
    path: object;
    query: object;
    body: {
      /** As POST /api/v1/machines takes them; `hardwarename` names one that is known */
      readonly machines?: readonly Readonly<Record<string, unknown>>[] | undefined;
      /** A sheet with a header row */
      readonly csv?: string | undefined;
      /** Why: it stands in the history. */
      readonly why?: string | undefined;
      /** How many known machines it changes */
      readonly confirm?: number | undefined;
      readonly dryRun?: boolean | undefined;
    };
    answer: {
      readonly changed: number;
      readonly failed: number;
      readonly dryRun: boolean;
      readonly results: readonly ItemResult[];
    };
  };
  /** Machines as a sheet: every field, the filters of the list. */
  'GET /machines.csv': {
    path: object;
    query: {
      readonly hardwarename?: string | undefined;
      readonly 'hardwarename.not'?: string | undefined;
      readonly 'hardwarename.like'?: string | undefined;
      readonly version?: string | undefined;
      readonly 'version.not'?: string | undefined;
      readonly 'version.gte'?: string | undefined;
      readonly 'version.lte'?: string | undefined;
      readonly serial?: string | undefined;
      readonly 'serial.not'?: string | undefined;
      readonly 'serial.like'?: string | undefined;
      readonly uuid?: string | undefined;
      readonly 'uuid.not'?: string | undefined;
      readonly 'uuid.like'?: string | undefined;
      readonly manufacturer?: string | undefined;
      readonly 'manufacturer.not'?: string | undefined;
      readonly 'manufacturer.like'?: string | undefined;
      readonly product?: string | undefined;
      readonly 'product.not'?: string | undefined;
      readonly 'product.like'?: string | undefined;
      readonly reported?: string | undefined;
      readonly state?: string | undefined;
      readonly 'state.not'?: string | undefined;
      readonly 'state.like'?: string | undefined;
      readonly stateWhy?: string | undefined;
      readonly 'stateWhy.not'?: string | undefined;
      readonly 'stateWhy.like'?: string | undefined;
      readonly stateBy?: string | undefined;
      readonly 'stateBy.not'?: string | undefined;
      readonly 'stateBy.like'?: string | undefined;
      readonly 'stateAt.gte'?: string | undefined;
      readonly 'stateAt.lte'?: string | undefined;
      readonly stateNext?: string | undefined;
      readonly 'stateNext.not'?: string | undefined;
      readonly 'stateNext.like'?: string | undefined;
      readonly 'stateDeadlineAt.gte'?: string | undefined;
      readonly 'stateDeadlineAt.lte'?: string | undefined;
      readonly overdue?: string | undefined;
      readonly conflictWith?: string | undefined;
      readonly 'conflictWith.not'?: string | undefined;
      readonly 'conflictWith.like'?: string | undefined;
      readonly bootMac?: string | undefined;
      readonly 'bootMac.not'?: string | undefined;
      readonly 'bootMac.like'?: string | undefined;
      readonly hostname?: string | undefined;
      readonly 'hostname.not'?: string | undefined;
      readonly 'hostname.like'?: string | undefined;
      readonly role?: string | undefined;
      readonly 'role.not'?: string | undefined;
      readonly 'role.like'?: string | undefined;
      readonly squad?: string | undefined;
      readonly 'squad.not'?: string | undefined;
      readonly 'squad.like'?: string | undefined;
      readonly owner?: string | undefined;
      readonly 'owner.not'?: string | undefined;
      readonly 'owner.like'?: string | undefined;
      readonly tags?: string | undefined;
      readonly notes?: string | undefined;
      readonly 'notes.not'?: string | undefined;
      readonly 'notes.like'?: string | undefined;
      readonly custom?: string | undefined;
      readonly protected?: string | undefined;
      readonly mayHoldData?: string | undefined;
      readonly site?: string | undefined;
      readonly 'site.not'?: string | undefined;
      readonly 'site.like'?: string | undefined;
      readonly hall?: string | undefined;
      readonly 'hall.not'?: string | undefined;
      readonly 'hall.like'?: string | undefined;
      readonly row?: string | undefined;
      readonly 'row.not'?: string | undefined;
      readonly 'row.like'?: string | undefined;
      readonly rack?: string | undefined;
      readonly 'rack.not'?: string | undefined;
      readonly 'rack.like'?: string | undefined;
      readonly unit?: string | undefined;
      readonly 'unit.not'?: string | undefined;
      readonly 'unit.gte'?: string | undefined;
      readonly 'unit.lte'?: string | undefined;
      readonly height?: string | undefined;
      readonly 'height.not'?: string | undefined;
      readonly 'height.gte'?: string | undefined;
      readonly 'height.lte'?: string | undefined;
      readonly locatedBy?: string | undefined;
      readonly 'locatedBy.not'?: string | undefined;
      readonly 'locatedBy.like'?: string | undefined;
      readonly hardwareType?: string | undefined;
      readonly 'hardwareType.not'?: string | undefined;
      readonly 'hardwareType.like'?: string | undefined;
      readonly typeMismatch?: string | undefined;
      readonly 'typeMismatch.not'?: string | undefined;
      readonly 'typeMismatch.like'?: string | undefined;
      readonly purchasedAt?: string | undefined;
      readonly 'purchasedAt.not'?: string | undefined;
      readonly 'purchasedAt.gte'?: string | undefined;
      readonly 'purchasedAt.lte'?: string | undefined;
      readonly warrantyUntil?: string | undefined;
      readonly 'warrantyUntil.not'?: string | undefined;
      readonly 'warrantyUntil.gte'?: string | undefined;
      readonly 'warrantyUntil.lte'?: string | undefined;
      readonly supplier?: string | undefined;
      readonly 'supplier.not'?: string | undefined;
      readonly 'supplier.like'?: string | undefined;
      readonly orderNumber?: string | undefined;
      readonly 'orderNumber.not'?: string | undefined;
      readonly 'orderNumber.like'?: string | undefined;
      readonly ipv6?: string | undefined;
      readonly bmcAddress?: string | undefined;
      readonly 'bmcAddress.not'?: string | undefined;
      readonly 'bmcAddress.like'?: string | undefined;
      readonly bmcMac?: string | undefined;
      readonly 'bmcMac.not'?: string | undefined;
      readonly 'bmcMac.like'?: string | undefined;
      readonly bmcVendor?: string | undefined;
      readonly 'bmcVendor.not'?: string | undefined;
      readonly 'bmcVendor.like'?: string | undefined;
      readonly bmcFirmware?: string | undefined;
      readonly 'bmcFirmware.not'?: string | undefined;
      readonly 'bmcFirmware.like'?: string | undefined;
      readonly bmcCredential?: string | undefined;
      readonly 'bmcCredential.not'?: string | undefined;
      readonly 'bmcCredential.like'?: string | undefined;
      readonly cpuModel?: string | undefined;
      readonly 'cpuModel.not'?: string | undefined;
      readonly 'cpuModel.like'?: string | undefined;
      readonly cpuCount?: string | undefined;
      readonly 'cpuCount.not'?: string | undefined;
      readonly 'cpuCount.gte'?: string | undefined;
      readonly 'cpuCount.lte'?: string | undefined;
      readonly coreCount?: string | undefined;
      readonly 'coreCount.not'?: string | undefined;
      readonly 'coreCount.gte'?: string | undefined;
      readonly 'coreCount.lte'?: string | undefined;
      readonly threadCount?: string | undefined;
      readonly 'threadCount.not'?: string | undefined;
      readonly 'threadCount.gte'?: string | undefined;
      readonly 'threadCount.lte'?: string | undefined;
      readonly memoryBytes?: string | undefined;
      readonly 'memoryBytes.not'?: string | undefined;
      readonly 'memoryBytes.gte'?: string | undefined;
      readonly 'memoryBytes.lte'?: string | undefined;
      readonly diskCount?: string | undefined;
      readonly 'diskCount.not'?: string | undefined;
      readonly 'diskCount.gte'?: string | undefined;
      readonly 'diskCount.lte'?: string | undefined;
      readonly diskBytes?: string | undefined;
      readonly 'diskBytes.not'?: string | undefined;
      readonly 'diskBytes.gte'?: string | undefined;
      readonly 'diskBytes.lte'?: string | undefined;
      readonly nicCount?: string | undefined;
      readonly 'nicCount.not'?: string | undefined;
      readonly 'nicCount.gte'?: string | undefined;
      readonly 'nicCount.lte'?: string | undefined;
      readonly gpuCount?: string | undefined;
      readonly 'gpuCount.not'?: string | undefined;
      readonly 'gpuCount.gte'?: string | undefined;
      readonly 'gpuCount.lte'?: string | undefined;
      readonly biosVersion?: string | undefined;
      readonly 'biosVersion.not'?: string | undefined;
      readonly 'biosVersion.like'?: string | undefined;
      readonly 'createdAt.gte'?: string | undefined;
      readonly 'createdAt.lte'?: string | undefined;
      readonly 'updatedAt.gte'?: string | undefined;
      readonly 'updatedAt.lte'?: string | undefined;
      readonly 'nic.mac'?: string | undefined;
      readonly 'nic.switch'?: string | undefined;
      readonly 'nic.switch.like'?: string | undefined;
      readonly 'nic.port'?: string | undefined;
      readonly 'nic.port.like'?: string | undefined;
      readonly 'nic.address'?: string | undefined;
      readonly 'nic.subnet'?: string | undefined;
      readonly 'disk.model'?: string | undefined;
      readonly 'disk.model.like'?: string | undefined;
      readonly 'disk.serial'?: string | undefined;
      readonly 'disk.serial.like'?: string | undefined;
      readonly 'disk.firmware'?: string | undefined;
      readonly 'disk.firmware.like'?: string | undefined;
      readonly 'disk.interface'?: string | undefined;
      readonly 'disk.interface.like'?: string | undefined;
      readonly 'memory.part'?: string | undefined;
      readonly 'memory.part.like'?: string | undefined;
      readonly 'memory.serial'?: string | undefined;
      readonly 'memory.serial.like'?: string | undefined;
      readonly 'memory.manufacturer'?: string | undefined;
      readonly 'memory.manufacturer.like'?: string | undefined;
      readonly 'cpu.model'?: string | undefined;
      readonly 'cpu.model.like'?: string | undefined;
      readonly 'pci.name'?: string | undefined;
      readonly 'pci.name.like'?: string | undefined;
      readonly 'pci.vendor'?: string | undefined;
      readonly 'pci.vendor.like'?: string | undefined;
      readonly 'pci.device'?: string | undefined;
      readonly 'pci.device.like'?: string | undefined;
      readonly 'gpu.name'?: string | undefined;
      readonly 'gpu.name.like'?: string | undefined;
      readonly 'adapter.driver'?: string | undefined;
      readonly 'adapter.driver.like'?: string | undefined;
      readonly 'adapter.firmware'?: string | undefined;
      readonly 'adapter.firmware.like'?: string | undefined;
    };
    body: undefined;
    answer: string;
  };
  /** How this appliance and its standby stand. */
  'GET /standby': {
    path: object;
    query: object;
    body: undefined;
    answer: PairStatus;
  };
  /** Become active, or have all addresses because the other one is off. */
  'POST /standby/take-over': {
    path: object;
    query: object;
    body: {
      readonly why: string;
      /** Why the other one is known to be off */
      readonly fenced?: string | undefined;
    };
    answer: PairStatus;
  };
  /** Give the right to be active to the other appliance, which has everything. */
  'POST /standby/hand-back': {
    path: object;
    query: object;
    body: {
      readonly why: string;
    };
    answer: PairStatus;
  };
  /** How the line to central stands. */
  'GET /federation': {
    path: object;
    query: object;
    body: undefined;
    answer: FleetLine;
  };
  /** What DHCP serves now: the configuration with the subnets over it. */
  'GET /segments': {
    path: object;
    query: object;
    body: undefined;
    answer: ServedSegments;
  };
  /** A page of racks, by name. */
  'GET /racks': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly items: readonly {
        readonly name: string;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
        readonly site: string;
        readonly hall: string;
        readonly row: string;
        readonly units: number;
        readonly switches: readonly string[];
        readonly ports: Readonly<Record<string, number>>;
        readonly notes: string;
      }[];
      readonly next?: string | undefined;
    };
  };
  /** Read a rack; its ETag is its version. */
  'GET /racks/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly site: string;
      readonly hall: string;
      readonly row: string;
      readonly units: number;
      readonly switches: readonly string[];
      readonly ports: Readonly<Record<string, number>>;
      readonly notes: string;
    };
  };
  /** Make or replace a rack: If-Match is the version that was read, "0" for a new one. */
  'PUT /racks/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly site?: string | undefined;
      readonly hall?: string | undefined;
      readonly row?: string | undefined;
      readonly units?: number | undefined;
      readonly switches?: readonly string[] | undefined;
      readonly ports?: Readonly<Record<string, number>> | undefined;
      readonly notes?: string | undefined;
    };
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly site: string;
      readonly hall: string;
      readonly row: string;
      readonly units: number;
      readonly switches: readonly string[];
      readonly ports: Readonly<Record<string, number>>;
      readonly notes: string;
    };
  };
  /** Delete a rack that nothing refers to. */
  'DELETE /racks/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** A page of subnets, by name. */
  'GET /subnets': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly items: readonly {
        readonly name: string;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
        readonly cidr: string;
        readonly use: 'provisioning' | 'production' | 'out-of-band';
        readonly site: string;
        readonly vlan: number;
        readonly gateway: string | '';
        readonly dns: readonly string[];
        readonly domain: string;
        readonly first: string | '';
        readonly last: string | '';
        readonly pools: readonly {
          readonly first: string;
          readonly last: string;
        }[];
        readonly options: Readonly<Record<string, unknown>>;
        readonly relayed: boolean;
        readonly server: string | '';
        readonly notes: string;
      }[];
      readonly next?: string | undefined;
    };
  };
  /** Read a subnet; its ETag is its version. */
  'GET /subnets/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly cidr: string;
      readonly use: 'provisioning' | 'production' | 'out-of-band';
      readonly site: string;
      readonly vlan: number;
      readonly gateway: string | '';
      readonly dns: readonly string[];
      readonly domain: string;
      readonly first: string | '';
      readonly last: string | '';
      readonly pools: readonly {
        readonly first: string;
        readonly last: string;
      }[];
      readonly options: Readonly<Record<string, unknown>>;
      readonly relayed: boolean;
      readonly server: string | '';
      readonly notes: string;
    };
  };
  /** Make or replace a subnet: If-Match is the version that was read, "0" for a new one. */
  'PUT /subnets/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly cidr: string;
      readonly use?: 'provisioning' | 'production' | 'out-of-band' | undefined;
      readonly site?: string | undefined;
      readonly vlan?: number | undefined;
      readonly gateway?: string | '' | undefined;
      readonly dns?: readonly string[] | undefined;
      readonly domain?: string | undefined;
      readonly first?: string | '' | undefined;
      readonly last?: string | '' | undefined;
      readonly pools?:
        | readonly {
            readonly first: string;
            readonly last: string;
          }[]
        | undefined;
      readonly options?: Readonly<Record<string, unknown>> | undefined;
      readonly relayed?: boolean | undefined;
      readonly server?: string | '' | undefined;
      readonly notes?: string | undefined;
    };
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly cidr: string;
      readonly use: 'provisioning' | 'production' | 'out-of-band';
      readonly site: string;
      readonly vlan: number;
      readonly gateway: string | '';
      readonly dns: readonly string[];
      readonly domain: string;
      readonly first: string | '';
      readonly last: string | '';
      readonly pools: readonly {
        readonly first: string;
        readonly last: string;
      }[];
      readonly options: Readonly<Record<string, unknown>>;
      readonly relayed: boolean;
      readonly server: string | '';
      readonly notes: string;
    };
  };
  /** Delete a subnet that nothing refers to. */
  'DELETE /subnets/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** A page of naming-rules, by name. */
  'GET /naming-rules': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly items: readonly {
        readonly name: string;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
        readonly role: string;
        readonly site: string;
        readonly pattern: string;
        readonly first: number;
        readonly notes: string;
      }[];
      readonly next?: string | undefined;
    };
  };
  /** Read a naming rule; its ETag is its version. */
  'GET /naming-rules/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly role: string;
      readonly site: string;
      readonly pattern: string;
      readonly first: number;
      readonly notes: string;
    };
  };
  /** Make or replace a naming rule: If-Match is the version that was read, "0" for a new one. */
  'PUT /naming-rules/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly role?: string | undefined;
      readonly site?: string | undefined;
      readonly pattern: string;
      readonly first?: number | undefined;
      readonly notes?: string | undefined;
    };
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly role: string;
      readonly site: string;
      readonly pattern: string;
      readonly first: number;
      readonly notes: string;
    };
  };
  /** Delete a naming rule that nothing refers to. */
  'DELETE /naming-rules/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** A page of hardware-types, by name. */
  'GET /hardware-types': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly items: readonly {
        readonly name: string;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
        readonly priority: number;
        readonly conditions: readonly {
          readonly fact:
            | 'manufacturer'
            | 'product'
            | 'cpuModel'
            | 'cpuCount'
            | 'coreCount'
            | 'threadCount'
            | 'memoryBytes'
            | 'diskCount'
            | 'diskBytes'
            | 'solidDiskCount'
            | 'nicCount'
            | 'gpuCount'
            | 'fastestNicMbps'
            | 'diskFirmware'
            | 'nicFirmware'
            | 'bmcFirmware'
            | 'biosVersion';
          readonly atLeast?: number | undefined;
          readonly atMost?: number | undefined;
          readonly equals?: string | number | undefined;
          readonly contains?: string | undefined;
        }[];
        readonly expect: Readonly<Record<string, string | number>>;
        readonly holdOnMismatch: boolean;
        readonly notes: string;
      }[];
      readonly next?: string | undefined;
    };
  };
  /** Read a hardware type; its ETag is its version. */
  'GET /hardware-types/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly priority: number;
      readonly conditions: readonly {
        readonly fact:
          | 'manufacturer'
          | 'product'
          | 'cpuModel'
          | 'cpuCount'
          | 'coreCount'
          | 'threadCount'
          | 'memoryBytes'
          | 'diskCount'
          | 'diskBytes'
          | 'solidDiskCount'
          | 'nicCount'
          | 'gpuCount'
          | 'fastestNicMbps'
          | 'diskFirmware'
          | 'nicFirmware'
          | 'bmcFirmware'
          | 'biosVersion';
        readonly atLeast?: number | undefined;
        readonly atMost?: number | undefined;
        readonly equals?: string | number | undefined;
        readonly contains?: string | undefined;
      }[];
      readonly expect: Readonly<Record<string, string | number>>;
      readonly holdOnMismatch: boolean;
      readonly notes: string;
    };
  };
  /** Make or replace a hardware type: If-Match is the version that was read, "0" for a new one. */
  'PUT /hardware-types/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly priority?: number | undefined;
      readonly conditions: readonly {
        readonly fact:
          | 'manufacturer'
          | 'product'
          | 'cpuModel'
          | 'cpuCount'
          | 'coreCount'
          | 'threadCount'
          | 'memoryBytes'
          | 'diskCount'
          | 'diskBytes'
          | 'solidDiskCount'
          | 'nicCount'
          | 'gpuCount'
          | 'fastestNicMbps'
          | 'diskFirmware'
          | 'nicFirmware'
          | 'bmcFirmware'
          | 'biosVersion';
        readonly atLeast?: number | undefined;
        readonly atMost?: number | undefined;
        readonly equals?: string | number | undefined;
        readonly contains?: string | undefined;
      }[];
      readonly expect?: Readonly<Record<string, string | number>> | undefined;
      readonly holdOnMismatch?: boolean | undefined;
      readonly notes?: string | undefined;
    };
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly priority: number;
      readonly conditions: readonly {
        readonly fact:
          | 'manufacturer'
          | 'product'
          | 'cpuModel'
          | 'cpuCount'
          | 'coreCount'
          | 'threadCount'
          | 'memoryBytes'
          | 'diskCount'
          | 'diskBytes'
          | 'solidDiskCount'
          | 'nicCount'
          | 'gpuCount'
          | 'fastestNicMbps'
          | 'diskFirmware'
          | 'nicFirmware'
          | 'bmcFirmware'
          | 'biosVersion';
        readonly atLeast?: number | undefined;
        readonly atMost?: number | undefined;
        readonly equals?: string | number | undefined;
        readonly contains?: string | undefined;
      }[];
      readonly expect: Readonly<Record<string, string | number>>;
      readonly holdOnMismatch: boolean;
      readonly notes: string;
    };
  };
  /** Delete a hardware type that nothing refers to. */
  'DELETE /hardware-types/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** A page of squads, by name. */
  'GET /squads': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly items: readonly {
        readonly name: string;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
        readonly contact: string;
        readonly quota?:
          | {
              readonly machines?: number | undefined;
              readonly types?: Readonly<Record<string, number>> | undefined;
            }
          | undefined;
        readonly notes: string;
      }[];
      readonly next?: string | undefined;
    };
  };
  /** Read a squad; its ETag is its version. */
  'GET /squads/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly contact: string;
      readonly quota?:
        | {
            readonly machines?: number | undefined;
            readonly types?: Readonly<Record<string, number>> | undefined;
          }
        | undefined;
      readonly notes: string;
    };
  };
  /** Make or replace a squad: If-Match is the version that was read, "0" for a new one. */
  'PUT /squads/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly contact?: string | undefined;
      readonly quota?:
        | {
            readonly machines?: number | undefined;
            readonly types?: Readonly<Record<string, number>> | undefined;
          }
        | undefined;
      readonly notes?: string | undefined;
    };
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly contact: string;
      readonly quota?:
        | {
            readonly machines?: number | undefined;
            readonly types?: Readonly<Record<string, number>> | undefined;
          }
        | undefined;
      readonly notes: string;
    };
  };
  /** Delete a squad that nothing refers to. */
  'DELETE /squads/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** A page of policies, by name. */
  'GET /policies': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly items: readonly {
        readonly name: string;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
        readonly holdOnLost: readonly ('nic' | 'disk' | 'memory' | 'cpu' | 'gpu')[];
        readonly holdOnChanged: readonly (
          | 'nic'
          | 'disk'
          | 'memory'
          | 'cpu'
          | 'gpu'
          | 'bios'
          | 'bmc'
          | 'disk-firmware'
          | 'nic-firmware'
        )[];
      }[];
      readonly next?: string | undefined;
    };
  };
  /** Read a policy; its ETag is its version. */
  'GET /policies/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly holdOnLost: readonly ('nic' | 'disk' | 'memory' | 'cpu' | 'gpu')[];
      readonly holdOnChanged: readonly (
        | 'nic'
        | 'disk'
        | 'memory'
        | 'cpu'
        | 'gpu'
        | 'bios'
        | 'bmc'
        | 'disk-firmware'
        | 'nic-firmware'
      )[];
    };
  };
  /** Make or replace a policy: If-Match is the version that was read, "0" for a new one. */
  'PUT /policies/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly holdOnLost?: readonly ('nic' | 'disk' | 'memory' | 'cpu' | 'gpu')[] | undefined;
      readonly holdOnChanged?:
        | readonly (
            | 'nic'
            | 'disk'
            | 'memory'
            | 'cpu'
            | 'gpu'
            | 'bios'
            | 'bmc'
            | 'disk-firmware'
            | 'nic-firmware'
          )[]
        | undefined;
    };
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly holdOnLost: readonly ('nic' | 'disk' | 'memory' | 'cpu' | 'gpu')[];
      readonly holdOnChanged: readonly (
        | 'nic'
        | 'disk'
        | 'memory'
        | 'cpu'
        | 'gpu'
        | 'bios'
        | 'bmc'
        | 'disk-firmware'
        | 'nic-firmware'
      )[];
    };
  };
  /** Delete a policy that nothing refers to. */
  'DELETE /policies/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** A page of bmc-profiles, by name. */
  'GET /bmc-profiles': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly items: readonly {
        readonly name: string;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
        readonly machines: readonly string[];
        readonly hardwareType: string;
        readonly vendor: string;
        readonly driver: 'auto' | 'ipmi' | 'redfish';
        readonly port: number;
        readonly keyCredential: string | '';
        readonly suites: readonly number[];
        readonly ipmi15: boolean;
        readonly quirks: readonly (
          | 'open-highest'
          | 'role-lookup'
          | 'padded-name'
          | 'short-rakp2'
          | 'id-zero'
          | 'inner-checksums'
          | 'disk-as-remote'
          | 'sol-no-handshake'
        )[];
        readonly redfishPort: number;
        readonly systemId: string;
        readonly certificate: 'pin' | 'authority';
        readonly notes: string;
      }[];
      readonly next?: string | undefined;
    };
  };
  /** Read a way to speak to BMCs; its ETag is its version. */
  'GET /bmc-profiles/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly machines: readonly string[];
      readonly hardwareType: string;
      readonly vendor: string;
      readonly driver: 'auto' | 'ipmi' | 'redfish';
      readonly port: number;
      readonly keyCredential: string | '';
      readonly suites: readonly number[];
      readonly ipmi15: boolean;
      readonly quirks: readonly (
        | 'open-highest'
        | 'role-lookup'
        | 'padded-name'
        | 'short-rakp2'
        | 'id-zero'
        | 'inner-checksums'
        | 'disk-as-remote'
        | 'sol-no-handshake'
      )[];
      readonly redfishPort: number;
      readonly systemId: string;
      readonly certificate: 'pin' | 'authority';
      readonly notes: string;
    };
  };
  /** Make or replace a way to speak to BMCs: If-Match is the version that was read, "0" for a new one. */
  'PUT /bmc-profiles/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly machines?: readonly string[] | undefined;
      readonly hardwareType?: string | undefined;
      readonly vendor?: string | undefined;
      readonly driver?: 'auto' | 'ipmi' | 'redfish' | undefined;
      readonly port?: number | undefined;
      readonly keyCredential?: string | '' | undefined;
      readonly suites?: readonly number[] | undefined;
      readonly ipmi15?: boolean | undefined;
      readonly quirks?:
        | readonly (
            | 'open-highest'
            | 'role-lookup'
            | 'padded-name'
            | 'short-rakp2'
            | 'id-zero'
            | 'inner-checksums'
            | 'disk-as-remote'
            | 'sol-no-handshake'
          )[]
        | undefined;
      readonly redfishPort?: number | undefined;
      readonly systemId?: string | undefined;
      readonly certificate?: 'pin' | 'authority' | undefined;
      readonly notes?: string | undefined;
    };
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly machines: readonly string[];
      readonly hardwareType: string;
      readonly vendor: string;
      readonly driver: 'auto' | 'ipmi' | 'redfish';
      readonly port: number;
      readonly keyCredential: string | '';
      readonly suites: readonly number[];
      readonly ipmi15: boolean;
      readonly quirks: readonly (
        | 'open-highest'
        | 'role-lookup'
        | 'padded-name'
        | 'short-rakp2'
        | 'id-zero'
        | 'inner-checksums'
        | 'disk-as-remote'
        | 'sol-no-handshake'
      )[];
      readonly redfishPort: number;
      readonly systemId: string;
      readonly certificate: 'pin' | 'authority';
      readonly notes: string;
    };
  };
  /** Delete a way to speak to BMCs that nothing refers to. */
  'DELETE /bmc-profiles/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** A page of roles, by name. */
  'GET /roles': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly items: readonly {
        readonly name: string;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
        readonly metadata: Readonly<Record<string, unknown>>;
        readonly sshKeys: readonly string[];
        readonly userData: string;
        readonly notes: string;
      }[];
      readonly next?: string | undefined;
    };
  };
  /** Read what a role brings to installs; its ETag is its version. */
  'GET /roles/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly metadata: Readonly<Record<string, unknown>>;
      readonly sshKeys: readonly string[];
      readonly userData: string;
      readonly notes: string;
    };
  };
  /** Make or replace what a role brings to installs: If-Match is the version that was read, "0" for a new one. */
  'PUT /roles/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly metadata?: Readonly<Record<string, unknown>> | undefined;
      readonly sshKeys?: readonly string[] | undefined;
      readonly userData?: string | undefined;
      readonly notes?: string | undefined;
    };
    answer: {
      readonly name: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
      readonly metadata: Readonly<Record<string, unknown>>;
      readonly sshKeys: readonly string[];
      readonly userData: string;
      readonly notes: string;
    };
  };
  /** Delete what a role brings to installs that nothing refers to. */
  'DELETE /roles/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** Who has which address of a subnet, in order. */
  'GET /subnets/{name}/addresses': {
    path: {
      readonly name: string;
    };
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly reserved: number;
      readonly addresses: readonly {
        readonly address: string;
        readonly subnet: string;
        readonly mac: string;
        readonly hardwarename: string;
      }[];
      readonly next?: string | undefined;
    };
  };
  /** Apply the hardware types to every report on record. */
  'POST /hardware-types/apply': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly changed: number;
    };
  };
  /** Log in with a password; the session is a cookie. */
  'POST /login': {
    path: object;
    query: object;
    body: {
      readonly user: string;
      readonly password: string;
    };
    answer: {
      readonly who: string;
      readonly kind: string;
      readonly role: 'viewer' | 'technician' | 'operator' | 'admin';
      readonly squads: Readonly<Record<string, 'viewer' | 'technician' | 'operator' | 'admin'>>;
      /** Send it as X-CSRF-Token with every call that writes */
      readonly csrf?: string | undefined;
      /** The site has two appliances: see /standby */
      readonly paired?: boolean | undefined;
    };
  };
  /** How one may sign in here. */
  'GET /login': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      /** Reading needs no login from where you are */
      readonly anonymousRead: boolean;
      readonly password: boolean;
      readonly oidc: {
        readonly label: string;
        readonly url: string;
      } | null;
    };
  };
  /** End the session. */
  'POST /logout': {
    path: object;
    query: object;
    body: undefined;
    answer: undefined;
  };
  /** Who am I, and what may I do. */
  'GET /session': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly who: string;
      readonly kind: string;
      readonly role: 'viewer' | 'technician' | 'operator' | 'admin';
      readonly squads: Readonly<Record<string, 'viewer' | 'technician' | 'operator' | 'admin'>>;
      /** Send it as X-CSRF-Token with every call that writes */
      readonly csrf?: string | undefined;
      /** The site has two appliances: see /standby */
      readonly paired?: boolean | undefined;
    };
  };
  /** Every user. */
  'GET /users': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly users: readonly {
        readonly name: string;
        readonly role: 'viewer' | 'technician' | 'operator' | 'admin';
        readonly squads: Readonly<Record<string, 'viewer' | 'technician' | 'operator' | 'admin'>>;
        readonly hasPassword: boolean;
        readonly disabled: boolean;
        /** Comes in by the site's identity provider, which sets role and squads */
        readonly external: boolean;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
      }[];
    };
  };
  /** Make or replace a user; a password that is left out stays as it is. */
  'PUT /users/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: {
      readonly role?: 'viewer' | 'technician' | 'operator' | 'admin' | undefined;
      readonly squads?:
        | Readonly<Record<string, 'viewer' | 'technician' | 'operator' | 'admin'>>
        | undefined;
      readonly disabled?: boolean | undefined;
      readonly password?: string | undefined;
    };
    answer: {
      readonly name: string;
      readonly role: 'viewer' | 'technician' | 'operator' | 'admin';
      readonly squads: Readonly<Record<string, 'viewer' | 'technician' | 'operator' | 'admin'>>;
      readonly hasPassword: boolean;
      readonly disabled: boolean;
      /** Comes in by the site's identity provider, which sets role and squads */
      readonly external: boolean;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
    };
  };
  /** One user. */
  'GET /users/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly name: string;
      readonly role: 'viewer' | 'technician' | 'operator' | 'admin';
      readonly squads: Readonly<Record<string, 'viewer' | 'technician' | 'operator' | 'admin'>>;
      readonly hasPassword: boolean;
      readonly disabled: boolean;
      /** Comes in by the site's identity provider, which sets role and squads */
      readonly external: boolean;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
    };
  };
  /** Remove a user, with sessions and tokens; machines stay as they are. */
  'DELETE /users/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: undefined;
  };
  /** API tokens: your own, or all for an administrator. */
  'GET /tokens': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly tokens: readonly {
        readonly id: string;
        readonly name: string;
        readonly user: string;
        readonly role: 'viewer' | 'technician' | 'operator' | 'admin';
        readonly squads: Readonly<Record<string, 'viewer' | 'technician' | 'operator' | 'admin'>>;
        /** The token that made it, which it ends with */
        readonly parent: string | null;
        readonly createdBy: string;
        readonly createdAt: number;
        readonly expiresAt: number | null;
        readonly lastUsedAt: number | null;
        readonly revokedAt: number | null;
      }[];
    };
  };
  /** Make an API token; it is shown this once (no Idempotency-Key here). */
  'POST /tokens': {
    path: object;
    query: object;
    body: {
      readonly name: string;
      readonly role?: 'viewer' | 'technician' | 'operator' | 'admin' | undefined;
      readonly squads?:
        | Readonly<Record<string, 'viewer' | 'technician' | 'operator' | 'admin'>>
        | undefined;
      /** The user that it acts as; your own by default */
      readonly user?: string | undefined;
      /** At latest when the token ends that makes it */
      readonly expiresAt?: number | undefined;
    };
    answer: {
      readonly secret: string;
      readonly token: {
        readonly id: string;
        readonly name: string;
        readonly user: string;
        readonly role: 'viewer' | 'technician' | 'operator' | 'admin';
        readonly squads: Readonly<Record<string, 'viewer' | 'technician' | 'operator' | 'admin'>>;
        /** The token that made it, which it ends with */
        readonly parent: string | null;
        readonly createdBy: string;
        readonly createdAt: number;
        readonly expiresAt: number | null;
        readonly lastUsedAt: number | null;
        readonly revokedAt: number | null;
      };
    };
  };
  /** End a token. */
  'DELETE /tokens/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: undefined;
  };
  /** Stored credentials that you may use, by name, without their passwords. */
  'GET /credentials': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly credentials: readonly {
        readonly name: string;
        readonly squad: string;
        readonly username: string;
        readonly notes: string;
        readonly version: number;
        readonly createdAt: number;
        readonly updatedAt: number;
      }[];
    };
  };
  /** Make or replace a credential; the password goes in and never comes out. */
  'PUT /credentials/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: {
      readonly squad?: string | '' | undefined;
      readonly username: string;
      readonly password?: string | undefined;
      readonly notes?: string | undefined;
    };
    answer: {
      readonly name: string;
      readonly squad: string;
      readonly username: string;
      readonly notes: string;
      readonly version: number;
      readonly createdAt: number;
      readonly updatedAt: number;
    };
  };
  /** Delete a credential that no machine uses. */
  'DELETE /credentials/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: undefined;
  };
  /** The feed behind a cursor; with Accept: text/event-stream it stays open. */
  'GET /events': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly limit?: string | number | undefined;
      readonly names?: string | undefined;
      readonly hardwarename?: string | undefined;
      readonly mac?: string | undefined;
      readonly boot?: string | undefined;
      readonly job?: string | undefined;
      readonly beatMs?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly events: readonly Event[];
      /** The number to go on from */
      readonly next: number;
      /** The same with the epoch of the feed: hand this back */
      readonly cursor: string;
      readonly more: boolean;
    };
  };
  /** A row for each machine seen booting, and the cursor from which the feed goes on. */
  'GET /board': {
    path: object;
    query: object;
    body: undefined;
    answer: Readonly<Record<string, unknown>>;
  };
  /** The newest boots, as timelines: of the site, or of one machine. */
  'GET /boots': {
    path: object;
    query: {
      readonly hardwarename?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly boots: readonly Readonly<Record<string, unknown>>[];
    };
  };
  /** One boot with its events. */
  'GET /boots/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly timeline: Readonly<Record<string, unknown>>;
      readonly events: readonly Event[];
      /** Why it stopped, where that has a name */
      readonly diagnosis: Readonly<Record<string, unknown>> | null;
    };
  };
  /** Webhooks that you may see. */
  'GET /webhooks': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly webhooks: readonly Webhook[];
    };
  };
  /** Push events to an address; the signing secret is shown this once. */
  'POST /webhooks': {
    path: object;
    query: object;
    body: {
      readonly url: string;
      /** Only its machines’ events */
      readonly squad?: string | '' | undefined;
      /** Names, or `machine.` */
      readonly names?: readonly string[] | undefined;
    };
    answer: {
      readonly secret: string;
      readonly webhook: Webhook;
    };
  };
  /** What was given up, newest first. */
  'GET /webhooks/{id}/dead-letters': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly deadLetters: readonly {
        readonly id: number;
        readonly webhook: string;
        readonly firstEvent: number;
        readonly lastEvent: number;
        readonly attempts: number;
        readonly error: string;
        readonly at: number;
        /** It is to be sent again, and will be soon */
        readonly again: boolean;
      }[];
    };
  };
  /** Stop a webhook, or let it go on from where it stopped. */
  'PATCH /webhooks/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: {
      readonly enabled: boolean;
    };
    answer: Webhook;
  };
  /** Remove a webhook with its dead letters. */
  'DELETE /webhooks/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: undefined;
  };
  /** Send dead letters again, one or all; one that gets through is no dead letter any more. */
  'POST /webhooks/{id}/redeliver': {
    path: {
      readonly id: string;
    };
    query: object;
    body: {
      readonly letter?: number | undefined;
    };
    answer: {
      readonly letters: number;
    };
  };
  /** How configuration management classifies a machine: by hostname or hardwarename. */
  'GET /enc/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly environment: string;
      readonly classes: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
      readonly parameters: Readonly<Record<string, unknown>>;
    };
  };
  /** Write a consistent copy of the database on the appliance, while it goes on working. */
  'POST /backups': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly file: string;
      readonly sizeBytes: number;
    };
  };
  /** Zones, and what speaks against the next generation. */
  'GET /dns': {
    path: object;
    query: object;
    body: undefined;
    answer: DnsStatus;
  };
  /** A zone as a file: its SOA, then its records in no particular order. */
  'GET /dns/zones/{zone}': {
    path: {
      readonly zone: string;
    };
    query: {
      readonly signed?: string | undefined;
    };
    body: undefined;
    answer: string;
  };
  /** What is answered to a question, and who put it there. */
  'GET /dns/explain': {
    path: object;
    query: {
      readonly name: string;
      readonly type?: string | undefined;
    };
    body: undefined;
    answer: DnsExplained;
  };
  /** Generations, newest first, with cause and faults. */
  'GET /dns/generations': {
    path: object;
    query: {
      readonly limit?: string | number | undefined;
      readonly cursor?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly generations: readonly DnsGeneration[];
      /** The cursor of the next page */
      readonly next?: number | undefined;
    };
  };
  /** What a generation changed, record by record. */
  'GET /dns/generations/{id}': {
    path: {
      readonly id: string | number;
    };
    query: object;
    body: undefined;
    answer: {
      readonly text: string;
    };
  };
  /** What the next generation would change. */
  'GET /dns/pending': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly text: string;
    };
  };
  /** Serve an older generation again, and hold it until resumed. */
  'POST /dns/rollback': {
    path: object;
    query: object;
    body: {
      readonly generation: number;
    };
    answer: DnsStatus;
  };
  /** Serve the next generation although zones shrink. */
  'POST /dns/accept': {
    path: object;
    query: object;
    body: undefined;
    answer: DnsStatus;
  };
  /** End a hold: the inventory decides again. */
  'POST /dns/resume': {
    path: object;
    query: object;
    body: undefined;
    answer: DnsStatus;
  };
  /** Records that people wrote. */
  'GET /dns/records': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly records: readonly DnsRecord[];
    };
  };
  /** Add a record: checked first, then kept and served at once. */
  'POST /dns/records': {
    path: object;
    query: object;
    body: {
      /** Relative to the site, or with a final dot */
      readonly name: string;
      readonly type: string;
      readonly ttl?: number | undefined;
      /** As a zone file has it */
      readonly data: string;
      readonly note?: string | undefined;
      /** Why: it stands in the history. */
      readonly why?: string | undefined;
    };
    answer: DnsRecord;
  };
  /** Remove a record. */
  'DELETE /dns/records/{id}': {
    path: {
      readonly id: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** Jobs, newest first. */
  'GET /jobs': {
    path: object;
    query: {
      readonly status?: string | undefined;
      readonly action?: string | undefined;
      readonly target?: string | undefined;
      readonly requester?: string | undefined;
      readonly ids?: string | undefined;
      readonly include?: 'progress' | undefined;
      readonly cursor?: string | number | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly jobs: readonly Job[];
      /** The cursor of the next page */
      readonly next?: number | undefined;
    };
  };
  /** Ask for a job on one machine. */
  'POST /jobs': {
    path: object;
    query: object;
    body: {
      /** A kind of job: GET /jobs/kinds lists them */
      readonly action: string;
      readonly params?: Readonly<Record<string, unknown>> | undefined;
      /** Higher goes first */
      readonly priority?: number | undefined;
      /** For whom; the requester when absent */
      readonly user?: string | undefined;
      /** hardwarename=C0MPUT3, or the hardwarename alone */
      readonly target: string;
      /** The hardwarename again, of a machine in use */
      readonly release?: string | undefined;
    };
    answer: Job;
  };
  /** Ask for a job on each of many machines, with a result for each. */
  'POST /jobs/bulk': {
    path: object;
    query: object;
    body: {
      /** A kind of job: GET /jobs/kinds lists them */
      readonly action: string;
      readonly params?: Readonly<Record<string, unknown>> | undefined;
      /** Higher goes first */
      readonly priority?: number | undefined;
      /** For whom; the requester when absent */
      readonly user?: string | undefined;
      readonly targets: readonly string[];
      /** The hardwarenames of the machines in use that are released */
      readonly release?: readonly string[] | undefined;
      /** How many machines it is for */
      readonly confirm?: number | undefined;
    };
    answer: {
      readonly created: number;
      readonly refused: number;
      readonly results: readonly {
        readonly target: string;
        readonly ok: boolean;
        readonly id?: string | undefined;
        readonly code?: string | undefined;
        readonly detail?: string | undefined;
      }[];
    };
  };
  /** One job: its steps, what it waits for, its log. */
  'GET /jobs/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: JobDetail;
  };
  /** Stop a job; what it has changed is undone first. */
  'POST /jobs/{id}/cancel': {
    path: {
      readonly id: string;
    };
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: Job;
  };
  /** Every kind of job, with its steps and parameters. */
  'GET /jobs/kinds': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly kinds: readonly {
        readonly action: string;
        readonly version: number;
        readonly says: string;
        readonly steps: readonly string[];
        readonly allowedFrom: readonly string[];
        readonly interrupts: boolean;
        readonly destructive: boolean;
        /** JSON Schema */
        readonly params: Readonly<Record<string, unknown>>;
      }[];
    };
  };
  /** Success, durations by kind, hardware type and step, and the BMCs with most trouble. */
  'GET /jobs/stats': {
    path: object;
    query: object;
    body: undefined;
    answer: JobStats;
  };
  /** Whether the queue runs, and how many jobs are in which status. */
  'GET /jobs/queue': {
    path: object;
    query: object;
    body: undefined;
    answer: JobQueue;
  };
  /** Begin no step of any job. */
  'POST /jobs/pause': {
    path: object;
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: JobQueue;
  };
  /** Go on with all jobs. */
  'POST /jobs/resume': {
    path: object;
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: JobQueue;
  };
  /** Signing keys and their steps. */
  'GET /dns/keys': {
    path: object;
    query: object;
    body: undefined;
    answer: DnsKeys;
  };
  /** DS records for the parent of a signed zone. */
  'GET /dns/zones/{zone}/ds': {
    path: {
      readonly zone: string;
    };
    query: object;
    body: undefined;
    answer: DnsDelegation;
  };
  /** Publish a successor of a key; the rest follows in its time. */
  'POST /dns/rollover': {
    path: object;
    query: object;
    body: {
      readonly role: 'zsk' | 'ksk';
    };
    answer: DnsKeys;
  };
  /** The parent has the new DS: the old key-signing key may go. */
  'POST /dns/rollover/confirm': {
    path: object;
    query: object;
    body: undefined;
    answer: DnsKeys;
  };
  /** BMCs that were seen, by id. */
  'GET /bmcs': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly unmatched?: string | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly items: readonly Bmc[];
      readonly next?: string | undefined;
    };
  };
  /** One BMC. */
  'GET /bmcs/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: Bmc;
  };
  /** Forget it until it is seen again. */
  'DELETE /bmcs/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: undefined;
  };
  /** Switch on the machine of a BMC that matches none, to boot from the network. */
  'POST /bmcs/{id}/wake': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: Bmc;
  };
  /** Look at it now, instead of when it is its turn. */
  'POST /bmcs/{id}/look': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: Bmc;
  };
  /** Forget its certificate: the next one that it shows is pinned. */
  'POST /bmcs/{id}/unpin': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: Bmc;
  };
  /** Its certificate is its own: the site's logins may be sent to it. */
  'POST /bmcs/{id}/trust': {
    path: {
      readonly id: string;
    };
    query: object;
    body: {
      /** SHA-256 of the certificate, in hex, as compared by a person */
      readonly certificate: string;
    };
    answer: Bmc;
  };
  /** It is the BMC of this machine: outweighs what the BMC says of itself. */
  'POST /bmcs/{id}/match': {
    path: {
      readonly id: string;
    };
    query: object;
    body: {
      readonly hardwarename: string;
    };
    answer: Bmc;
  };
  /** What is known of a machine's BMC, without asking it. */
  'GET /machines/{hardwarename}/bmc': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: undefined;
    answer: MachineBmc;
  };
  /** The BMC that this machine reports is its own, although nothing proves it. */
  'POST /machines/{hardwarename}/bmc/confirm': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: undefined;
    answer: MachineBmc;
  };
  /** Try the logins again that its BMC has refused, and look at the one that it reports. */
  'POST /machines/{hardwarename}/bmc/retry': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: undefined;
    answer: MachineBmc;
  };
  /** Whether the machine is on, asked now. */
  'GET /machines/{hardwarename}/bmc/power': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: undefined;
    answer: BmcPower;
  };
  /** Its sensors with their values, asked now; a slow BMC needs a minute. */
  'GET /machines/{hardwarename}/bmc/sensors': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: undefined;
    answer: BmcSensors;
  };
  /** Its event log, oldest first, asked now. */
  'GET /machines/{hardwarename}/bmc/sel': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: undefined;
    answer: BmcLog;
  };
  /** Maker, serial numbers and ids, as the BMC has them. */
  'GET /machines/{hardwarename}/bmc/fru': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: undefined;
    answer: BmcFru;
  };
  /** Every version of every image, or of one. */
  'GET /images': {
    path: object;
    query: {
      readonly name?: string | undefined;
    };
    body: undefined;
    answer: {
      readonly images: readonly Image[];
      readonly channels: readonly ImageChannel[];
    };
  };
  /** Make a version of files that are in the store. */
  'POST /images': {
    path: object;
    query: object;
    body: {
      readonly name: string;
      readonly version: string;
      readonly kind: 'raw' | 'tarball' | 'installer';
      readonly description?: string | undefined;
      readonly format?: 'preseed' | 'kickstart' | 'autoinstall' | 'ignition' | undefined;
      readonly kernelArguments?: string | undefined;
      readonly files: readonly {
        readonly role: 'disk' | 'root' | 'kernel' | 'initrd' | 'template';
        readonly sha256: string;
      }[];
      /** Of the manifest: base64 of an Ed25519 signature, or minisign's file */
      readonly signature?: string | undefined;
      /** Moves this channel to the new version, at once */
      readonly channel?: string | undefined;
      /** Why: it stands in the history. */
      readonly why?: string | undefined;
    };
    answer: Image;
  };
  /** What the store holds, what of it is unused, and what is free. */
  'GET /image-store': {
    path: object;
    query: object;
    body: undefined;
    answer: ImageStore;
  };
  /** Machines that are being sent an image, and those that wait for their turn. */
  'GET /image-streams': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly streams: readonly ImageStream[];
    };
  };
  /** Remove files that no version is made of, at once, and what crashes left behind. */
  'POST /image-store/collect': {
    path: object;
    query: object;
    body: object;
    answer: {
      readonly files: number;
      readonly sizeBytes: number;
      readonly orphans: number;
      readonly uploads: number;
    };
  };
  /** One version. */
  'GET /images/{name}/versions/{version}': {
    path: {
      readonly name: string;
      readonly version: string;
    };
    query: object;
    body: undefined;
    answer: Image;
  };
  /** Remove a version that no channel, job or request needs. */
  'DELETE /images/{name}/versions/{version}': {
    path: {
      readonly name: string;
      readonly version: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** Where a channel points, and where it has pointed. */
  'GET /images/{name}/channels/{channel}': {
    path: {
      readonly name: string;
      readonly channel: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly channel: ImageChannel | null;
      readonly moves: readonly {
        /** Milliseconds since 1970, UTC */
        readonly at: number;
        /** Empty for a new channel */
        readonly from: string;
        /** Empty when it was removed */
        readonly to: string;
        readonly who: string;
        readonly why: string;
      }[];
    };
  };
  /** Point a channel to a version: installs that begin from now on get it. */
  'PUT /images/{name}/channels/{channel}': {
    path: {
      readonly name: string;
      readonly channel: string;
    };
    query: object;
    body: {
      readonly version: string;
      /** Why: it stands in the history. */
      readonly why?: string | undefined;
    };
    answer: ImageChannel;
  };
  /** Remove a channel that no pool, job or request uses; its history stays. */
  'DELETE /images/{name}/channels/{channel}': {
    path: {
      readonly name: string;
      readonly channel: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** Point a channel to where it pointed before its last move. */
  'POST /images/{name}/channels/{channel}/rollback': {
    path: {
      readonly name: string;
      readonly channel: string;
    };
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why?: string | undefined;
    };
    answer: ImageChannel;
  };
  /** Uploads and imports, newest first. */
  'GET /image-uploads': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly uploads: readonly ImageUpload[];
    };
  };
  /** Announce a file that will be sent, or have one fetched. */
  'POST /image-uploads': {
    path: object;
    query: object;
    body: {
      /** Of what will be sent */
      readonly sizeBytes?: number | undefined;
      /** Fetch it: a URL of HTTP, or a file in the folder that is configured for it */
      readonly from?: string | undefined;
      /** What it must be */
      readonly sha256?: string | undefined;
    };
    answer: ImageUpload;
  };
  /** Send its bytes: all, or from Content-Range on. */
  'PUT /image-uploads/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: ImageUpload;
  };
  /** How far it is, and where to go on. */
  'GET /image-uploads/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: ImageUpload;
  };
  /** Give it up; what has been received is removed. */
  'DELETE /image-uploads/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: undefined;
  };
  /** Certificates of recycled machines, newest first. */
  'GET /certificates': {
    path: object;
    query: {
      readonly hardwarename?: string | undefined;
      readonly before?: string | number | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly certificates: readonly Certificate[];
    };
  };
  /** One certificate. */
  'GET /certificates/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: Certificate;
  };
  /** The public key that certificates are checked with. */
  'GET /certificate-key': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly algorithm: 'Ed25519';
      readonly pem: string;
    };
  };
  /** Why boots stopped, the newest first. */
  'GET /diagnoses': {
    path: object;
    query: {
      readonly hardwarename?: string | undefined;
      readonly mac?: string | undefined;
      readonly boot?: string | undefined;
      readonly name?: string | undefined;
      readonly open?: 'true' | 'false' | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly diagnoses: readonly Diagnosis[];
    };
  };
  /** How often each was made, by rack, switch and model. */
  'GET /diagnoses/counts': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly counts: readonly {
        readonly name: string;
        readonly site: string;
        readonly rack: string;
        readonly switch: string;
        readonly model: string;
        readonly total: number;
        readonly open: number;
      }[];
    };
  };
  /** Every diagnosis that there is. */
  'GET /diagnoses/rules': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly rules: readonly {
        readonly name: string;
        readonly title: string;
        readonly confidence: string;
        readonly says: string;
        readonly next: string;
        readonly not: Readonly<Record<string, string>>;
        readonly remedy: string;
      }[];
    };
  };
  /** The flight record of a boot: every wire it crossed, in the order of time; the console for technicians. */
  'GET /boots/{id}/flight': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: Readonly<Record<string, unknown>>;
  };
  /** The packets of a boot as pcapng, in base64. */
  'GET /boots/{id}/capture': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly boot: string;
      readonly pcapng: string;
    };
  };
  /** What worked and failed on machines and models. */
  'GET /quirks': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly quirks: readonly Quirk[];
    };
  };
  /** Write what works or fails; learning never changes it. */
  'PUT /quirks': {
    path: object;
    query: object;
    body: {
      readonly scope: 'machine' | 'model';
      /** A MAC, or vendor / product / firmware */
      readonly subject: string;
      readonly trait: 'binary' | 'blksize' | 'local-boot' | 'override';
      readonly value: string;
      readonly outcome: 'works' | 'fails';
      readonly why: string;
    };
    answer: Quirk;
  };
  /** Forget one: the next attempt is free to try it again. */
  'DELETE /quirks': {
    path: object;
    query: {
      readonly scope: 'machine' | 'model';
      readonly subject: string;
      readonly trait: 'binary' | 'blksize' | 'local-boot' | 'override';
      readonly value: string;
    };
    body: undefined;
    answer: undefined;
  };
  /** How long each phase of a boot took, beside what boots of its model take. */
  'GET /boots/{id}/phases': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly phases: readonly {
        readonly phase: string;
        readonly tookMs: number;
        /** That the figures are from */
        readonly boots: number;
        readonly medianMs: number;
        readonly p95Ms: number;
        /** Unusually long for its model */
        readonly slow: boolean;
      }[];
    };
  };
  /** How long each phase of a boot takes, by model. */
  'GET /expected-times': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly times: readonly {
        readonly model: string;
        readonly phase: string;
        readonly boots: number;
        readonly medianMs: number;
        readonly p95Ms: number;
        readonly p99Ms: number;
      }[];
    };
  };
  /** What a board keeps of every machine, a page at a time; the feed goes on from `cursor`. */
  'GET /board/machines': {
    path: object;
    query: {
      readonly after?: string | undefined;
      readonly names?: string | undefined;
    };
    body: undefined;
    answer: {
      readonly site: string;
      readonly now: number;
      readonly cursor: number;
      readonly machines: readonly FleetMachine[];
      readonly next?: string | undefined;
    };
  };
  /** Ask for machines: they are chosen, named, installed, and replaced when they fail. */
  'POST /requests': {
    path: object;
    query: object;
    body: {
      /** Datacenter; the appliance’s own when absent */
      readonly site?: string | undefined;
      readonly hall?: string | undefined;
      /** Only in these */
      readonly racks?: readonly string[] | undefined;
      /** What the machines will do: e.g. fancydb */
      readonly role: string;
      /** The team that gets them */
      readonly squad?: string | undefined;
      /** The person to ask; whoever asks when absent */
      readonly owner?: string | undefined;
      /** In words ("2 NVMe >= 1 TB, 256 GB memory") or as JSON; docs/provisioning.md */
      readonly hardware?:
        | string
        | {
            /** A hardware type of ServerDb */
            readonly type?: string | undefined;
            /** Is part of what the report says, in any case */
            readonly manufacturer?: string | undefined;
            readonly product?: string | undefined;
            readonly cpus?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly cores?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly threads?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly gpus?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly memoryBytes?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly disks?:
              | readonly {
                  readonly count: number;
                  readonly kind?: 'nvme' | 'ssd' | 'hdd' | undefined;
                  readonly sizeBytes?:
                    | {
                        readonly atLeast?: number | undefined;
                        readonly atMost?: number | undefined;
                      }
                    | undefined;
                }[]
              | undefined;
            readonly nics?:
              | readonly {
                  readonly count: number;
                  readonly speedMbps?:
                    | {
                        readonly atLeast?: number | undefined;
                        readonly atMost?: number | undefined;
                      }
                    | undefined;
                }[]
              | undefined;
          }
        | undefined;
      readonly spread?:
        | {
            /** At most so many in one rack */
            readonly perRackMax?: number | undefined;
            /** As even over the racks as possible, before all else */
            readonly even?: boolean | undefined;
          }
        | undefined;
      /** debian-12/stable, or debian-12@VERSION */
      readonly image: string;
      readonly sshKeys?: readonly string[] | undefined;
      /** More parameters of the install job: layout, disks, metadata, userData, ... */
      readonly install?: Readonly<Record<string, unknown>> | undefined;
      /** How they are called; the naming rule of role and site when absent */
      readonly hostname?:
        | {
            readonly pattern: string;
            readonly first?: number | undefined;
          }
        | undefined;
      /** At most so many installs at once */
      readonly parallel?: number | undefined;
      readonly count: number;
      /** Higher goes first */
      readonly priority?: number | undefined;
      /** Stands in the history */
      readonly why?: string | undefined;
    };
    answer: ProvisioningRequest;
  };
  /** Requests, newest first. */
  'GET /requests': {
    path: object;
    query: {
      readonly status?: string | undefined;
      readonly pool?: string | undefined;
      readonly role?: string | undefined;
      readonly squad?: string | undefined;
      readonly cursor?: string | number | undefined;
      readonly limit?: string | number | undefined;
    };
    body: undefined;
    answer: {
      readonly requests: readonly ProvisioningRequest[];
      /** The cursor of the next page */
      readonly next?: number | undefined;
    };
  };
  /** Which machines a request would get now, why these, and why not the others. */
  'POST /requests/plan': {
    path: object;
    query: object;
    body: {
      /** Datacenter; the appliance’s own when absent */
      readonly site?: string | undefined;
      readonly hall?: string | undefined;
      /** Only in these */
      readonly racks?: readonly string[] | undefined;
      /** What the machines will do: e.g. fancydb */
      readonly role: string;
      /** The team that gets them */
      readonly squad?: string | undefined;
      /** The person to ask; whoever asks when absent */
      readonly owner?: string | undefined;
      /** In words ("2 NVMe >= 1 TB, 256 GB memory") or as JSON; docs/provisioning.md */
      readonly hardware?:
        | string
        | {
            /** A hardware type of ServerDb */
            readonly type?: string | undefined;
            /** Is part of what the report says, in any case */
            readonly manufacturer?: string | undefined;
            readonly product?: string | undefined;
            readonly cpus?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly cores?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly threads?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly gpus?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly memoryBytes?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly disks?:
              | readonly {
                  readonly count: number;
                  readonly kind?: 'nvme' | 'ssd' | 'hdd' | undefined;
                  readonly sizeBytes?:
                    | {
                        readonly atLeast?: number | undefined;
                        readonly atMost?: number | undefined;
                      }
                    | undefined;
                }[]
              | undefined;
            readonly nics?:
              | readonly {
                  readonly count: number;
                  readonly speedMbps?:
                    | {
                        readonly atLeast?: number | undefined;
                        readonly atMost?: number | undefined;
                      }
                    | undefined;
                }[]
              | undefined;
          }
        | undefined;
      readonly spread?:
        | {
            /** At most so many in one rack */
            readonly perRackMax?: number | undefined;
            /** As even over the racks as possible, before all else */
            readonly even?: boolean | undefined;
          }
        | undefined;
      /** debian-12/stable, or debian-12@VERSION */
      readonly image: string;
      readonly sshKeys?: readonly string[] | undefined;
      /** More parameters of the install job: layout, disks, metadata, userData, ... */
      readonly install?: Readonly<Record<string, unknown>> | undefined;
      /** How they are called; the naming rule of role and site when absent */
      readonly hostname?:
        | {
            readonly pattern: string;
            readonly first?: number | undefined;
          }
        | undefined;
      /** At most so many installs at once */
      readonly parallel?: number | undefined;
      readonly count: number;
      /** Higher goes first */
      readonly priority?: number | undefined;
      /** Stands in the history */
      readonly why?: string | undefined;
    };
    answer: ProvisioningPlan;
  };
  /** One request: its places with machine, progress and estimated end; its whole history. */
  'GET /requests/{id}': {
    path: {
      readonly id: string;
    };
    query: object;
    body: undefined;
    answer: ProvisioningRequestDetail;
  };
  /** Call a request off: installs are stopped, machines in use stay. */
  'POST /requests/{id}/cancel': {
    path: {
      readonly id: string;
    };
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: ProvisioningRequest;
  };
  /** Machines by site and hardware type: free, warm, in which states. */
  'GET /capacity': {
    path: object;
    query: {
      readonly site?: string | undefined;
      readonly hardware?: string | undefined;
    };
    body: undefined;
    answer: {
      readonly rows: readonly {
        readonly site: string;
        readonly type: string;
        readonly total: number;
        /** What a request may take now */
        readonly free: number;
        /** Of the free: they wait in pxeimage */
        readonly warm: number;
        /** Available, but not to be taken now */
        readonly unfit: number;
        readonly states: Readonly<Record<string, number>>;
      }[];
    };
  };
  /** What too many failures had in common, newest first; open ones keep machines out. */
  'GET /breakers': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly breakers: readonly Breaker[];
    };
  };
  /** The cause is gone: what failed before this moment counts no more. */
  'POST /breakers/{number}/close': {
    path: {
      readonly number: string | number;
    };
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: Breaker;
  };
  /** All pools, by name. */
  'GET /pools': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly pools: readonly Pool[];
    };
  };
  /** One pool with its machines; its ETag is its version. */
  'GET /pools/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: PoolDetail;
  };
  /** Make or change a pool: If-Match is the version that was read, "0" for a new one. */
  'PUT /pools/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
      readonly confirm?: string | number | undefined;
    };
    body: {
      /** Datacenter; the appliance’s own when absent */
      readonly site?: string | undefined;
      readonly hall?: string | undefined;
      /** Only in these */
      readonly racks?: readonly string[] | undefined;
      /** What the machines will do: e.g. fancydb */
      readonly role: string;
      /** The team that gets them */
      readonly squad?: string | undefined;
      /** The person to ask; whoever asks when absent */
      readonly owner?: string | undefined;
      /** In words ("2 NVMe >= 1 TB, 256 GB memory") or as JSON; docs/provisioning.md */
      readonly hardware?:
        | string
        | {
            /** A hardware type of ServerDb */
            readonly type?: string | undefined;
            /** Is part of what the report says, in any case */
            readonly manufacturer?: string | undefined;
            readonly product?: string | undefined;
            readonly cpus?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly cores?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly threads?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly gpus?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly memoryBytes?:
              | {
                  readonly atLeast?: number | undefined;
                  readonly atMost?: number | undefined;
                }
              | undefined;
            readonly disks?:
              | readonly {
                  readonly count: number;
                  readonly kind?: 'nvme' | 'ssd' | 'hdd' | undefined;
                  readonly sizeBytes?:
                    | {
                        readonly atLeast?: number | undefined;
                        readonly atMost?: number | undefined;
                      }
                    | undefined;
                }[]
              | undefined;
            readonly nics?:
              | readonly {
                  readonly count: number;
                  readonly speedMbps?:
                    | {
                        readonly atLeast?: number | undefined;
                        readonly atMost?: number | undefined;
                      }
                    | undefined;
                }[]
              | undefined;
          }
        | undefined;
      readonly spread?:
        | {
            /** At most so many in one rack */
            readonly perRackMax?: number | undefined;
            /** As even over the racks as possible, before all else */
            readonly even?: boolean | undefined;
          }
        | undefined;
      /** debian-12/stable, or debian-12@VERSION */
      readonly image: string;
      readonly sshKeys?: readonly string[] | undefined;
      /** More parameters of the install job: layout, disks, metadata, userData, ... */
      readonly install?: Readonly<Record<string, unknown>> | undefined;
      /** How they are called; the naming rule of role and site when absent */
      readonly hostname?:
        | {
            readonly pattern: string;
            readonly first?: number | undefined;
          }
        | undefined;
      /** At most so many installs at once */
      readonly parallel?: number | undefined;
      /** How many, always */
      readonly count: number;
      readonly health?:
        | {
            /** Fetched regularly; any 2xx is health */
            readonly url?: string | undefined;
            readonly everySeconds?: number | undefined;
            /** In a row: it has failed */
            readonly failuresMax?: number | undefined;
            /** After an install */
            readonly graceSeconds?: number | undefined;
          }
        | undefined;
    };
    answer: Pool;
  };
  /** Forget a pool: its requests are called off, its machines stay in use. */
  'DELETE /pools/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** Make a pool larger or smaller, and change nothing else of it. */
  'PUT /pools/{name}/size': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
      readonly confirm?: string | number | undefined;
    };
    body: {
      /** How many, always */
      readonly count: number;
    };
    answer: Pool;
  };
  /** Rolling resets, newest first. */
  'GET /resets': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly resets: readonly Reset[];
    };
  };
  /** Install the machines of a pool or of a site’s pools anew, one after the other. */
  'POST /resets': {
    path: object;
    query: object;
    body: {
      /** Away at once, whatever for */
      readonly atOnceMax?: number | undefined;
      /** Nothing begins after that */
      readonly withinHours?: number | undefined;
      /** More of them stop it */
      readonly failuresMax?: number | undefined;
      /** The image of the pool when absent */
      readonly image?: string | undefined;
      readonly why: string;
      /** All pools of the site when absent */
      readonly pool?: string | undefined;
      readonly site?: string | undefined;
    };
    answer: Reset;
  };
  /** Begin no more. */
  'POST /resets/{number}/pause': {
    path: {
      readonly number: string | number;
    };
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: Reset;
  };
  /** Go on. */
  'POST /resets/{number}/resume': {
    path: {
      readonly number: string | number;
    };
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: Reset;
  };
  /** End it here. */
  'POST /resets/{number}/abort': {
    path: {
      readonly number: string | number;
    };
    query: object;
    body: {
      /** Why: it stands in the history. */
      readonly why: string;
    };
    answer: Reset;
  };
  /** Every delivery, newest first, with how much of it has come. */
  'GET /deliveries': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly deliveries: readonly Delivery[];
    };
  };
  /** A delivery, each line compared with the machines on record: what is wrong first. */
  'GET /deliveries/{name}': {
    path: {
      readonly name: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly delivery: Delivery;
      readonly lines: readonly {
        /** From 1; 0 for a machine that is in no list */
        readonly line: number;
        readonly serial: string;
        readonly product: string;
        readonly rack: string;
        readonly unit: number;
        readonly status: 'missing' | 'duplicate' | 'wrong slot' | 'unexpected' | 'arrived';
        readonly hardwarename: string;
        readonly foundRack: string;
        readonly foundUnit: number;
        readonly why: string;
      }[];
    };
  };
  /** Take in a packing list, in the place of the one that was there. */
  'PUT /deliveries/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: {
      readonly supplier?: string | undefined;
      readonly expectedOn?: string | '' | undefined;
      readonly notes?: string | undefined;
      readonly lines?:
        | readonly {
            readonly serial: string;
            readonly product?: string | undefined;
            /** Where it is to stand; empty: anywhere */
            readonly rack?: string | undefined;
            /** Lowest unit; 0: any */
            readonly unit?: number | undefined;
          }[]
        | undefined;
      /** The same as CSV: a header with serial, and product, rack, unit where they are known */
      readonly sheet?: string | undefined;
    };
    answer: Delivery;
  };
  /** Forget a delivery; machines stay as they are. */
  'DELETE /deliveries/{name}': {
    path: {
      readonly name: string;
    };
    query: {
      readonly why?: string | undefined;
    };
    body: undefined;
    answer: undefined;
  };
  /** Every value of the configuration, and whether the file or a default gave it. */
  'GET /configuration': {
    path: object;
    query: object;
    body: undefined;
    answer: {
      readonly rows: readonly {
        /** dhcp.segments.0.iface */
        readonly key: string;
        /** As JSON; what is secret shows as … */
        readonly value: string;
        readonly origin: 'file' | 'default';
      }[];
    };
  };
  /** What a NIC would be offered, on record or not, at each stage of a boot, and why. */
  'GET /nics/{mac}/explain': {
    path: {
      readonly mac: string;
    };
    query: object;
    body: undefined;
    answer: Explained;
  };
  /** What it would be offered at each stage of a boot, and why; changes nothing. */
  'GET /machines/{hardwarename}/explain': {
    path: {
      readonly hardwarename: string;
    };
    query: {
      readonly mac?: string | undefined;
    };
    body: undefined;
    answer: Explained;
  };
  /** What a machine was offered and served at a moment of the past, and why. */
  'GET /past': {
    path: object;
    query: {
      readonly subject: string;
      readonly at: string;
    };
    body: undefined;
    answer: PastMoment;
  };
  /** What would change over the whole fleet (offers, scripts, types, next installs, leases, zones) with another configuration, record, template or channel; changes nothing. */
  'POST /configuration/diff': {
    path: object;
    query: object;
    body: {
      /** The whole configuration file to be, YAML */
      readonly config?: string | undefined;
      readonly records?:
        | readonly {
            readonly kind:
              | 'rack'
              | 'subnet'
              | 'naming'
              | 'type'
              | 'squad'
              | 'policy'
              | 'bmc'
              | 'role';
            readonly name: string;
            /** As its own route takes it; null: deleted */
            readonly doc: Readonly<Record<string, unknown>> | null;
          }[]
        | undefined;
      /** Templates of iPXE scripts by the names of their files */
      readonly scripts?: Readonly<Record<string, string>> | undefined;
      /** Templates of installers by their images, as installs ask for them */
      readonly templates?: Readonly<Record<string, string>> | undefined;
      /** Versions that channels of images would point to */
      readonly channels?: Readonly<Record<string, string>> | undefined;
    };
    answer: FleetDiff;
  };
  /** A machine's serial console: as a WebSocket it is open, else what is known of it. */
  'GET /machines/{hardwarename}/console': {
    path: {
      readonly hardwarename: string;
    };
    query: {
      readonly mode?: 'write' | 'watch' | undefined;
      readonly takeOver?: 'true' | 'false' | undefined;
    };
    body: undefined;
    answer: {
      /** Whether the line is open: watched or recorded */
      readonly open: boolean;
      readonly watchers: number;
      /** Who types; '' for nobody */
      readonly writer: string;
      /** Newest first */
      readonly recordings: readonly {
        readonly number: number;
        readonly hardwarename: string;
        /** The boot's id; '' for one that asked for no address */
        readonly boot: string;
        /** What began it: the action of a job, or `boot` */
        readonly why: string;
        readonly startedAt: number;
        /** Of the last byte */
        readonly lastAt: number;
        /** 0 while it goes on */
        readonly endedAt: number;
        /** Why it ended */
        readonly ended: string;
        readonly heardBytes: number;
        /** The beginning and the end; what lay between is gone */
        readonly keptBytes: number;
      }[];
    };
  };
  /** What the machine printed when it last booted. */
  'GET /machines/{hardwarename}/console/last': {
    path: {
      readonly hardwarename: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly recording: {
        readonly number: number;
        readonly hardwarename: string;
        /** The boot's id; '' for one that asked for no address */
        readonly boot: string;
        /** What began it: the action of a job, or `boot` */
        readonly why: string;
        readonly startedAt: number;
        /** Of the last byte */
        readonly lastAt: number;
        /** 0 while it goes on */
        readonly endedAt: number;
        /** Why it ended */
        readonly ended: string;
        readonly heardBytes: number;
        /** The beginning and the end; what lay between is gone */
        readonly keptBytes: number;
      };
      /** As printed, escape sequences and all; boot tokens are hidden */
      readonly text: string;
    };
  };
  /** What it printed in one boot, by the id of the boot. */
  'GET /machines/{hardwarename}/console/boots/{which}': {
    path: {
      readonly hardwarename: string;
      readonly which: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly recording: {
        readonly number: number;
        readonly hardwarename: string;
        /** The boot's id; '' for one that asked for no address */
        readonly boot: string;
        /** What began it: the action of a job, or `boot` */
        readonly why: string;
        readonly startedAt: number;
        /** Of the last byte */
        readonly lastAt: number;
        /** 0 while it goes on */
        readonly endedAt: number;
        /** Why it ended */
        readonly ended: string;
        readonly heardBytes: number;
        /** The beginning and the end; what lay between is gone */
        readonly keptBytes: number;
      };
      /** As printed, escape sequences and all; boot tokens are hidden */
      readonly text: string;
    };
  };
  /** One recording, by its number. */
  'GET /machines/{hardwarename}/console/recordings/{which}': {
    path: {
      readonly hardwarename: string;
      readonly which: string;
    };
    query: object;
    body: undefined;
    answer: {
      readonly recording: {
        readonly number: number;
        readonly hardwarename: string;
        /** The boot's id; '' for one that asked for no address */
        readonly boot: string;
        /** What began it: the action of a job, or `boot` */
        readonly why: string;
        readonly startedAt: number;
        /** Of the last byte */
        readonly lastAt: number;
        /** 0 while it goes on */
        readonly endedAt: number;
        /** Why it ended */
        readonly ended: string;
        readonly heardBytes: number;
        /** The beginning and the end; what lay between is gone */
        readonly keptBytes: number;
      };
      /** As printed, escape sequences and all; boot tokens are hidden */
      readonly text: string;
    };
  };
}
