/** The command line as a function, over a people's listener of its own. */
import type { AddressInfo } from 'node:net';
import { Command } from 'commander';
import { onTestFinished } from 'vitest';
import { addPeopleCommands } from '../../src/cli/people/commands.ts';
import type { CliEnvironment } from '../../src/cli/people/connection.ts';
import type { ApiProblem } from '../../src/client/client.ts';
import type { Role } from '../../src/inventory/roles.ts';
import { createPeople, type People } from './people.ts';

/** A command line that writes into a string. */
export function commandLine(
  environment: CliEnvironment = {},
  tell: (text: string) => void = () => undefined,
) {
  return async (line: string | readonly string[], input = ''): Promise<string> => {
    let output = '';
    const program = new Command('reveille').exitOverride();
    addPeopleCommands(program, {
      environment,
      write: (text) => {
        output += text;
      },
      tell,
      readInput: async () => input,
    });
    const words = typeof line === 'string' ? line.split(' ') : line;
    await program.parseAsync(words as string[], { from: 'user' });
    return output;
  };
}

type CommandLine = ReturnType<typeof commandLine>;

/** Opens a port for these people's listener, which whoever made them closes. @returns the command line of one of that role */
export async function commandLineOf(
  people: People,
  role: Role = 'admin',
): Promise<{ run: CommandLine; url: string; secret: string }> {
  await people.app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(people.app.server.address() as AddressInfo).port}`;
  const { access } = people.world.inventory.serverdb;
  const { secret } = access.createToken({ name: 'cli', role, squads: {} }, 'test');
  return { url, secret, run: commandLine({ REVEILLE_URL: url, REVEILLE_TOKEN: secret }) };
}

/** A daemon's listener and an administrator's command line, for the length of a test. */
export async function appliance(): Promise<{ people: People; run: CommandLine; url: string }> {
  const people = await createPeople();
  const { url, run } = await commandLineOf(people);
  onTestFinished(async () => {
    process.exitCode = 0;
    await people.app.close();
  });
  return { people, url, run };
}

export const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => 'ok',
    (error: ApiProblem) => error.code,
  );
