/**
 * The way to the witness: central, by the certificate of the site, which both members of the pair have. A question that gets no
 * answer in time has none: the rules are such that what is not known to be granted is not used.
 */
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import type { Answer, Question } from '../standby/witness.ts';
import { witnessAnswer } from '../standby/witness-form.ts';
import { FLEET_FILES, type Membership } from './membership.ts';

const ANSWER_BYTES_MAX = 4096;

/** @returns undefined when there is no answer, or no way there */
export function askWitness(
  folder: string,
  question: Question,
  timeoutMs: number,
): Promise<Answer | undefined> {
  const files = [FLEET_FILES.membership, FLEET_FILES.identity].map((name) => join(folder, name));
  if (!files.every((file) => existsSync(file))) return Promise.resolve(undefined);
  const [membership = '', identity = ''] = files.map((file) => readFileSync(file, 'utf8'));
  const { url, authority }: Membership = JSON.parse(membership);
  return new Promise((resolve) => {
    const none = () => resolve(undefined);
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
          if (text.length > ANSWER_BYTES_MAX) sent.destroy();
        });
        answer.once('error', none);
        answer.once('end', () => {
          try {
            const parsed = witnessAnswer.safeParse(JSON.parse(text));
            resolve(answer.statusCode === 200 && parsed.success ? parsed.data : undefined);
          } catch {
            none();
          }
        });
      },
    );
    const timer = setTimeout(() => sent.destroy(), timeoutMs);
    sent.once('error', none);
    sent.once('close', () => {
      clearTimeout(timer);
      none();
    });
    sent.end(JSON.stringify(question));
  });
}
