/** `reveille certificates ...`: what was done to the disks of a machine, and whether it is true. */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Certificate } from '../../client/operations.generated.ts';
import { AppError } from '../../errors.ts';
import { isGenuine } from '../../recycle/certificate.ts';
import { type CliContext, type CommonOptions, clientFor, withCommon } from './connection.ts';
import { jsonIn, readBytes, readText, writeTo } from './files.ts';
import { done, show, time } from './output.ts';

/** `certificates verify` of one that is not genuine, or says that a disk is not clean: for scripts. */
const EXIT_NOT_PROVEN = 1;

export function addCertificateCommands(program: Command, context: CliContext): void {
  const certificates = program.command('certificates').description('proof that disks were erased');
  withCommon(certificates.command('list'))
    .description('list certificates, newest first')
    .argument('[machine]', 'hardwarename')
    .action(async (hardwarename: string | undefined, options: CommonOptions) => {
      const { body } = await clientFor<'certificate'>(context, options).call('GET /certificates', {
        query: { hardwarename },
      });
      show(context, options, {
        document: body,
        rows: body.certificates,
        columns: [
          { title: 'ID', of: ({ id }) => id },
          { title: 'MACHINE', of: (one) => one.hardwarename },
          { title: 'ISSUED', of: ({ issuedAt }) => time(issuedAt) },
          { title: 'RESULT', of: ({ result }) => result },
          { title: 'LEVEL', of: ({ level }) => level },
          { title: 'DISKS', of: ({ disks }) => String(disks) },
        ],
      });
    });
  withCommon(certificates.command('show'))
    .description('print a certificate, or the newest one of a machine')
    .argument('<id>', 'of the certificate, or a hardwarename')
    .option('--out <FOLDER>', 'write certificate.json, certificate.sig and key.pem there')
    .action(async (id: string, options: CommonOptions & { out?: string }) => {
      const found = await find(context, options, id);
      if (options.out !== undefined) {
        await save(context, options, { folder: options.out, found });
        return done(context, options, `written to ${options.out}`, found);
      }
      context.write(options.json ? `${JSON.stringify(found)}\n` : found.text);
    });
  addVerify(certificates, context);
}

function addVerify(certificates: Command, context: CliContext): void {
  withCommon(certificates.command('verify'))
    .description(
      'check that a certificate is genuine and says that every disk is clean; else status 1',
    )
    .argument(
      '<what>',
      'a folder from `show --out`, checked without the appliance; an id; a hardwarename',
    )
    .option('--key <FILE>', 'the public key to trust; else the one in the folder, or the appliance')
    .action(async (what: string, options: CommonOptions & { key?: string }) => {
      const local = existsSync(join(what, 'certificate.json'));
      const { text, signature } = local ? read(what) : await find(context, options, what);
      const pem =
        options.key !== undefined
          ? readText(options.key)
          : local
            ? readText(join(what, 'key.pem'))
            : await keyOf(context, options);
      const genuine = isGenuine(
        { text, signature },
        keyIn(pem, options.key ?? `key.pem of ${what}`),
      );
      const { result, fault, hardwarename } = jsonIn(text, 'the certificate') as Record<
        string,
        string
      >;
      const sanitized = genuine && result === 'sanitized';
      if (!sanitized) process.exitCode = EXIT_NOT_PROVEN;
      const words = genuine
        ? `genuine: ${hardwarename} is ${result}${fault ? `: ${fault}` : ''}`
        : 'NOT GENUINE: this text was not signed by that key';
      done(context, options, words, { genuine, sanitized });
    });
}

/** @param name whose text it is. @throws AppError REQUEST_INVALID */
function keyIn(pem: string, name: string): KeyObject {
  try {
    return createPublicKey(pem);
  } catch (cause) {
    throw new AppError('REQUEST_INVALID', { detail: `${name} is no public key in PEM.`, cause });
  }
}

async function find(context: CliContext, options: CommonOptions, id: string): Promise<Certificate> {
  const api = clientFor<'certificate'>(context, options);
  if (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id))
    return (await api.call('GET /certificates/{id}', { path: { id } })).body;
  const { body } = await api.call('GET /certificates', { query: { hardwarename: id, limit: 1 } });
  const [newest] = body.certificates;
  if (newest) return newest;
  throw new AppError('NOT_FOUND', { detail: `${id} has no certificate.` });
}

async function keyOf(context: CliContext, options: CommonOptions): Promise<string> {
  return (await clientFor<'certificate'>(context, options).call('GET /certificate-key')).body.pem;
}

async function save(
  context: CliContext,
  options: CommonOptions,
  { folder, found }: { folder: string; found: Certificate },
): Promise<void> {
  const pem = await keyOf(context, options);
  writeTo(join(folder, 'certificate.json'), found.text);
  writeTo(join(folder, 'certificate.sig'), Buffer.from(found.signature, 'base64'));
  writeTo(join(folder, 'key.pem'), pem);
}

/** @throws AppError CONFIG_UNREADABLE where one of the files is missing, which a copy by hand forgets */
function read(folder: string): { text: string; signature: string } {
  const signature = join(folder, 'certificate.sig');
  if (!existsSync(signature))
    throw new AppError('CONFIG_UNREADABLE', {
      detail: `(${signature} is missing: without the signature nothing is proven. Write all three files again with reveille certificates show ID --out FOLDER.)`,
    });
  return {
    text: readText(join(folder, 'certificate.json')),
    signature: readBytes(signature).toString('base64'),
  };
}
