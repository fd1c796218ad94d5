/** From a label to its machine: by the camera where the browser reads codes, by a hand scanner, or by typing. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { Title } from '../parts/common.tsx';
import { lookUp } from '../scan-lookup.ts';
import { toggleWatch, watched } from '../watch.ts';

interface Detector {
  detect(source: HTMLVideoElement): Promise<readonly { readonly rawValue: string }[]>;
}
type DetectorClass = new (options: { formats: readonly string[] }) => Detector;

const FORMATS = ['code_128', 'code_39', 'qr_code', 'data_matrix', 'ean_13'];
const LOOK_MS = 200;

const detectorClass = (): DetectorClass | undefined =>
  (globalThis as { BarcodeDetector?: DetectorClass }).BarcodeDetector;

export function ScanPage() {
  const [typed, setTyped] = useState('');
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
          autofocus
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

function Camera() {
  const video = useRef<HTMLVideoElement>(null);
  const [on, setOn] = useState(false);
  const [trouble, setTrouble] = useState('');
  const Detect = detectorClass();
  useEffect(() => {
    if (!on || !Detect) return;
    const detector = new Detect({ formats: FORMATS });
    let stream: MediaStream | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    const look = async () => {
      const element = video.current;
      if (over || !element) return;
      const [code] = element.readyState < 2 ? [] : await detector.detect(element).catch(() => []);
      if (code && !over) {
        navigator.vibrate?.(60);
        setOn(false);
        await lookUp(code.rawValue);
      } else timer = setTimeout(look, LOOK_MS);
    };
    navigator.mediaDevices
      .getUserMedia({ video: { facingMode: 'environment' } })
      .then(async (opened) => {
        stream = opened;
        if (over || !video.current) {
          for (const track of opened.getTracks()) track.stop();
          return;
        }
        video.current.srcObject = opened;
        await video.current.play();
        await look();
      })
      .catch((error: Error) => {
        setTrouble(`The camera cannot be used: ${error.message}`);
        setOn(false);
      });
    return () => {
      over = true;
      clearTimeout(timer);
      for (const track of stream?.getTracks() ?? []) track.stop();
    };
  }, [on]);
  if (!Detect || !navigator.mediaDevices)
    return (
      <p class="note">
        This browser reads no codes by camera
        {isSecureContext ? '' : ' (it would need the portal over HTTPS)'}. A hand scanner and typing
        work.
      </p>
    );
  return (
    <div class="camera">
      {on && <video ref={video} playsInline muted />}
      <button type="button" class="primary" onClick={() => setOn(!on)}>
        {on ? 'Stop the camera' : 'Scan by camera'}
      </button>
      {trouble !== '' && <p class="note bad">{trouble}</p>}
    </div>
  );
}
