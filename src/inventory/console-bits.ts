/**
 * What was printed on a terminal, cut into what is seen and what is not: text, new lines, other control characters, and the control
 * sequences of ECMA-48. Bytes are characters here (latin1), so that a place is that of a byte. Pure and total.
 */
export interface ConsoleBit {
  /** `string` is the text of an operating system command and the like, `glyph` a character that is none of ASCII. */
  readonly kind: 'text' | 'glyph' | 'newline' | 'control' | 'escape' | 'csi' | 'string';
  /** Where `text` begins. */
  readonly at: number;
  /** Of a sequence: its parameters and how it ends; what introduces it is left out. */
  readonly text: string;
}

/** What stood before a letter that is seen, and is not seen itself. */
export const BREAK = { none: 0, newline: 1, sequence: 2, gap: 3 } as const;

/** Letters that follow each other where they are looked at. */
export interface SeenLetters {
  readonly text: string;
  /** Where in what was kept each stands; negative for one that is nowhere. */
  readonly places: Int32Array;
  readonly breaks: Uint8Array;
  /** Nothing is known of what came before and after, as opposed to there being nothing. */
  readonly open: boolean;
}

const [LF, CR, ESC, SPACE, TILDE, CSI] = [0x0a, 0x0d, 0x1b, 0x20, 0x7e, 0x9b] as const;
/** What UTF-8 has before an eight-bit control character. */
const C1 = 0xc2;

// Bounded, so that no text of a machine is looked through again and again.
const CONTROL_SEQUENCE = /[0-?]{0,64}[ -/]{0,8}[@-~]/y;
const [BEL_CHAR, ESC_CHAR] = ['\\u0007', '\\u001b'] as const;
const STRING = new RegExp(
  `([\\]PX^_][^${BEL_CHAR}${ESC_CHAR}]{0,2048})(?:${BEL_CHAR}|${ESC_CHAR}\\\\)`,
  'y',
);
const ESCAPE = /[ -/]{0,8}[0-~]/y;
const GLYPH = /\u00c2[\u00a0-\u00bf]|[\u00c3-\u00f4][\u0080-\u00bf]{1,3}|[\u00a0-\u00ff]/y;

export function consoleBits(kept: string): readonly ConsoleBit[] {
  const bits: ConsoleBit[] = [];
  for (let at = 0; at < kept.length; ) {
    const { bit, end } = bitAt(kept, at);
    bits.push(bit);
    at = end;
  }
  return bits;
}

function bitAt(kept: string, at: number): { bit: ConsoleBit; end: number } {
  const code = kept.charCodeAt(at);
  if (code >= SPACE && code <= TILDE) {
    let end = at + 1;
    while (end < kept.length && isText(kept.charCodeAt(end))) end += 1;
    return { bit: { kind: 'text', at, text: kept.slice(at, end) }, end };
  }
  if (code === LF || (code === CR && kept.charCodeAt(at + 1) === LF)) {
    const end = at + (code === LF ? 1 : 2);
    return { bit: { kind: 'newline', at, text: kept.slice(at, end) }, end };
  }
  const wide = code === C1 && kept.charCodeAt(at + 1) >> 5 === CSI >> 5 ? 1 : 0;
  const introduced =
    code === ESC
      ? afterEscape(kept, at + 1)
      : kept.charCodeAt(at + wide) === CSI
        ? sequenceAt(kept, at + wide + 1)
        : undefined;
  if (introduced) return introduced;
  const glyph = code >= 0xa0 && !wide ? matchAt(GLYPH, kept, at) : undefined;
  if (glyph) return { bit: { kind: 'glyph', at, text: glyph[0] }, end: at + glyph[0].length };
  const end = at + wide + 1;
  return { bit: { kind: 'control', at, text: kept.slice(at, end) }, end };
}

function afterEscape(kept: string, at: number): ReturnType<typeof bitAt> | undefined {
  const sequence = kept[at] === '[' ? sequenceAt(kept, at + 1) : undefined;
  if (sequence) return sequence;
  const string = matchAt(STRING, kept, at);
  if (string) {
    const text = (string[1] ?? '').slice(1);
    return { bit: { kind: 'string', at: at + 1, text }, end: at + string[0].length };
  }
  const text = matchAt(ESCAPE, kept, at)?.[0];
  return text ? { bit: { kind: 'escape', at, text }, end: at + text.length } : undefined;
}

function sequenceAt(kept: string, at: number): ReturnType<typeof bitAt> | undefined {
  const text = matchAt(CONTROL_SEQUENCE, kept, at)?.[0];
  return text ? { bit: { kind: 'csi', at, text }, end: at + text.length } : undefined;
}

function matchAt(pattern: RegExp, kept: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(kept) ?? undefined;
}

const isText = (code: number): boolean => code >= SPACE && code <= TILDE;

/** Whether what is seen beside it may be something else than what was printed beside it. */
export function isAside({ kind, text }: ConsoleBit): boolean {
  if (kind === 'csi') return /[A-HJKdfsu`]$/.test(text);
  if (kind === 'control') return text === '\r' || text === '\b';
  return kind === 'string' || (kind === 'escape' && /^[78DEM]$/.test(text));
}
