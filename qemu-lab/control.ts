/** The control socket of a running lab: one line in, one line out. Other terminals switch machines through it. */
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import type { Lab } from './lab.ts';

export function serveControl(lab: Lab): void {
  createServer((socket) => {
    socket.setEncoding('utf8');
    socket.once('data', (line: string) => {
      obey(lab, line.trim()).then(
        (answer) => socket.end(`${answer}\n`),
        (error: Error) => socket.end(`failed: ${error.message}\n`),
      );
    });
    socket.on('error', () => socket.destroy());
  }).listen(join(lab.dir, 'control'));
}

async function obey(lab: Lab, line: string): Promise<string> {
  const [verb, name, action] = line.split(' ');
  const vm = lab.vms.find(({ machine }) => machine.name === name);
  if (verb !== 'power') return `unknown command '${verb}'`;
  if (!vm)
    return `there is no machine ${name}; there are: ${lab.vms.map(({ machine }) => machine.name).join(', ')}`;
  switch (action) {
    case 'on':
      lab.powerOn(vm);
      return `${name} is on`;
    case 'off':
      await lab.powerOff(vm);
      return `${name} is off`;
    case 'reset':
      await vm.reset('button');
      return `${name} is on again`;
    default:
      return `unknown action '${action}': on, off or reset`;
  }
}

export function askControl(dir: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(join(dir, 'control'));
    let answer = '';
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('end', () => resolve(answer.trim()));
    socket.on('error', reject);
    socket.write(`${line}\n`);
  });
}
