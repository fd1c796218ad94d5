/**
 * The words for sensors and their events: units (IPMI 2.0 table 43-15), sensor types with their states (42-3), generic
 * events (42-2) and thresholds. What has no word here is shown as a number.
 */
const UNITS = [
  ...['', '°C', '°F', 'K', 'V', 'A', 'W', 'J', 'C', 'VA', 'nit', 'lm', 'lx', 'cd', 'kPa', 'psi'],
  ...['N', 'cfm', 'rpm', 'Hz', 'µs', 'ms', 's', 'min', 'h', 'd', 'wk', 'mil', 'in', 'ft', 'in³'],
  ...['ft³', 'mm', 'cm', 'm', 'cm³', 'm³', 'l', 'fl oz', 'rad', 'sr', 'rev', 'cycle', 'g', 'oz'],
  ...['lb', 'ft lb', 'oz in', 'G', 'Gb', 'H', 'mH', 'F', 'µF', 'Ω', 'S', 'mol', 'Bq', 'ppm', ''],
  ...['dB', 'dBA', 'dBC', 'Gy', 'Sv', 'color temp K', 'bit', 'kbit', 'Mbit', 'Gbit', 'byte', 'kB'],
  ...['MB', 'GB', 'word', 'dword', 'qword', 'line', 'hit', 'miss', 'retry', 'reset', 'overrun'],
  ...['underrun', 'collision', 'packet', 'message', 'character', 'error', 'correctable error'],
  ...['uncorrectable error', 'fatal error', 'gram'],
];
const RATES = ['', '/µs', '/ms', '/s', '/min', '/h', '/d', ''];

/** The three unit bytes of a sensor record: percent, rate, base unit, modifier. */
export function unitName([flags = 0, base = 0, modifier = 0]: readonly number[]): string {
  const name = UNITS[base] ?? `unit ${base}`;
  const second = UNITS[modifier] ?? `unit ${modifier}`;
  const joined =
    (flags & 6) === 2 ? `${name}/${second}` : (flags & 6) === 4 ? `${name}·${second}` : name;
  return `${flags & 1 ? '%' : ''}${joined}${RATES[(flags >> 3) & 7] ?? ''}`;
}

/** The type of the sensor that reports how the machine was started. */
export const BOOT_INITIATED = 29;

const SENSOR_TYPES: Readonly<Record<number, string>> = {
  1: 'Temperature',
  2: 'Voltage',
  3: 'Current',
  4: 'Fan',
  5: 'Physical Security',
  6: 'Platform Security',
  7: 'Processor',
  8: 'Power Supply',
  9: 'Power Unit',
  10: 'Cooling Device',
  11: 'Other Units',
  12: 'Memory',
  13: 'Drive Slot',
  14: 'POST Memory Resize',
  15: 'System Firmware',
  16: 'Event Logging Disabled',
  17: 'Watchdog 1',
  18: 'System Event',
  19: 'Critical Interrupt',
  20: 'Button',
  21: 'Module',
  22: 'Microcontroller',
  23: 'Add-in Card',
  24: 'Chassis',
  25: 'Chip Set',
  26: 'Other FRU',
  27: 'Cable',
  28: 'Terminator',
  29: 'System Boot',
  30: 'Boot Error',
  31: 'OS Boot',
  32: 'OS Stop',
  33: 'Slot',
  34: 'ACPI Power State',
  35: 'Watchdog 2',
  36: 'Platform Alert',
  37: 'Entity Presence',
  38: 'Monitor ASIC',
  39: 'LAN',
  40: 'Management Subsystem Health',
  41: 'Battery',
  42: 'Session Audit',
  43: 'Version Change',
  44: 'FRU State',
};

export function sensorTypeName(type: number): string {
  return SENSOR_TYPES[type] ?? (type >= 0xc0 ? `OEM ${type}` : `type ${type}`);
}

const THRESHOLD_EVENTS = [
  ...['lower non-critical going low', 'lower non-critical going high'],
  ...['lower critical going low', 'lower critical going high'],
  ...['lower non-recoverable going low', 'lower non-recoverable going high'],
  ...['upper non-critical going low', 'upper non-critical going high'],
  ...['upper critical going low', 'upper critical going high'],
  ...['upper non-recoverable going low', 'upper non-recoverable going high'],
];

