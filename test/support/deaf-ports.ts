import type { IpmiPorts } from '../../src/ipmi/ports.ts';

/** A clock two hundred times as fast, and a network on which no IPMI packet arrives. */
export function deafPorts(): IpmiPorts {
  const nowMs = () => performance.now() * 200;
  return {
    datagrams: { send: () => undefined, listen: () => () => undefined },
    random: (count) => new Uint8Array(count),
    timers: {
      nowMs,
      at(timeMs, callback) {
        const timer = setTimeout(callback, Math.max(0, (timeMs - nowMs()) / 200));
        return () => clearTimeout(timer);
      },
    },
  };
}
