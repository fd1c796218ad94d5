/** Every command that works on ServerDb, added to the program by main.ts. */
import type { Command } from 'commander';
import { addDnsCommands } from '../dns.ts';
import { addAccessCommands } from './access.ts';
import { addCapacityCommands } from './capacity.ts';
import { addCertificateCommands } from './certificates.ts';
import { addCompletionCommand } from './completion.ts';
import type { CliContext } from './connection.ts';
import { addConsoleCommand } from './console.ts';
import { addDeliveryCommands } from './deliveries.ts';
import { addEventCommands } from './events.ts';
import { addFederationStatus } from './federation.ts';
import { addFlightCommands } from './flights.ts';
import { addImageCommands } from './images.ts';
import { addJobCommands } from './jobs.ts';
import { addLocalCommands } from './local.ts';
import { addMachineCommands } from './machines.ts';
import { checkNumbers } from './numbers.ts';
import { addPoolCommands } from './pools.ts';
import { addRecordCommands } from './records.ts';
import { addRequestCommands } from './requests.ts';
import { addSiteCommands } from './sites.ts';

export function addPeopleCommands(program: Command, context: CliContext): void {
  addMachineCommands(program, context);
  addRecordCommands(program, context);
  addAccessCommands(program, context);
  addEventCommands(program, context);
  addDnsCommands(program, context);
  addJobCommands(program, context);
  addImageCommands(program, context);
  addCertificateCommands(program, context);
  addFlightCommands(program, context);
  addConsoleCommand(program, context);
  addRequestCommands(program, context);
  addCapacityCommands(program, context);
  addPoolCommands(program, context);
  addDeliveryCommands(program, context);
  addSiteCommands(program, context);
  addFederationStatus(program, context);
  addLocalCommands(program, context);
  addCompletionCommand(program, context);
  checkNumbers(program);
}