/** Generic event types 0x02 to 0x0c. */
const GENERIC_EVENTS: Readonly<Record<number, readonly string[]>> = {
  2: ['transition to idle', 'transition to active', 'transition to busy'],
  3: ['state deasserted', 'state asserted'],
  4: ['predictive failure deasserted', 'predictive failure asserted'],
  5: ['limit not exceeded', 'limit exceeded'],
  6: ['performance met', 'performance lags'],
  7: [
    ...['ok', 'non-critical from ok', 'critical from less severe', 'non-recoverable'],
    ...['non-critical from more severe', 'critical from non-recoverable', 'non-recoverable'],
    ...['monitor', 'informational'],
  ],
  8: ['device absent', 'device present'],
  9: ['device disabled', 'device enabled'],
  10: ['running', 'in test', 'power off', 'on line', 'off line', 'off duty', 'degraded'],
  11: [
    ...['fully redundant', 'redundancy lost', 'redundancy degraded', 'not redundant'],
    ...['sufficient from insufficient', 'insufficient resources'],
  ],
  12: ['D0', 'D1', 'D2', 'D3'],
};

/** Event type 0x6f: the states of a sensor type. */
const SPECIFIC_EVENTS: Readonly<Record<number, readonly string[]>> = {
  5: ['chassis intrusion', 'drive bay intrusion', 'I/O card intrusion', 'processor intrusion'],
  7: [
    ...['IERR', 'thermal trip', 'FRB1/BIST failure', 'FRB2/hang in POST', 'FRB3/startup failure'],
    ...['configuration error', 'uncorrectable CPU error', 'presence detected', 'disabled'],
    ...[
      'terminator presence',
      'throttled',
      'uncorrectable machine check',
      'correctable machine check',
    ],
  ],
  8: [
    ...['presence detected', 'failure', 'predictive failure', 'input lost', 'input out of range'],
    ...['input out of range, present', 'configuration error', 'inactive'],
  ],
  9: [
    ...['power off', 'power cycle', '240 VA power down', 'interlock power down', 'AC lost'],
    ...['soft power control failure', 'failure', 'predictive failure'],
  ],
  12: [
    ...['correctable ECC', 'uncorrectable ECC', 'parity', 'scrub failed', 'device disabled'],
    ...['correctable ECC limit reached', 'presence detected', 'configuration error', 'spare'],
    ...['throttled', 'critical overtemperature'],
  ],
  13: [
    ...['present', 'fault', 'predictive failure', 'hot spare', 'consistency check'],
    ...['in critical array', 'in failed array', 'rebuild', 'rebuild aborted'],
  ],
  15: ['firmware error', 'firmware hang', 'firmware progress'],
  16: [
    ...['correctable memory logging disabled', 'event type logging disabled', 'log cleared'],
    ...['all logging disabled', 'log full', 'log almost full', 'machine check logging disabled'],
  ],
  18: [
    'reconfigured',
    'OEM boot event',
    'undetermined hardware failure',
    'aux log entry',
    'PEF action',
  ],
  19: [
    ...['NMI button', 'bus timeout', 'I/O check NMI', 'software NMI', 'PCI PERR', 'PCI SERR'],
    ...['EISA timeout', 'bus correctable', 'bus uncorrectable', 'fatal NMI', 'bus fatal'],
  ],
  20: ['power button', 'sleep button', 'reset button', 'latch', 'service button'],
  29: [
    ...['power up', 'hard reset', 'warm reset', 'PXE boot requested', 'diagnostic boot'],
    ...['OS reset', 'restart', 'restart cause'],
  ],
  30: [
    'no bootable media',
    'no bootable diskette',
    'no PXE server',
    'invalid boot sector',
    'no boot device',
  ],
  31: ['A: boot', 'C: boot', 'PXE boot', 'diagnostic boot', 'CD-ROM boot', 'ROM boot', 'boot'],
  32: ['stop during load', 'run-time stop', 'graceful stop', 'graceful shutdown'],
  34: ['S0/G0', 'S1', 'S2', 'S3', 'S4', 'S5/G2', 'S4/S5', 'G3', 'sleeping', 'G1 sleeping'],
  35: [
    'timer expired',
    'hard reset',
    'power down',
    'power cycle',
    '',
    '',
    '',
    '',
    'timer interrupt',
  ],
  37: ['present', 'absent', 'disabled'],
  39: ['heartbeat lost', 'heartbeat'],
  40: ['access degraded', 'controller degraded', 'management off line', 'unavailable'],
  41: ['low', 'failed', 'presence detected'],
  43: ['hardware change', 'firmware change', 'hardware incompatible', 'firmware incompatible'],
};

/** What an event or a state of a sensor means: `offset` is the bit or the low half of the first data byte. */
export function eventText(eventType: number, sensorType: number, offset: number): string {
  const table =
    eventType === 1
      ? THRESHOLD_EVENTS
      : eventType === 0x6f
        ? SPECIFIC_EVENTS[sensorType]
        : GENERIC_EVENTS[eventType];
  return table?.[offset] || `state ${offset}`;
}
