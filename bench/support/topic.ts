/** What every bench topic takes and gives; see bench/main.ts. */

export interface TopicOptions {
  /** Shorter runs and fewer rounds: enough to see that the bench works, not to quote a figure. */
  readonly quick: boolean;
  /** Of the topic's parts (`TopicModule.parts`), those that are to be measured; all of them without it. */
  readonly only?: ReadonlySet<string>;
  /** One line of progress, for a person who waits. */
  log(line: string): void;
}

/** A file beside bench/main.ts that is named by one word. */
export interface TopicModule {
  run(options: TopicOptions): Promise<TopicResult>;
  /** What `--only` may name. */
  readonly parts?: readonly string[];
}

export interface TopicResult {
  readonly topic: string;
  readonly ours: object;
  /** By the peer's name, the same figures as `ours`. */
  readonly peers: Record<string, object>;
  /** Ours divided by the peer's, so that more than 1 is better than the peer whatever the unit; the key says what of. */
  readonly ratio: Record<string, number>;
  /** What the generator itself can count on this machine, whatever it is measured with. */
  readonly ceiling?: object;
  /** The targets, each with what was measured; one that is missed ends the command with 1. */
  readonly verdicts?: readonly Verdict[];
  /** What a reader must know to judge the figures: settings, what bounds them, what was not measured. */
  readonly notes?: readonly string[];
  /** What had to hold and did not, with both figures: the run says so and ends with status 1. */
  readonly missed?: readonly string[];
}

export interface Verdict {
  readonly what: string;
  /** At least, or at most, this much. */
  readonly target: number;
  readonly value: number;
  readonly met: boolean;
}

export function atLeast(what: string, target: number, value: number): Verdict {
  return { what, target, value, met: value >= target };
}

export function atMost(what: string, target: number, value: number): Verdict {
  return { what, target, value, met: value <= target };
}
