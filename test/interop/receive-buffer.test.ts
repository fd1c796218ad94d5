/** The receive buffer of another program, made longer from outside as the bench of DHCP does it. Needs root. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { lengthenReceiveBuffer } from '../../bench/support/receive-buffer.ts';

const PROGRAM = `
const socket = require('node:dgram').createSocket('udp4');
socket.bind(0, '127.0.0.1', () => console.log(socket.address().port));
process.stdin.once('data', () => { console.log(socket.getRecvBufferSize()); process.exit(); });
`;

it('the receive buffer of another program is made longer, by its port', async () => {
  const program = spawn(process.execPath, ['-e', PROGRAM]);
  const [port] = await once(program.stdout, 'data');
  await lengthenReceiveBuffer(program.pid ?? 0, Number(port), 4 * 1024 * 1024);
  program.stdin.write('tell\n');
  const [told] = await once(program.stdout, 'data');
  // The kernel counts its own records too, and doubles what is asked for.
  expect(Number(told)).toBe(8 * 1024 * 1024);
});

it('a program without such a port is told', async () => {
  await expect(lengthenReceiveBuffer(process.pid, 9, 4096)).rejects.toThrow(
    /no UDP socket on port 9/,
  );
});
