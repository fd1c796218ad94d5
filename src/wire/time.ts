/** A point in time: milliseconds since the Unix epoch, UTC. */
export type Millis = number & { readonly __brand: 'Millis' };

/** Where time comes from. Injected, so that no rule reads a clock by itself. */
export type Clock = () => Millis;
