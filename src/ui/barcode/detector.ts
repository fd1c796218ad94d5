/**
 * Reads barcodes from the camera's picture where the browser has no detector of its own (Safari, Firefox, Chromium on a desk).
 * Only Code 128 and Code 39: what serials are printed in. A code without a check sign counts when two pictures say the same.
 */
import { type Picture, readPicture } from './read-picture.ts';

/** As much of a browser's BarcodeDetector as the scan page uses. */
export interface Detector {
  detect(source: HTMLVideoElement): Promise<readonly { readonly rawValue: string }[]>;
}

/** More pixels are no help for what fills the picture, and cost time on an old phone. */
const WIDTH_MAX = 1280;

/** Says a text once it is sure of it. */
export function createJudge(): (picture: Picture) => string | undefined {
  let before = '';
  return (picture) => {
    const reading = readPicture(picture);
    const again = reading?.text === before;
    before = reading?.text ?? '';
    return reading && (reading.sure || again) ? reading.text : undefined;
  };
}

export function createDetector(): Detector {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const judge = createJudge();
  return {
    async detect(video) {
      const { videoWidth, videoHeight } = video;
      if (!context || videoWidth === 0) return [];
      const scale = Math.min(1, WIDTH_MAX / videoWidth);
      canvas.width = Math.round(videoWidth * scale);
      canvas.height = Math.round(videoHeight * scale);
      context.drawImage(video, 0, 0, canvas.width, canvas.height);
      const text = judge(context.getImageData(0, 0, canvas.width, canvas.height));
      return text === undefined ? [] : [{ rawValue: text }];
    },
  };
}
