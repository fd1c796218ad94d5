/** Dark or light: as the device says, or as this person chose on this device. */
import { signal } from '@preact/signals';

export type Theme = 'device' | 'dark' | 'light';
const KEY = 'reveille.theme';
const THEMES: readonly Theme[] = ['device', 'dark', 'light'];

export const theme = signal<Theme>('device');

export function nextTheme(): void {
  const next = THEMES[(THEMES.indexOf(theme.peek()) + 1) % THEMES.length] ?? 'device';
  apply(next);
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // It lasts as long as the page.
  }
}

export function startTheme(): void {
  try {
    const kept = localStorage.getItem(KEY) as Theme | null;
    if (kept !== null && THEMES.includes(kept)) apply(kept);
  } catch {
    // As the device says.
  }
}

function apply(next: Theme): void {
  theme.value = next;
  if (next === 'device') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
}
