/**
 * Who follows the events: told after a commit that there is something to read, never what.
 *
 * What guests do comes by thousands a second in a storm, and concerns few.
 */
import type { NewEvent } from '../events.ts';
import type { Hardwarename } from '../wire/ids.ts';
import type { Mac } from '../wire/mac.ts';
import type { Clock } from '../wire/time.ts';

export interface Followers {
  /**
   * Calls `wake` after each commit that added events; returns the way to stop. Who follows `machines` is not woken each time
   * by what nobody on record does (the chatter of guests), only now and then, so that its cursor moves on.
   */
  follow(wake: () => void, only?: 'machines'): () => void;
  /** The same for events about one machine (its hardwarename) or one NIC (its MAC): what thousands may follow. */
  followOne(subject: Hardwarename | Mac, wake: () => void): () => void;
  /** Differs after each event that may tell of a change of a record, and after a rollback. */
  changes(): number;
  /** After a commit: tells the followers when something was appended. */
  tell(): void;
  /** An event of the running transaction. */
  appended(event: NewEvent): void;
  /** The transaction has failed: there is nothing to tell. */
  forget(): void;
  /** Records may be others than they were, by no event of ours. */
  changed(): void;
  /** Another connection has appended, or may have. */
  arrived(): void;
}

/** How often who follows machines is woken by guests alone. */
const GUESTS_WAKE_MS = 100;

/** What passes by: it changes no record of ServerDb. */
const TRAFFIC = /^(dhcp|tftp|http|ipxe|agent|boot|job|work|os)\./;

/** It names nobody on record, but one on record may have lost an address by it. Both are rare. */
function takesAddress(event: NewEvent): boolean {
  if (event.name === 'dhcp.acked') return event.data.displaced !== undefined;
  return event.name === 'dhcp.declined';
}

export function createFollowers(clock: Clock): Followers {
  const all = new Set<() => void>();
  const ofMachines = new Set<() => void>();
  const ofOne = new Map<string, Set<() => void>>();
  /** Whom the events of the running transaction are about, as far as somebody follows them. */
  const touched = new Set<string>();
  const passesBy = createPassesBy();
  let appended: 'nothing' | 'of guests' | 'of machines' = 'nothing';
  let [machinesToldAt, changes] = [0, 0];
  return {
    appended(event) {
      const isTraffic = passesBy(event.name);
      if (!isTraffic) changes += 1;
      if (!isTraffic || event.hardwarename !== undefined || takesAddress(event))
        appended = 'of machines';
      else if (appended === 'nothing') appended = 'of guests';
      if (event.mac && ofOne.has(event.mac)) touched.add(event.mac);
      if (event.hardwarename && ofOne.has(event.hardwarename)) touched.add(event.hardwarename);
    },
    follow(wake, only) {
      const among = only === 'machines' ? ofMachines : all;
      among.add(wake);
      return () => among.delete(wake);
    },
    followOne(subject, wake) {
      const others = ofOne.get(subject);
      if (others) others.add(wake);
      else ofOne.set(subject, new Set([wake]));
      return () => {
        const left = ofOne.get(subject);
        left?.delete(wake);
        if (left?.size === 0) ofOne.delete(subject);
      };
    },
    tell() {
      if (appended === 'nothing') return;
      const now = clock();
      const tellsMachines = appended === 'of machines' || now - machinesToldAt >= GUESTS_WAKE_MS;
      appended = 'nothing';
      for (const wake of all) wake();
      if (tellsMachines) {
        machinesToldAt = now;
        for (const wake of ofMachines) wake();
      }
      const subjects = [...touched];
      touched.clear();
      for (const subject of subjects) {
        for (const wake of ofOne.get(subject) ?? []) wake();
      }
    },
    forget() {
      appended = 'nothing';
      touched.clear();
    },
    changes: () => changes,
    changed() {
      changes += 1;
    },
    arrived() {
      changes += 1;
      for (const wake of [...all, ...ofMachines]) wake();
    },
  };
}

/** Whether an event of this name is traffic. Names are few, and each comes by thousands. */
function createPassesBy(): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const passes = TRAFFIC.test(name);
    known.set(name, passes);
    return passes;
  };
}
