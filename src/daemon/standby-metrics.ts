/** What Prometheus is told of a pair: read from its status when asked. */
import { Gauge, type Registry } from 'prom-client';
import type { PairStatus } from '../http/people/context.ts';

const MODES = ['active', 'following', 'apart', 'waiting'] as const;

export function addPairMetrics(registry: Registry, status: () => PairStatus): void {
  const gauge = (name: string, help: string, of: (now: PairStatus) => number) =>
    new Gauge({
      ...{ name: `reveille_standby_${name}`, help, registers: [registry] },
      collect() {
        this.set(of(status()));
      },
    });
  new Gauge({
    name: 'reveille_standby_role',
    help: 'Which part this appliance has beside the other one of its site: 1 for the one that it has',
    labelNames: ['role'],
    registers: [registry],
    collect() {
      const { mode } = status();
      for (const role of MODES) this.set({ role }, role === mode ? 1 : 0);
    },
  });
  gauge('epoch', 'Goes up each time that one of the two becomes active', ({ epoch }) => epoch);
  gauge('in_touch', 'Whether the other one is heard', ({ partner }) => Number(partner.inTouch));
  gauge(
    'unwritten',
    'Whether it cannot write what it has to note, and so promises nothing',
    (now) => Number(now.unwritten !== ''),
  );
  gauge('current', 'Whether the one that follows has everything', ({ standby }) =>
    Number(standby.current),
  );
  gauge(
    'behind_changes',
    'Changes that the one that follows does not have; on the active one',
    ({ partner }) => partner.behind,
  );
  gauge(
    'behind_seconds',
    'How old what the one that follows has is; -1: not known',
    ({ standby }) => (standby.behindMs === null ? -1 : standby.behindMs / 1000),
  );
  gauge(
    'image_files_missing',
    'Files of images that the one that follows does not have yet',
    ({ standby }) => standby.images.missing,
  );
  gauge('image_bytes_missing', 'The same in bytes', ({ standby }) => standby.images.bytes);
  gauge(
    'take_overs',
    'How often this one has become active since its start',
    ({ takeOvers }) => takeOvers,
  );
  gauge(
    'clock_difference_seconds',
    'By how much the clock here is ahead of the other one',
    ({ partner }) => partner.clockAheadMs / 1000,
  );
}
