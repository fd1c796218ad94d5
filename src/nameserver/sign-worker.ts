/** The thread that signs whole zones: octets in, signatures out, in the order of the octets. */
import { type MessagePort, workerData } from 'node:worker_threads';
import { signOctets } from '../dns/dnssec.ts';
import type { FromSignWorker, ToSignWorker } from './sign-thread.ts';

const { port } = workerData as { port: MessagePort };

port.on('message', ({ id, privateKeys, work }: ToSignWorker) => {
  const signatures = work.map(({ octets, key }) => {
    const privateKey = privateKeys[key];
    return privateKey ? signOctets(octets, privateKey) : '';
  });
  const answer: FromSignWorker = { id, signatures };
  port.postMessage(answer);
});
