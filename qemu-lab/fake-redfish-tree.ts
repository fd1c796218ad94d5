/**
 * The resources of the simulated Redfish service, as DMTF's rack-mount mockup arranges them, shortened.
 */
export type Resource = Record<string, unknown>;
export type Tree = Map<string, Resource>;

export const SYSTEM = '/redfish/v1/Systems/437XR1138R2';
const CHASSIS = '/redfish/v1/Chassis/1U';
export const MANAGER = '/redfish/v1/Managers/BMC';

const link = (path: string) => ({ '@odata.id': path });
const status = (health = 'OK', state = 'Enabled') => ({ State: state, Health: health });

export function createTree(sensors: 'new' | 'legacy', others: readonly string[]): Tree {
  const tree: Tree = new Map();
  const put = (path: string, resource: Resource) =>
    tree.set(path, { '@odata.id': path, ...resource });
  const collection = (path: string, members: readonly string[]) =>
    put(path, { Members: members.map(link), 'Members@odata.count': members.length });

  put('/redfish/v1', {
    ...{
      Id: 'RootService',
      RedfishVersion: '1.15.0',
      UUID: '92384634-2938-2342-8820-489239905423',
    },
    ...{ Systems: link('/redfish/v1/Systems'), Chassis: link('/redfish/v1/Chassis') },
    ...{ Managers: link('/redfish/v1/Managers') },
    AccountService: link('/redfish/v1/AccountService'),
    Links: { Sessions: link('/redfish/v1/SessionService/Sessions') },
  });
  accounts(put, collection);
  collection('/redfish/v1/Systems', [SYSTEM, ...others.map((id) => `/redfish/v1/Systems/${id}`)]);
  put(SYSTEM, system());
  nics(put, collection);
  put(MANAGER, {
    Id: 'BMC',
    FirmwareVersion: '1.45.455b66-rev4',
    DateTime: '2026-01-01T00:00:00+00:00',
    LogServices: link(`${MANAGER}/LogServices`),
    EthernetInterfaces: link(`${MANAGER}/EthernetInterfaces`),
  });
  put(`${MANAGER}/EthernetInterfaces/eth0`, {
    ...{ Id: 'eth0', MACAddress: '12:44:6A:3B:00:01' },
    DHCPv4: { DHCPEnabled: false },
  });
  collection(`${MANAGER}/EthernetInterfaces`, [`${MANAGER}/EthernetInterfaces/eth0`]);
  collection(`${MANAGER}/LogServices`, []);
  logs(put, collection);
  if (sensors === 'new') newSensors(put, collection);
  else legacySensors(put);
  return tree;
}

type Put = (path: string, resource: Resource) => void;
type Collection = (path: string, members: readonly string[]) => void;

function system(): Resource {
  return {
    ...{ Id: '437XR1138R2', Manufacturer: 'Contoso', Model: '3500', SKU: '8675309' },
    ...{ SerialNumber: '437XR1138R2', AssetTag: 'Chicago-45Z-2381', BiosVersion: 'P79 v1.45' },
    ...{ UUID: '38947555-7742-3448-3784-823347823834', PowerState: 'Off' },
    ...{ LocationIndicatorActive: false, PowerRestorePolicy: 'LastState' },
    LastResetTime: '2026-01-01T00:00:00.000Z',
    HostWatchdogTimer: { FunctionEnabled: true, Status: { State: 'Disabled' } },
    Boot: {
      ...{ BootSourceOverrideEnabled: 'Disabled', BootSourceOverrideTarget: 'None' },
      BootSourceOverrideMode: 'UEFI',
      'BootSourceOverrideTarget@Redfish.AllowableValues': [
        ...['None', 'Pxe', 'Cd', 'Hdd', 'BiosSetup', 'UefiHttp'],
      ],
    },
    EthernetInterfaces: link(`${SYSTEM}/EthernetInterfaces`),
    LogServices: link(`${SYSTEM}/LogServices`),
    Links: { Chassis: [link(CHASSIS)], ManagedBy: [link(MANAGER)] },
    Actions: {
      '#ComputerSystem.Reset': {
        target: `${SYSTEM}/Actions/ComputerSystem.Reset`,
        'ResetType@Redfish.AllowableValues': ['On', 'ForceOff', 'GracefulShutdown', 'ForceRestart'],
      },
    },
  };
}

