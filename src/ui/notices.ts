/** Short messages that come up and go again, read out by screen readers; a sound and a vibration for those that matter. */
import { signal } from '@preact/signals';

export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly tone: 'good' | 'bad' | 'plain';
  readonly href: string;
}

export const notices = signal<readonly Notice[]>([]);

const SHOWN_MS = 8000;
const KEPT_MAX = 4;
const counter = { next: 1 };

export function tell(text: string, tone: Notice['tone'] = 'plain', href = ''): void {
  const id = counter.next++;
  notices.value = [...notices.peek(), { id, text, tone, href }].slice(-KEPT_MAX);
  setTimeout(() => dismiss(id), SHOWN_MS);
}

export function dismiss(id: number): void {
  notices.value = notices.peek().filter((notice) => notice.id !== id);
}

/** For whatever was asked of the appliance and failed. */
export function tellProblem(error: unknown): void {
  tell(error instanceof Error ? error.message : String(error), 'bad');
}

const audio: { context?: AudioContext } = {};

/** Two rising notes for what is good, two falling ones for what is not: told apart with a machine hall around. */
export function chime(good: boolean): void {
  navigator.vibrate?.(good ? [120] : [200, 100, 200, 100, 200]);
  try {
    audio.context ??= new AudioContext();
    const { context } = audio;
    // One that was made before anybody touched the page is silent until it is told again.
    void context.resume();
    const notes = good ? [660, 990] : [520, 330];
    notes.forEach((pitch, index) => {
      const from = context.currentTime + index * 0.18;
      const tone = context.createOscillator();
      const level = context.createGain();
      tone.frequency.value = pitch;
      level.gain.setValueAtTime(0.0001, from);
      level.gain.exponentialRampToValueAtTime(0.4, from + 0.02);
      level.gain.exponentialRampToValueAtTime(0.0001, from + 0.17);
      tone.connect(level).connect(context.destination);
      tone.start(from);
      tone.stop(from + 0.18);
    });
  } catch {
    // A browser without sound has still vibrated, and the message is on the screen.
  }
}
