/**
 * The connection by which a follower writes what it is told into its copy, and nothing else does. The daemon that serves from the copy
 * reads by one of its own.
 */
import type { Database } from 'better-sqlite3';
import { migrate } from '../inventory/schema.ts';
import type { Log } from '../platform/log.ts';
import { openDatabase, startCheckpoints } from '../platform/sqlite.ts';
import type { TableChange } from '../standby/change-log.ts';
import { type Copy, openCopy, placeOf } from '../standby/copy.ts';
import { type Place, type RowsMessage, untold } from '../standby/protocol.ts';

export interface Follower {
  /** `onRows`: what has changed, before it is acknowledged. @returns the place that the copy is at; undefined for what is none */
  open(onRows: (tables: ReadonlySet<string>) => void): Place | undefined;
  isOpen(): boolean;
  /** @returns the place when this was the last part, and all of it is on disk */
  apply(message: RowsMessage, at: Place): Place | undefined;
  /** Parts that were not the last one are forgotten. */
  cut(): void;
  /** Shows the zones that have come since. */
  onZones(show: () => void): void;
  /** Nothing is entered any more. */
  pause(): void;
  close(): Promise<void>;
}

const SHOW_ZONES_MS = 200;

export function openFollower(file: string, log: Log): Follower {
  let copy: Copy | undefined;
  let stop: (() => Promise<void>) | undefined;
  let onRows: ((tables: ReadonlySet<string>) => void) | undefined;
  let parts: TableChange[] = [];
  let show: (() => void) | undefined;
  let showing: NodeJS.Timeout | undefined;
  const showZones = (): void => {
    showing = undefined;
    try {
      show?.();
    } catch (err) {
      log.error({ err }, 'the zones of the active appliance could not be shown');
    }
  };
  const opened = (): Database => {
    const db = openDatabase(file);
    // The active one has a copy from before it was migrated.
    migrate(db, { copyBefore: () => undefined });
    const stopCheckpoints = startCheckpoints(db, (err) =>
      log.warn({ err }, 'the checkpoint thread of the copy failed'),
    );
    stop = async () => {
      await stopCheckpoints();
      db.close();
    };
    return db;
  };
  return {
    open(given) {
      const db = opened();
      onRows = given;
      copy = openCopy(db);
      return placeOf(db);
    },
    isOpen: () => copy !== undefined,
    apply(message, { run }) {
      for (const change of untold(message)) parts.push(change);
      if (message.to === undefined) return undefined;
      const changes = parts;
      parts = [];
      const place = { run, seq: message.to };
      copy?.apply(changes, place);
      const tables = new Set(changes.map(({ table }) => table));
      if (tables.size > 0) onRows?.(tables);
      if (show && [...tables].some((table) => table.startsWith('dns_')))
        showing ??= setTimeout(showZones, SHOW_ZONES_MS);
      return place;
    },
    cut() {
      parts = [];
    },
    onZones(given) {
      show = given;
      // Some may have come while the name server started, with those of before in its hands.
      showing ??= setTimeout(showZones, SHOW_ZONES_MS);
    },
    pause() {
      [copy, show, onRows] = [undefined, undefined, undefined];
      clearTimeout(showing);
      showing = undefined;
    },
    async close() {
      const stopping = stop;
      stop = undefined;
      await stopping?.();
    },
  };
}
