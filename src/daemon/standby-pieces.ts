/**
 * Pieces of image files over the line of the pair: the follower asks for one at a time, so what a file takes of the line is what
 * the follower wants of it, and nothing else waits behind more than one piece.
 */
import { open } from 'node:fs/promises';
import { AppError } from '../errors.ts';
import type { ImageFolder } from '../platform/image-folder.ts';
import type { StandbyMessage } from '../standby/protocol.ts';
import type { Piece } from './standby-images.ts';
import type { Line } from './standby-line.ts';

type PieceMessage = Extract<StandbyMessage, { kind: 'piece' }>;
type WantMessage = Extract<StandbyMessage, { kind: 'want' }>;

const PIECE_BYTES = 262_144;

export const noPiece = ({ sha256, offset }: WantMessage): PieceMessage => ({
  ...{ kind: 'piece', sha256, offset, sizeBytes: 0, lengthBytes: 0 },
});

/**
 * As the active one. @returns when the piece is on its way
 * @throws Error what kept it from being read, once it is answered that there is none; a file that is gone is no error
 */
export async function sendPiece(
  folder: ImageFolder,
  line: Line,
  wanted: WantMessage,
): Promise<void> {
  const { sha256, offset } = wanted;
  try {
    const sizeBytes = folder.keptBytes(sha256) ?? 0;
    const bytes = await readPiece(folder.keptPath(sha256), offset);
    line.send({ kind: 'piece', sha256, offset, sizeBytes, lengthBytes: bytes.length });
    if (bytes.length > 0) line.sendRaw(bytes);
  } catch (error) {
    line.send(noPiece(wanted));
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

async function readPiece(path: string, offset: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(PIECE_BYTES),
      0,
      PIECE_BYTES,
      offset,
    );
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

export interface AskedPieces {
  ask(sha256: string, offsetBytes: number): Promise<Piece>;
  /** Its bytes are what comes next, if it has any. */
  heard(message: PieceMessage): void;
  /** @returns whether these were the bytes of a piece */
  bytes(bytes: Uint8Array): boolean;
  /** The line is gone. */
  cut(): void;
}

/** As the follower. @param send undefined when there is no line */
export function askForPieces(send: (message: StandbyMessage) => boolean): AskedPieces {
  let waiting:
    | { wanted: string; resolve(piece: Piece): void; reject(error: Error): void }
    | undefined;
  let coming: PieceMessage | undefined;
  const lost = () => new AppError('IMPORT_FAILED', { detail: '(the other appliance is away)' });
  const settle = (message: PieceMessage, bytes: Uint8Array): void => {
    const asked = waiting;
    if (asked?.wanted !== `${message.sha256} ${message.offset}`) return;
    waiting = undefined;
    if (bytes.length > 0) asked.resolve({ sizeBytes: message.sizeBytes, bytes });
    else asked.reject(new AppError('IMPORT_MISSING', { detail: `(${message.sha256})` }));
  };
  return {
    ask(sha256, offset) {
      return new Promise((resolve, reject) => {
        waiting?.reject(lost());
        waiting = { wanted: `${sha256} ${offset}`, resolve, reject };
        if (!send({ kind: 'want', sha256, offset })) {
          waiting = undefined;
          reject(lost());
        }
      });
    },
    heard(message) {
      if (message.lengthBytes === 0) settle(message, new Uint8Array());
      else coming = message;
    },
    bytes(bytes) {
      const message = coming;
      coming = undefined;
      if (!message) return false;
      settle(message, Buffer.from(bytes));
      return true;
    },
    cut() {
      coming = undefined;
      waiting?.reject(lost());
      waiting = undefined;
    },
  };
}
