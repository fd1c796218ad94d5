/** Boots of a distribution's own installer that did not come to their end. */
import {
  back,
  bmc,
  http,
  INSTALLER,
  INSTALLER_LOADED,
  IPXE,
  leased,
  type Scene,
  scene,
  script,
} from './flight-entries.ts';

export const FAILED_INSTALLERS: readonly Scene[] = [
  scene('installer-not-done', 'started anew in the middle', INSTALLER, back(INSTALLER, 200_000)),
  scene('installer-not-done', 'its job gave it up', [
    ...INSTALLER,
    bmc(3_600_000, 'installed', 'failed', 'the installer has not said that it is done'),
  ]),
  scene('agent-cannot-reach', 'an installer that does not get its template', [
    ...INSTALLER_LOADED,
    ...leased(15_000, 'os'),
  ]),
  scene('http-stalled', 'half of the kernel of an installer', [
    ...[...IPXE, script(2100, 'install')],
    http(2200, 'netinst@12 kernel', { end: 'aborted', sentBytes: 6_000_000 }),
  ]),
];
