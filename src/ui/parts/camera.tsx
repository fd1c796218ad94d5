/**
 * Reads a label by the camera: with the browser's own detector where it has one, which knows QR and Data Matrix too, and else with
 * ours (barcode/), which is fetched when the camera is first used. Browsers give the camera to pages over HTTPS alone.
 */
import type { RefObject } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Detector } from '../barcode/detector.ts';
import { lookUp } from '../scan-lookup.ts';

type DetectorClass = new (options: { formats: readonly string[] }) => Detector;

const FORMATS = ['code_128', 'code_39', 'qr_code', 'data_matrix', 'ean_13'];
const LOOK_MS = 200;

async function openDetector(): Promise<Detector> {
  const { BarcodeDetector: Own } = globalThis as { BarcodeDetector?: DetectorClass };
  try {
    if (Own) return new Own({ formats: FORMATS });
  } catch {
    // It is there without these formats: Chromium on some desks.
  }
  return (await import('../barcode/detector.ts')).createDetector();
}

interface Looking {
  readonly video: RefObject<HTMLVideoElement>;
  onCode(text: string): void;
  onTrouble(says: string): void;
}

/** @returns the way to stop: the camera's light goes out */
function look({ video, onCode, onTrouble }: Looking): () => void {
  let stream: MediaStream | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let over = false;
  const again = async (detector: Detector): Promise<void> => {
    const element = video.current;
    if (over || !element) return;
    const [code] = element.readyState < 2 ? [] : await detector.detect(element).catch(() => []);
    if (code && !over) onCode(code.rawValue);
    else timer = setTimeout(() => void again(detector), LOOK_MS);
  };
  const begin = async () => {
    stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: 'environment', width: { ideal: 1280 }, height: { ideal: 720 } },
    });
    const element = video.current;
    if (over || !element) return stop();
    element.srcObject = stream;
    await element.play();
    await again(await openDetector());
  };
  const stop = () => {
    over = true;
    clearTimeout(timer);
    for (const track of stream?.getTracks() ?? []) track.stop();
  };
  begin().catch((error: Error) => {
    if (!over) onTrouble(`The camera cannot be used: ${error.message}`);
  });
  return stop;
}

export function Camera() {
  const video = useRef<HTMLVideoElement>(null);
  const [on, setOn] = useState(false);
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    if (!on) return;
    setTrouble('');
    return look({
      video,
      onCode(text) {
        navigator.vibrate?.(60);
        setOn(false);
        void lookUp(text);
      },
      onTrouble(says) {
        setTrouble(says);
        setOn(false);
      },
    });
  }, [on]);
  if (!navigator.mediaDevices)
    return (
      <p class="note">
        {isSecureContext
          ? 'This browser has no camera.'
          : 'The camera is there where the portal comes over HTTPS.'}{' '}
        A hand scanner and typing work.
      </p>
    );
  return (
    <div class="camera">
      {on && <video ref={video} playsInline muted />}
      <button type="button" class="primary" onClick={() => setOn(!on)}>
        {on ? 'Stop the camera' : 'Scan by camera'}
      </button>
      {on && <p class="dim">Hold it so that the bars fill the picture.</p>}
      {trouble !== '' && (
        <p class="note bad" role="alert">
          {trouble}
        </p>
      )}
    </div>
  );
}
