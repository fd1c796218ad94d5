/** A thread that does nothing, for as long as it is let: what a fault in a loop looks like from outside. */
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
