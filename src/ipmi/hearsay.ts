/**
 * Refusals of a handshake that anybody can have sent, and when they are believed.
 *
 * Nothing is signed before RAKP 2, and anybody can send from a BMC's address; who does not see the traffic has to guess the
 * 32 bits of our session id. A refusal with our id is believed, one with another is not. One with id zero, or cut off before
 * it (IPMI 2.0 sections 13.18 to 13.24; boards send that, and ipmi_sim), costs nothing to forge, and believing it would end a
 * job, weaken the suite or lock a login out. So an answer with our id goes before it for as long as one may come, and
 * without one it is believed when the same has come in two handshakes. Who sees the traffic can refuse as the BMC does: IPMI
 * has nothing against that.
 */
export type Opening = 'open' | 'rakp2' | 'rakp4';

export interface Hearsay {
  /** A message was sent: what was heard before is about another. */
  clear(): void;
  hear(status: number): void;
  /** The time for an answer is over. @returns a status that has come in an earlier handshake too */
  believed(during: Opening): number | undefined;
  /** The next handshakes ask for something else. */
  forget(): void;
}

export function createHearsay(): Hearsay {
  const heard = new Set<number>();
  const before = new Set<string>();
  return {
    clear: () => heard.clear(),
    hear: (status) => void heard.add(status),
    believed(during) {
      const keys = [...heard].map((status) => ({ status, key: `${during} ${status}` }));
      const again = keys.find(({ key }) => before.has(key));
      for (const { key } of keys) before.add(key);
      return again?.status;
    },
    forget: () => before.clear(),
  };
}
