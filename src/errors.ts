/**
 * The closed list of errors that leave the appliance, each with its HTTP status and one sentence that says what to do.
 * The log prints the cause chain once; the client hears the code, the sentence and a request id (RFC 9457).
 * A dropped packet is not an error: it is a counted drop reason of its protocol.
 */
export const ERRORS = {
  CONFIG_INVALID: { httpStatus: 500, message: 'The configuration is not valid.' },
  CONFIG_UNREADABLE: { httpStatus: 500, message: 'A file that was named cannot be read.' },
  INTERFACE_MISSING: {
    httpStatus: 500,
    message: 'A network interface named in the configuration does not exist.',
  },
  NOT_ACTIVE: {
    httpStatus: 503,
    message: 'Another appliance of this site is active: nothing is changed here.',
  },
  STANDBY_REFUSED: { httpStatus: 409, message: 'The two appliances do not change places now.' },
  LISTEN_FAILED: { httpStatus: 500, message: 'A socket could not be opened.' },
  ASSET_MISSING: {
    httpStatus: 500,
    message:
      'A boot file is missing; build it with `make pxeimage`, or `make pxeimage-metal` for real servers.',
  },
  TLS_INVALID: { httpStatus: 500, message: 'A TLS certificate or key cannot be used.' },
  DATABASE_FAILED: { httpStatus: 500, message: 'The database cannot be opened.' },
  CAPTURE_UNREADABLE: { httpStatus: 500, message: 'The capture cannot be read.' },
  DNS_REFUSED: { httpStatus: 409, message: 'These zones would not pass the checks.' },
  TOKEN_UNKNOWN: { httpStatus: 404, message: 'No such boot token.' },
  TOKEN_EXPIRED: {
    httpStatus: 410,
    message: 'This boot token has expired; reboot the machine to get a new one.',
  },
  TOKEN_PURPOSE: { httpStatus: 403, message: 'This boot token is not valid for this request.' },
  TOKEN_MISMATCH: { httpStatus: 403, message: 'This boot token belongs to another machine.' },
  REPORT_INVALID: {
    httpStatus: 400,
    message: 'The recon report does not have the documented form.',
  },
  REPORT_TOO_LARGE: { httpStatus: 413, message: 'The recon report is larger than the limit.' },
  REPORT_CHANGED: { httpStatus: 409, message: 'This boot has already reported something else.' },
  REQUEST_INVALID: { httpStatus: 400, message: 'The request is not valid.' },
  NOT_FOUND: { httpStatus: 404, message: 'There is nothing here.' },
  METHOD_NOT_ALLOWED: {
    httpStatus: 405,
    message: 'This is asked for in another way: the Allow header says which.',
  },
  NOT_HERE: { httpStatus: 404, message: 'This appliance does not do that.' },
  MACHINE_UNKNOWN: { httpStatus: 404, message: 'No such machine.' },
  TRANSITION_ILLEGAL: { httpStatus: 409, message: 'A machine in this state cannot go there.' },
  DISKS_NOT_CLEAN: {
    httpStatus: 409,
    message: 'Data may be on its disks: only a proven recycle makes it capacity.',
  },
  HOSTNAME_TAKEN: { httpStatus: 409, message: 'Another machine has this hostname.' },
  UNIT_TAKEN: { httpStatus: 409, message: 'Another machine fills these units of the rack.' },
  ADDRESS_TAKEN: { httpStatus: 409, message: 'This address belongs to another NIC or machine.' },
  ALREADY_EXISTS: { httpStatus: 409, message: 'There is one with this name already.' },
  SUBNET_CONFLICT: { httpStatus: 409, message: 'DHCP could not serve this subnet as it is.' },
  STILL_REFERENCED: { httpStatus: 409, message: 'Something still refers to this.' },
  NAMES_EXHAUSTED: { httpStatus: 409, message: 'The naming rule has no free name left.' },
  ADDRESSES_EXHAUSTED: { httpStatus: 409, message: 'The subnet has no free address left.' },
  VERSION_CONFLICT: {
    httpStatus: 412,
    message: 'It has changed since you read it; read it again and repeat.',
  },
  VERSION_NEEDED: {
    httpStatus: 428,
    message: 'Say which version you have read (If-Match), or * for any.',
  },
  RELEASE_NEEDED: {
    httpStatus: 409,
    message: 'The machine is in use; its owner releases it by naming it (`release`).',
  },
  MACHINE_PROTECTED: { httpStatus: 409, message: 'The machine is protected.' },
  CONFIRMATION_NEEDED: {
    httpStatus: 409,
    message: 'This changes many machines; repeat it with `confirm` set to their number.',
  },
  IDEMPOTENCY_MISMATCH: {
    httpStatus: 422,
    message: 'This Idempotency-Key was used for another request.',
  },
  IDEMPOTENCY_RUNNING: {
    httpStatus: 409,
    message: 'This request is being carried out; ask again in a moment for its answer.',
  },
  IDEMPOTENCY_CUT_OFF: {
    httpStatus: 409,
    message:
      'This request was cut off in the middle: look at what it has changed, and repeat the rest under a new key.',
  },
  EVENTS_COMPACTED: {
    httpStatus: 410,
    message:
      'Events after this cursor have been compacted away; read the state anew and follow from `oldest`.',
  },
  FEED_RESTARTED: {
    httpStatus: 410,
    message:
      'This cursor is of another feed: the database was put back from a copy. Read the state anew and follow from `oldest`.',
  },
  UNAUTHENTICATED: {
    httpStatus: 401,
    message: 'Say who you are: `Authorization: Bearer TOKEN`, or log in.',
  },
  LOGIN_FAILED: { httpStatus: 401, message: 'Unknown user or wrong password.' },
  SIGN_IN_FAILED: {
    httpStatus: 401,
    message: 'The identity provider has not confirmed who you are; begin again.',
  },
  SIGN_IN_REFUSED: {
    httpStatus: 403,
    message: 'The identity provider knows you, but you may not come in here.',
  },
  IDENTITY_PROVIDER_DOWN: {
    httpStatus: 503,
    message: 'The identity provider cannot be reached; a password or a token still works.',
  },
  JOIN_REFUSED: {
    httpStatus: 403,
    message: 'This join code is unknown, used or over; have a new one made at central.',
  },
  CERTIFICATE_REFUSED: {
    httpStatus: 400,
    message: 'No certificate can be made of this.',
  },
  SITE_ONLY: {
    httpStatus: 404,
    message: 'Central does not do that; the appliance of the site does.',
  },
  SITE_REFUSED: { httpStatus: 409, message: 'The site refuses it.' },
  SITE_NOT_SHUT_OUT: {
    httpStatus: 409,
    message: 'A certificate of the site is living; end it first: `reveille sites revoke`.',
  },
  SITE_SHUT_OUT: {
    httpStatus: 409,
    message:
      'The site is shut out and would never hear of it; it joins again (`reveille sites join-code`) or is removed (`reveille federation remove`).',
  },
  SITE_UNCONFIRMED: {
    httpStatus: 409,
    message: 'This ends what is known of the site; repeat it with `confirm` set to its name.',
  },
  SITE_UNKNOWN: { httpStatus: 404, message: 'No such site has joined.' },
  CENTRAL_UNREACHABLE: { httpStatus: 502, message: 'Central cannot be reached.' },
  FORBIDDEN: { httpStatus: 403, message: 'You may not do this.' },
  CSRF_MISSING: {
    httpStatus: 403,
    message: 'A session that writes sends its token in X-CSRF-Token.',
  },
  RATE_LIMITED: { httpStatus: 429, message: 'Too many requests; wait a moment.' },
  BODY_TOO_LARGE: { httpStatus: 413, message: 'The request is larger than the limit.' },
  SECRET_KEY_INVALID: {
    httpStatus: 500,
    message:
      'The key file for secrets cannot be used: it holds 64 hex digits and belongs to us alone.',
  },
  STORAGE_FULL: {
    httpStatus: 507,
    message: 'The disk is full: nothing was changed. Free some space; nothing else is needed.',
  },
  DATABASE_CORRUPT: {
    httpStatus: 500,
    message:
      'The database file is damaged: stop the daemon and restore a backup (`reveille restore`).',
  },
  DATABASE_SILENT: {
    httpStatus: 503,
    message: 'The database does not answer; try again in a moment.',
  },
  DATABASE_BUSY: {
    httpStatus: 503,
    message: 'The database took too long and has changed nothing; try again in a moment.',
  },
  TOO_MANY_READERS: { httpStatus: 503, message: 'Too many live readers; try again in a moment.' },
  BMC_UNREACHABLE: {
    httpStatus: 504,
    message: 'The BMC does not answer; IPMI over LAN may be disabled on it.',
  },
  BMC_TIMEOUT: { httpStatus: 504, message: 'The BMC stopped answering.' },
  BMC_USER: { httpStatus: 502, message: 'The BMC does not know this user.' },
  BMC_PASSWORD: { httpStatus: 502, message: 'The BMC has another password for this user.' },
  BMC_KG: { httpStatus: 502, message: 'The BMC has another K_G (BMC key).' },
  BMC_PRIVILEGE: {
    httpStatus: 502,
    message: 'The BMC does not grant this user the privilege that was asked for.',
  },
  BMC_SUITE: { httpStatus: 502, message: 'The BMC accepts none of the cipher suites.' },
  BMC_BUSY: { httpStatus: 503, message: 'The BMC has no free session; try again in a minute.' },
  BMC_REFUSED: { httpStatus: 502, message: 'The BMC refused the command.' },
  BMC_UNCERTAIN: {
    httpStatus: 502,
    message: 'The reply was lost twice, and nothing tells what came of it: look at the machine.',
  },
  BMC_UNTRUSTED: {
    httpStatus: 409,
    message: 'Nobody has confirmed the certificate of this BMC, so this login is not sent to it.',
  },
  BMC_LOCKOUT: {
    httpStatus: 409,
    message: 'This BMC has refused too many logins within the hour; another may lock an account.',
  },
  BMC_PROTOCOL: { httpStatus: 502, message: 'The BMC sent something that cannot be understood.' },
  BMC_MISSING: {
    httpStatus: 409,
    message: 'The machine has no BMC on record, or no credential for it.',
  },
  CONSOLE_NONE: {
    httpStatus: 409,
    message: 'Consoles are over IPMI (Serial over LAN); Redfish has none of its own.',
  },
  CONSOLE_TAKEN: {
    httpStatus: 409,
    message:
      'Another session has the console of this machine open at its BMC; ask to take it over.',
  },
  BOOT_NOT_SET: { httpStatus: 502, message: 'The BMC did not keep the boot device.' },
  JOB_EXISTS: { httpStatus: 409, message: 'The machine has an unfinished job already.' },
  JOB_STATE: { httpStatus: 409, message: 'A machine in this state cannot have such a job.' },
  JOB_ENDED: { httpStatus: 409, message: 'The job has ended.' },
  QUOTA_EXCEEDED: { httpStatus: 409, message: 'The squad may not have so many machines.' },
  REQUEST_ENDED: { httpStatus: 409, message: 'The request has ended.' },
  JOB_VERSION: {
    httpStatus: 409,
    message: 'This program does not have this version of the job; ask for a new one.',
  },
  JOB_ATTEMPT_LATE: { httpStatus: 504, message: 'An attempt took longer than it may.' },
  JOB_DEADLINE: { httpStatus: 504, message: 'A step of the job took longer than it may.' },
  JOB_INTERRUPTED: {
    httpStatus: 500,
    message: 'The appliance was stopped in the middle of a step too often.',
  },
  JOB_NO_EVENT: { httpStatus: 504, message: 'The machine did not do what was waited for.' },
  IMAGE_INCOMPLETE: {
    httpStatus: 409,
    message: 'The files of this image are not all there.',
  },
  WORK_ENDED: {
    httpStatus: 410,
    message: 'The job that this token belongs to has ended or was called off; do nothing more.',
  },
  WORK_LOOP: {
    httpStatus: 409,
    message: 'The machine came back into the same work boot after boot.',
  },
  DISK_NONE: { httpStatus: 409, message: 'The machine has no disk for this install.' },
  DISK_AMBIGUOUS: { httpStatus: 409, message: 'The rule for disks does not say which ones.' },
  CPU_FAILED: { httpStatus: 502, message: 'A processor of the machine is faulty.' },
  MEMORY_FAILED: { httpStatus: 502, message: "The machine's memory is faulty." },
  DISK_FAILED: { httpStatus: 502, message: 'A disk could not be written or read back.' },
  IMAGE_CORRUPT: { httpStatus: 502, message: 'What arrived is not what the image should be.' },
  IMAGE_UNREACHABLE: { httpStatus: 504, message: 'The image could not be fetched to its end.' },
  INSTALL_UNVERIFIED: { httpStatus: 502, message: 'The installed system did not pass its checks.' },
  AGENT_FAILED: { httpStatus: 502, message: 'The machine could not do its work.' },
  UPLOAD_OFFSET: { httpStatus: 409, message: 'The upload does not go on from there.' },
  UPLOAD_BUSY: { httpStatus: 409, message: 'Somebody is sending this upload already.' },
  UPLOAD_OVER: { httpStatus: 409, message: 'The upload takes no more bytes.' },
  UPLOAD_TOO_LONG: { httpStatus: 413, message: 'There are more bytes than the file may have.' },
  UPLOAD_ABANDONED: {
    httpStatus: 409,
    message: 'Nobody has gone on with this upload for too long.',
  },
  UPLOADS_MANY: {
    httpStatus: 409,
    message: 'Too many uploads are not over; finish or cancel some.',
  },
  IMAGE_MISMATCH: { httpStatus: 422, message: 'The file is not the one that was announced.' },
  UPLOAD_CORRUPT: {
    httpStatus: 422,
    message: 'The file is damaged, or is not what it looks like.',
  },
  IMPORT_FAILED: { httpStatus: 502, message: 'The file could not be fetched.' },
  IMPORT_REFUSED: { httpStatus: 403, message: 'Nothing may be imported from there.' },
  IMAGE_SIGNATURE: { httpStatus: 422, message: 'The signature of this image cannot be accepted.' },
  TEMPLATE_INVALID: {
    httpStatus: 422,
    message: 'The template of this installer cannot be rendered.',
  },
  IMPORT_MISSING: { httpStatus: 502, message: 'The source does not have this file.' },
  IMAGE_QUEUED: {
    httpStatus: 503,
    message: 'Other machines are being sent images; ask again after Retry-After seconds.',
  },
  INTERNAL: {
    httpStatus: 500,
    message: 'Something went wrong in the appliance; the log has the request id.',
  },
} as const satisfies Record<string, { httpStatus: number; message: string }>;

export type ErrorCode = keyof typeof ERRORS;

export interface AppErrorOptions {
  readonly detail?: string;
  readonly path?: string;
  readonly more?: Readonly<Record<string, string | number>>;
  readonly cause?: unknown;
}

/** An error with a code from the list. `detail` is safe to show to the client; the cause is for the log only. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  /** JSON pointer to the part of the input that failed. */
  readonly path: string | undefined;
  /** Members that a program needs to go on, such as the version that is there now. */
  readonly more: Readonly<Record<string, string | number>> | undefined;

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
    super(
      options.detail ? `${ERRORS[code].message} ${options.detail}` : ERRORS[code].message,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = 'AppError';
    this.code = code;
    this.detail = options.detail;
    this.path = options.path;
    this.more = options.more;
  }

  get httpStatus(): number {
    return ERRORS[this.code].httpStatus;
  }
}

/** @param cause what Node says; its first words name the reason, as `ENOENT: no such file or directory` */
export function unreadable(file: string, cause: unknown): AppError {
  const [why = ''] = (cause as Error).message.split(',');
  return new AppError('CONFIG_UNREADABLE', { detail: `(${file}: ${why})`, cause });
}
