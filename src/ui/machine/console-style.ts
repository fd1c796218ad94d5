/**
 * The terminal writes style elements, which the content security policy forbids, and rightly: whoever could inject one could
 * read the page with it. While the terminal is made, what it takes for style elements are rules of adopted style sheets
 * instead, which only scripts of the page itself can make.
 */

/** Runs what makes style elements, and hands it stand-ins for them. */
export function withStyleRules<Result>(real: Document, make: () => Result): Result {
  const createElement = (name: string, options?: ElementCreationOptions): HTMLElement =>
    name.toLowerCase() === 'style'
      ? standIn(real)
      : Document.prototype.createElement.call(real, name, options);
  Object.defineProperty(real, 'createElement', { value: createElement, configurable: true });
  try {
    return make();
  } finally {
    Reflect.deleteProperty(real, 'createElement');
  }
}

/** Looks like a style element to whoever fills it; what it is given goes into a sheet that is adopted. */
function standIn(real: Document): HTMLElement {
  const sheet = new CSSStyleSheet();
  real.adoptedStyleSheets = [...real.adoptedStyleSheets, sheet];
  const stand = Document.prototype.createElement.call(real, 'span');
  stand.hidden = true;
  let text = '';
  Object.defineProperty(stand, 'sheet', { value: sheet });
  Object.defineProperty(stand, 'textContent', {
    get: () => text,
    set(next: string) {
      text = next;
      sheet.replaceSync(next);
    },
  });
  const { remove } = stand;
  stand.remove = () => {
    real.adoptedStyleSheets = real.adoptedStyleSheets.filter((one) => one !== sheet);
    remove.call(stand);
  };
  return stand;
}
