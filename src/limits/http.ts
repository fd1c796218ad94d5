/** The limits of the HTTP and TLS listeners of machines: part of the one table in ../limits.ts. */
export const HTTP_LIMITS = {
  httpHeaderBytesMax: { value: 16_384, why: 'firmware and agents send a few hundred bytes' },
  httpHeadersMax: { value: 64, why: 'firmware and agents send a dozen at most' },
  httpConnectionsMax: {
    value: 2048,
    why: 'a storm keeps one connection per machine; beyond it the longest idle one makes room',
  },
  httpConnectionsPerAddressMax: {
    value: 512,
    why: 'a machine holds two or three; a whole rack behind one address still fits',
  },
  httpBacklogMax: {
    value: 4096,
    why: 'who waits to be accepted: a storm fills 511; the kernel gives net.core.somaxconn at most',
  },
  httpAcceptEveryMs: {
    value: 4,
    why: 'machines let in though turns are long: three requests each, a third of the main thread',
  },
  httpAcceptAtOnceMax: {
    value: 16,
    why: 'some 20 ms of the main thread: what came meanwhile by DHCP is answered in between',
  },
  httpShedSilenceMs: {
    value: 1000,
    why: 'a loader asks as soon as it is connected; one this silent yields to newcomers',
  },
  httpShedBegunMs: {
    value: 5000,
    why: 'a TLS handshake takes an old processor a second or two, and more among many others',
  },
  httpPipelinedMax: {
    value: 16,
    why: 'no loader sends a request before its last answer; each may hold a file open',
  },
  httpHeadersMs: {
    value: 10_000,
    why: 'a request head is one packet; a client that takes longer is broken or hostile',
  },
  httpRequestMs: { value: 60_000, why: 'a report of 1 MiB over the slowest management link' },
  httpKeepAliveMs: {
    value: 75_000,
    why: 'above the 60 s for which an idle loader or a proxy keeps its end of a connection',
  },
  httpIdleMs: { value: 120_000, why: 'a download that moves no byte for this long is over' },
  httpChunkMs: {
    value: 120_000,
    why: 'a loader that takes less than 1 MiB in this time is stuck: 9 KB/s is no boot',
  },
  httpChunkBytesMax: {
    value: 1_048_576,
    why: 'one read: measured to be where fewer and larger reads gain no more',
  },
  httpSendThreadsMax: {
    value: 2,
    why: 'each fills a core at 4 GiB/s; more would take cores from DHCP and DNS',
  },
  tlsHandshakeMs: {
    value: 20_000,
    why: 'an old processor without AES instructions takes a second or two in iPXE',
  },
  tlsReloadMs: {
    value: 10_000,
    why: 'how soon a replaced certificate is in use; four calls of stat(2) each time',
  },
  tlsExpiryWarnMs: {
    value: 2_592_000_000,
    why: '30 days: a person has to get a new certificate, and may be on holiday',
  },
  httpSendBufferBytes: {
    value: 67_108_864,
    why: 'read buffers of all downloads in full chunks; beyond it each has 64 KiB',
  },
} as const;
