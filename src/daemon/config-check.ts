/**
 * What is wrong with a configuration beyond its form, before the daemon stumbles over it: files that it names, ports that two
 * listeners want, addresses that nobody here has, names and networks of DNS.
 *
 * A file may be checked where it is written, far from its machine. So an error is only what is wrong wherever one looks: what the
 * text says, and what is in a file that is here. What may be another on the machine itself is a warning.
 */
import { X509Certificate } from 'node:crypto';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { basename, resolve } from 'node:path';
import type { Config } from '../config.ts';
import { OPTION } from '../dhcp/options.ts';
import { AppError } from '../errors.ts';
import { parseKey } from '../images/signature.ts';
import { limit } from '../limits.ts';
import { checkDns, siteDefaults } from '../nameserver/start.ts';
import { absence, isOurs, isUp } from '../platform/interfaces.ts';
import { readPairKey } from '../platform/pair-link.ts';
import { readSecret } from '../platform/secret-key.ts';
import type { SettingsFault } from '../platform/settings-text.ts';
import { canonical } from '../platform/socket-holders.ts';
import { loadTls } from '../platform/tls-files.ts';
import { formatIpv4 } from '../wire/ipv4.ts';
import type { Millis } from '../wire/time.ts';
import { portsWantedTwice, wantedPorts } from './wanted-ports.ts';

export interface ConfigRemark extends SettingsFault {
  readonly isError: boolean;
  /** What to do. */
  readonly mend: string;
}

export function checkConfig(config: Config, now: Millis): ConfigRemark[] {
  return [
    ...dns(config),
    ...options(config),
    ...ports(config),
    ...files(config, now),
    ...addresses(config),
  ];
}

type Words = readonly [path: string, problem: string, mend: string];
const error = (...[path, problem, mend]: Words) => ({ path, problem, mend, isError: true });
const warning = (...[path, problem, mend]: Words) => ({ path, problem, mend, isError: false });

function dns({ dns: settings, dhcp }: Config): ConfigRemark[] {
  if (!settings.enabled) return [];
  try {
    checkDns(settings, siteDefaults(dhcp.segments));
    return [];
  } catch (cause) {
    const problem = detailOf(cause).replace(/^dns: /, '');
    return [error('dns', problem, 'correct it; docs/configuration.md says what each key takes')];
  }
}

/**
 * Option 43 of nobody in particular goes to no machine that boots, for which it is mostly written. Who has one for a vendor class
 * beside it knows.
 */
function options({ dhcp: { segments, machines } }: Config): ConfigRemark[] {
  const places = Object.entries({ segments, machines }).flatMap(([key, list]) =>
    list.map(({ options: { raw = [] } }, at) => ({ path: `dhcp.${key}.${at}.options.raw`, raw })),
  );
  return places.flatMap(({ path, raw }) => {
    const isVendors = (one: (typeof raw)[number]) => one.code === OPTION.vendorSpecific;
    if (raw.some((one) => isVendors(one) && one.vendorClass !== undefined)) return [];
    const at = raw.findIndex(isVendors);
    if (at < 0) return [];
    const problem = 'option 43 without vendorClass goes to no client that boots from the network';
    const mend =
      'say whose it is (option 60): PXEClient is firmware, other clients say what they are';
    return [warning(`${path}.${at}`, problem, mend)];
  });
}

function ports(config: Config): ConfigRemark[] {
  const remarks = portsWantedTwice(wantedPorts(config)).map(({ first, second }) => {
    const which = `${first.transport.toUpperCase()} ${first.port}`;
    if (first.key === second.key) {
      const problem = `${which} is wanted at ${first.host} and at ${second.host}: one has the other`;
      return error('dns.listen', problem, 'leave one of them out');
    }
    const problem = `${which} at ${second.host} is wanted by ${first.key}, too`;
    return error(second.key, problem, 'give one of the two another port');
  });
  // Once, however many addresses share it.
  const seen = new Map(remarks.map((one) => [`${one.path} ${one.problem.split(' at ')[0]}`, one]));
  return [...seen.values()];
}

function files(config: Config, now: Millis): ConfigRemark[] {
  const { peopleHttp, machineHttp, images, standby } = config;
  return [
    ...(peopleHttp.tls ? tls('peopleHttp.tls', peopleHttp.tls, now) : []),
    ...(machineHttp.tls ? tls('machineHttp.tls', machineHttp.tls, now) : []),
    ...(machineHttp.tls
      ? look('machineHttp.tls.ca', machineHttp.tls.ca, (file) => {
          new X509Certificate(readFileSync(file));
        })
      : []),
    ...images.keys.flatMap((file, index) =>
      look(`images.keys.${index}`, file, () =>
        parseKey(basename(file), readFileSync(file, 'utf8')),
      ),
    ),
    ...(images.importFolder === '' ? [] : folder('images.importFolder', images.importFolder)),
    ...(peopleHttp.oidc?.clientSecretFile === undefined
      ? []
      : look('peopleHttp.oidc.clientSecretFile', peopleHttp.oidc.clientSecretFile, readSecret)),
    ...(standby ? look('standby.keyFile', standby.keyFile, readPairKey) : []),
  ];
}

