/**
 * The way to the witness: central, by the certificate of the site, which both members of the pair have. A question that gets no
 * answer in time has none, and the log says why: the rules are such that what is not known to be granted is not used.
 */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Log } from '../platform/log.ts';
import { seldom } from '../platform/seldom.ts';
import type { Answer, Question } from '../standby/witness.ts';
import { formatQuestion, witnessAnswer } from '../standby/witness-form.ts';
import { FLEET_FILES, type Membership } from './membership.ts';

const ANSWER_BYTES_MAX = 4096;

export type AskWitness = (question: Question, timeoutMs: number) => Promise<Answer | undefined>;

/** @returns a way to ask that gives undefined when there is no answer, or no way there, and never fails */
export function openWitness(folder: string, log: Pick<Log, 'warn'>): AskWitness {
  const tell = seldom((err: unknown) => log.warn({ err }, 'the witness gave no answer'));
  return (question, timeoutMs) =>
    ask(folder, question, timeoutMs).catch((error: unknown) => {
      tell(error);
      return undefined;
    });
}

/** @throws Error why there is no answer */
async function ask(folder: string, question: Question, timeoutMs: number): Promise<Answer> {
  const [membership, identity] = [FLEET_FILES.membership, FLEET_FILES.identity].map((name) =>
    readFileSync(join(folder, name), 'utf8'),
  ) as [string, string];
  const { url, authority }: Membership = JSON.parse(membership);
  return new Promise((resolve, reject) => {
    const sent = request(
      new URL('/witness', url),
      {
        ...{ method: 'POST', ca: authority, key: identity, cert: identity, agent: false },
        ...{ minVersion: 'TLSv1.3', headers: { 'content-type': 'application/json' } },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
          if (text.length > ANSWER_BYTES_MAX) sent.destroy(new Error('its answer is too long'));
        });
        answer.once('error', reject);
        answer.once('end', () => {
          if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}: ${text}`));
          else resolve(parseAnswer(text));
        });
      },
    );
    const timer = setTimeout(() => sent.destroy(new Error('no answer in time')), timeoutMs);
    sent.once('error', reject);
    sent.once('close', () => {
      clearTimeout(timer);
      reject(new Error('it closed the line'));
    });
    sent.end(formatQuestion(question));
  });
}

/** A promise, so that what is no answer rejects. */
async function parseAnswer(text: string): Promise<Answer> {
  return witnessAnswer.parse(JSON.parse(text));
}