/** Slot 1 is the factory's, as the options of the service name it; the rest are free. */
function accounts(put: Put, collection: Collection): void {
  const path = '/redfish/v1/AccountService/Accounts';
  put('/redfish/v1/AccountService', { Id: 'AccountService', Accounts: link(path) });
  const slots = ['0', '1', '2', '3'].map((id) => `${path}/${id}`);
  for (const slot of slots) put(slot, { UserName: '', Enabled: false, Password: null });
  put(`${path}/1`, { UserName: 'admin', Enabled: true, Password: null });
  collection(path, slots);
}

function nics(put: Put, collection: Collection): void {
  const path = `${SYSTEM}/EthernetInterfaces`;
  put(`${path}/12446A3B0411`, { Id: '1', PermanentMACAddress: '12:44:6A:3B:04:11' });
  put(`${path}/12446A3B8890`, { Id: '2', MACAddress: 'AA:BB:CC:DD:EE:00' });
  collection(path, [`${path}/12446A3B0411`, `${path}/12446A3B8890`]);
}

function logs(put: Put, collection: Collection): void {
  const path = `${SYSTEM}/LogServices`;
  const entries = `${path}/SEL/Entries`;
  collection(path, [`${path}/Dump`, `${path}/SEL`]);
  put(`${path}/SEL`, { Id: 'SEL', Entries: link(entries) });
  const first = { Id: '1', Created: '2012-03-07T14:44:00Z', Message: 'System May be Melting' };
  const second = { Id: '2', Created: '', Message: 'Presence detected' };
  // Two pages, as services give them.
  put(entries, { Members: [first], 'Members@odata.nextLink': `${entries}?$skip=1` });
  put(`${entries}?$skip=1`, { Members: [second] });
}

function newSensors(put: Put, collection: Collection): void {
  const path = `${CHASSIS}/Sensors`;
  put(CHASSIS, { Id: '1U', Sensors: link(path) });
  put(`${path}/CPU1Temp`, {
    ...{ Name: 'CPU #1 Temperature', ReadingType: 'Temperature', Reading: 37, ReadingUnits: 'Cel' },
    Status: status(),
  });
  put(`${path}/CPUFan1`, {
    ...{ Name: 'CPU #1 Fan Speed', ReadingType: 'Percent', Reading: 80, ReadingUnits: 'Percent' },
    Status: status('Warning'),
  });
  put(`${path}/CPU2Temp`, {
    ...{ Name: 'CPU #2 Temperature', ReadingType: 'Temperature', Reading: null },
    Status: status('OK', 'Absent'),
  });
  collection(
    path,
    ['CPU1Temp', 'CPUFan1', 'CPU2Temp'].map((name) => `${path}/${name}`),
  );
}

function legacySensors(put: Put): void {
  put(CHASSIS, { Id: '1U', Thermal: link(`${CHASSIS}/Thermal`), Power: link(`${CHASSIS}/Power`) });
  put(`${CHASSIS}/Thermal`, {
    Temperatures: [{ Name: 'CPU1 Temp', ReadingCelsius: 41, Status: status() }],
    Fans: [
      {
        FanName: 'BaseBoard System Fan',
        Reading: 2100,
        ReadingUnits: 'RPM',
        Status: status('Critical'),
      },
    ],
  });
  put(`${CHASSIS}/Power`, {
    Voltages: [{ Name: 'VRM1 Voltage', ReadingVolts: 12, Status: status() }],
    PowerControl: [{ Name: 'Server Power Control', PowerConsumedWatts: 344, Status: status() }],
  });
}