/** One that is here is read as the daemon would. */
function look(path: string, file: string, read: (file: string) => unknown): ConfigRemark[] {
  const missing = unreadableHere(path, file);
  if (missing) return [missing];
  try {
    read(file);
    return [];
  } catch (cause) {
    return [
      error(path, `${file}: ${detailOf(cause)}`, 'put the right file there, or correct the path'),
    ];
  }
}

/** Why it cannot be read by whoever checks, who may be somebody else somewhere else. */
function unreadableHere(path: string, file: string): ConfigRemark | undefined {
  try {
    accessSync(file, constants.R_OK);
    return undefined;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'is not on this computer' : `cannot be read here (${code})`;
    const mend =
      'put it there before the daemon starts, where its user can read it, or correct the path';
    return warning(path, `${resolve(file)} ${why}`, mend);
  }
}

function folder(path: string, name: string): ConfigRemark[] {
  try {
    if (statSync(name, { throwIfNoEntry: false })?.isDirectory()) return [];
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const mend = 'put it where the user of the daemon can read it, or correct the path';
    return [warning(path, `${resolve(name)} cannot be read here (${code})`, mend)];
  }
  return [
    warning(
      path,
      `${resolve(name)} is no folder on this computer`,
      'make it before it is imported from',
    ),
  ];
}

type PemFiles = string | readonly string[];

function tls(
  path: string,
  { cert, key }: { cert: PemFiles; key: PemFiles },
  now: Millis,
): ConfigRemark[] {
  const [certs, keys] = [[cert].flat(), [key].flat()];
  if (certs.length !== keys.length) {
    const problem = `${certs.length} certificate(s) and ${keys.length} key(s)`;
    return [error(`${path}.key`, problem, 'name the key of each certificate, in the same order')];
  }
  const named = (of: PemFiles, name: string) =>
    [of].flat().map((file, index) => ({
      file,
      at: typeof of === 'string' ? `${path}.${name}` : `${path}.${name}.${index}`,
    }));
  const missing = [...named(cert, 'cert'), ...named(key, 'key')].flatMap(
    ({ file, at }) => unreadableHere(at, file) ?? [],
  );
  if (missing.length > 0) return missing;
  try {
    const { notAfterMs } = loadTls({ cert, key });
    if (notAfterMs - now >= limit('tlsExpiryWarnMs')) return [];
    const day = new Date(notAfterMs).toISOString().slice(0, 10);
    const problem = `${certs.join(', ')} ${notAfterMs <= now ? 'has ended' : 'ends'} on ${day}`;
    return [warning(`${path}.cert`, problem, 'put a new one in its place')];
  } catch (cause) {
    return [error(path, detailOf(cause), 'give it a certificate in PEM, and the key of that one')];
  }
}

function addresses({
  dhcp,
  dns: { enabled, listen },
  peopleHttp,
  standby,
}: Config): ConfigRemark[] {
  const single = [
    { path: 'peopleHttp.address', address: formatIpv4(peopleHttp.address) },
    ...(standby?.member === 'a'
      ? [{ path: 'standby.address', address: formatIpv4(standby.address) }]
      : []),
    ...(enabled ? listen : []).map((address, index) => ({ path: `dns.listen.${index}`, address })),
    ...dhcp.segments.flatMap(({ relayed, address }, index) =>
      relayed ? [{ path: `dhcp.segments.${index}.address`, address: formatIpv4(address) }] : [],
    ),
  ];
  return [
    ...single.flatMap(({ path, address }) => {
      if (isIP(address) === 0) return [];
      // As Node reports those that are here.
      const told = canonical(address);
      if (/^(0\.0\.0\.0|::)$/.test(told) || isOurs(told)) return [];
      const problem = `no interface of this computer has ${address}`;
      return [
        warning(
          path,
          problem,
          `give it to one (ip address add ${address}/BITS dev IFACE), or name another`,
        ),
      ];
    }),
    ...dhcp.segments.flatMap(({ relayed, iface, address }, index) =>
      relayed ? [] : segment(`dhcp.segments.${index}`, iface, formatIpv4(address)),
    ),
    ...dhcp.relayInterfaces.flatMap((iface, index) =>
      present(`dhcp.relayInterfaces.${index}`, iface),
    ),
  ];
}

const present = (path: string, iface: string): ConfigRemark[] =>
  isUp(iface)
    ? []
    : [
        warning(
          path,
          absence(iface).split('. ')[0] ?? '',
          'name the one that is meant, or bring it up',
        ),
      ];

function segment(path: string, iface: string, address: string): ConfigRemark[] {
  const missing = present(`${path}.iface`, iface);
  if (missing.length > 0 || isUp(iface, [address])) return missing;
  const mend = `give it that (ip address add ${address}/BITS dev ${iface}), or name another`;
  return [warning(`${path}.address`, `${iface} has no ${address} on this computer`, mend)];
}

/** Without the sentence of the code: the place is named beside it. */
function detailOf(cause: unknown): string {
  if (cause instanceof AppError) return cause.detail ?? cause.message;
  return (cause as Error).message;
}
