/**
 * Diagnoses: precision and recall over the corpus of failures, and names given to boots that are healthy.
 *
 * There is no peer: nothing else that answers DHCP says why a machine did not boot. The corpus is what the unit tests judge
 * (docs/diagnoses.md): records of real virtual machines that failed, made-up records of the failures that no lab has, and
 * captures of healthy clients. A failure that is called by another's name counts against both figures. The run fails below
 * 95 %, and at the first name for a healthy boot.
 */
import { DIAGNOSES } from '../src/diagnose/table.ts';
import { type Judged, judgeCorpus, judgeHealthy, scoreOf } from '../test/support/corpus.ts';
import type { TopicOptions, TopicResult } from './support/topic.ts';

const WANTED = 0.95;
const ROUNDS = 20;

export async function run({ quick, log }: TopicOptions): Promise<TopicResult> {
  const judged = [...(await judgeCorpus()), ...(await judgeHealthy())];
  const recorded = judged.filter(({ from }) => from === 'recorded');
  const ours = {
    ...figures(judged),
    /** Of real firmware and kernels alone. */
    recorded: figures(recorded),
    diagnoses: DIAGNOSES.length,
    shown:
      new Set(judged.flatMap(({ expect, found }) => (expect === found ? [expect] : []))).size - 1,
    judgedPerSecond: await speed(quick ? 2 : ROUNDS),
  };
  for (const { name, expect, found } of scoreOf(judged).wrong)
    log(`${name}: called ${found ?? 'nothing'}, and is ${expect ?? 'healthy'}`);
  const { precision, recall, falseAlarms } = ours;
  if (precision < WANTED || recall < WANTED || falseAlarms > 0)
    throw new Error(`precision ${precision}, recall ${recall}, ${falseAlarms} false alarms`);
  const notes = ['no peer: no other boot server names causes'];
  return { topic: 'diagnoses', ours, peers: {}, ratio: {}, notes };
}

function figures(judged: readonly Judged[]) {
  const { wrong: _, ...score } = scoreOf(judged);
  const percent = (share: number) => Math.round(share * 10_000) / 10_000;
  return { ...score, precision: percent(score.precision), recall: percent(score.recall) };
}

/** How many records are read, parsed and judged in a second, captures included. */
async function speed(rounds: number): Promise<number> {
  const started = performance.now();
  let count = 0;
  for (let round = 0; round < rounds; round++) count += (await judgeCorpus()).length;
  return Math.round((1000 * count) / (performance.now() - started));
}
