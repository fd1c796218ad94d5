/** What one check of `reveille doctor` has found. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly found: string;
  /** What to do about it. */
  readonly mend?: string;
}
