/** From a label to its machine: by the camera, by a hand scanner, or by typing. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { Camera } from '../parts/camera.tsx';
import { Title } from '../parts/common.tsx';
import { lookUp } from '../scan-lookup.ts';
import { toggleWatch, watched } from '../watch.ts';

export function ScanPage() {
  const [typed, setTyped] = useState('');
  const field = useRef<HTMLInputElement>(null);
  // The browser's own autofocus is for documents: this page follows another without one.
  useEffect(() => field.current?.focus({ preventScroll: true }), []);
  const find = async (event: Event) => {
    event.preventDefault();
    await lookUp(typed);
  };
  return (
    <>
      <Title>Scan a serial</Title>
      <Camera />
      <form class="scan-form" onSubmit={find}>
        <input
          type="text"
          aria-label="Serial"
          placeholder="Scan or type a serial"
          autocapitalize="characters"
          autocomplete="off"
          spellcheck={false}
          value={typed}
          ref={field}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        <button type="submit" class="primary">
          Find
        </button>
        <button
          type="button"
          disabled={typed.trim() === ''}
          onClick={() => toggleWatch(typed.trim())}
          aria-pressed={watched.value.has(typed.trim())}
        >
          {watched.value.has(typed.trim()) ? '★ Watched' : '☆ Watch for it'}
        </button>
      </form>
      <p class="dim">
        A hand scanner works on every page: point and pull. Watching makes a sound on this device
        when that machine arrives or stalls.
      </p>
      <Watched />
    </>
  );
}

function Watched() {
  if (watched.value.size === 0) return null;
  return (
    <ul class="plain-list" aria-label="Watched">
      {[...watched.value].map((name) => (
        <li key={name}>
          <code>{name}</code>
          <button type="button" onClick={() => toggleWatch(name)}>
            Stop watching
          </button>
        </li>
      ))}
    </ul>
  );
}
