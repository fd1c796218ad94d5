/**
 * What the IPMI client needs of the machine that it runs on. `platform/bmc-udp.ts` has the real ones; tests hand in others.
 */
export interface Address {
  readonly address: string;
  readonly port: number;
}

/** One UDP socket, shared by any number of sessions; replies are told apart by where they come from. */
export interface Datagrams {
  /** Fire and forget: what is lost is asked for again. */
  send(bytes: Uint8Array, to: Address): void;
  /** Every datagram from that address, until the returned function is called. */
  listen(from: Address, handler: (bytes: Uint8Array) => void): () => void;
}

export interface Timers {
  nowMs(): number;
  /** Calls once at that time of `nowMs`; the returned function takes it back. */
  at(timeMs: number, callback: () => void): () => void;
}

export interface IpmiPorts {
  readonly datagrams: Datagrams;
  readonly timers: Timers;
  /** Cryptographically strong. */
  readonly random: (count: number) => Uint8Array;
}
