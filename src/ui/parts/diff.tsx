/** A diff by lines: what comes begins with +, what goes with −; bounded, because a zone may be long. */

const LINES_MAX = 500;

export function Diff({ text }: { text: string }) {
  const lines = text.split('\n').filter((line) => line !== '');
  if (lines.length === 0) return <p class="dim">Nothing changes.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
    <pre class="diff" tabIndex={0}>
      {lines.slice(0, LINES_MAX).map((line, index) => (
        <div key={index} class={line.startsWith('+') ? 'add' : line.startsWith('-') ? 'del' : ''}>
          {line}
        </div>
      ))}
      {lines.length > LINES_MAX && <div>… and {lines.length - LINES_MAX} lines more</div>}
    </pre>
  );
}
