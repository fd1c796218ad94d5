/**
 * Sensors of a chassis over Redfish: the `Sensors` collection of new services, or `Thermal` and `Power` of older ones.
 */
import type { BmcSensor } from '../bmc.ts';
import type { SensorHealth } from '../sensors.ts';
import type { RedfishHttp } from './http.ts';
import { type Json, linkAt, listAt, numberAt, textAt } from './json.ts';

export async function readRedfishSensors(
  http: RedfishHttp,
  chassis: readonly string[],
): Promise<readonly BmcSensor[]> {
  const sensors: BmcSensor[] = [];
  for (const path of chassis) {
    const { json } = await http.get(path);
    const collection = linkAt(json, 'Sensors');
    if (collection !== '') {
      for (const member of await http.members(collection)) {
        sensors.push(newSensor((await http.get(member)).json));
      }
      continue;
    }
    const [thermal, power] = [linkAt(json, 'Thermal'), linkAt(json, 'Power')];
    if (thermal !== '') sensors.push(...fromThermal((await http.get(thermal)).json));
    if (power !== '') sensors.push(...fromPower((await http.get(power)).json));
  }
  return sensors;
}

const UNITS: Readonly<Record<string, string>> = { Cel: '°C', RPM: 'rpm', Percent: '%' };

function newSensor(json: Json): BmcSensor {
  const unit = textAt(json, 'ReadingUnits');
  return sensor(json, textAt(json, 'ReadingType') || 'Other', {
    reading: numberAt(json, 'Reading'),
    unit: UNITS[unit] ?? unit,
  });
}

function fromThermal(json: Json): BmcSensor[] {
  return [
    ...listAt(json, 'Temperatures').map((each) =>
      sensor(each, 'Temperature', { reading: numberAt(each, 'ReadingCelsius'), unit: '°C' }),
    ),
    ...listAt(json, 'Fans').map((each) => {
      const unit = textAt(each, 'ReadingUnits');
      return sensor(each, 'Fan', { reading: numberAt(each, 'Reading'), unit: UNITS[unit] ?? unit });
    }),
  ];
}

function fromPower(json: Json): BmcSensor[] {
  return [
    ...listAt(json, 'Voltages').map((each) =>
      sensor(each, 'Voltage', { reading: numberAt(each, 'ReadingVolts'), unit: 'V' }),
    ),
    ...listAt(json, 'PowerControl').map((each) =>
      sensor(each, 'Power', { reading: numberAt(each, 'PowerConsumedWatts'), unit: 'W' }),
    ),
  ];
}

const HEALTH: Readonly<Record<string, SensorHealth>> = {
  OK: 'ok',
  Warning: 'warning',
  Critical: 'critical',
};

function sensor(
  json: Json,
  type: string,
  { reading, unit }: { reading: number | undefined; unit: string },
): BmcSensor {
  const name = textAt(json, 'Name') || textAt(json, 'FanName') || textAt(json, 'MemberId');
  const absent = textAt(json, 'Status', 'State') === 'Absent' || reading === undefined;
  const health = absent ? 'none' : (HEALTH[textAt(json, 'Status', 'Health')] ?? 'ok');
  return { name, type, health, states: [], ...(absent ? {} : { value: reading, unit }) };
}
