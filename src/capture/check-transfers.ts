/** What is wrong with one TFTP transfer (RFC 1350, 2347, 2348, 2349, 7440). */
import { printable } from '../dhcp/option-plain.ts';
import { inCase } from '../tftp/file-name.ts';
import { type Problem, problem } from './checks.ts';
import { hideTokens } from './hide-tokens.ts';
import type { TftpTransfer } from './model.ts';
import { endOf } from './tftp-trace.ts';

/** Numbers of which the server may grant less than was asked for, and never more. */
const AT_MOST = ['blksize', 'windowsize'];

const FILE_NOT_FOUND = 1;

export function checkTransfer(transfer: TftpTransfer): Problem[] {
  const { file, asked, granted, error, retransmits, requests, block, bytes } = transfer;
  const found: Problem[] = [];
  const name = `"${hideTokens(printable(file))}"`;
  const say = (check: Problem['check'], detail: string) =>
    void found.push(problem(check, transfer, `${name}: ${detail}`));
  const failure = error ? `error ${error.code}, "${hideTokens(printable(error.message))}"` : '';
  switch (endOf(transfer)) {
    case 'unanswered':
      say('tftp-unanswered', `${requests} request(s)`);
      break;
    case 'refused':
      say(
        error?.code === FILE_NOT_FOUND && inCase(file) !== undefined
          ? 'tftp-not-there'
          : 'tftp-error',
        failure,
      );
      break;
    case 'aborted':
      say('tftp-aborted', `${failure} after block ${block}`);
      break;
    case 'unfinished':
      say('tftp-unfinished', `after block ${block}, ${bytes} bytes`);
      break;
    default:
      break;
  }
  const answered = granted !== undefined || block > 0;
  const refused = [...asked.keys()].filter((option) => !granted?.has(option));
  if (answered && refused.length > 0) say('tftp-option-refused', refused.join(', '));
  for (const option of AT_MOST) {
    const [wanted, given] = [Number(asked.get(option)), Number(granted?.get(option))];
    if (given > wanted) say('tftp-option-enlarged', `${option} ${given}, asked for ${wanted}`);
  }
  const size = granted?.get('tsize');
  if (transfer.last && size !== undefined && Number(size) !== bytes) {
    say('tftp-size-wrong', `tsize ${printable(size)}, sent ${bytes}`);
  }
  if (retransmits > 0)
    say('tftp-retransmissions', `${retransmits} of ${block + retransmits} blocks`);
  if (transfer.fragmented) say('fragmented', `blksize ${granted?.get('blksize') ?? '512'}`);
  if (printable(file) !== file) say('tftp-name-garbage', `${file.length} bytes`);
  return found;
}
