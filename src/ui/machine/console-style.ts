/**
 * The terminal writes style elements, which the content security policy forbids, and rightly: whoever could inject one could
 * read the page with it. This hands the terminal a document whose style elements are rules of an adopted style sheet, which
 * only scripts of the page itself can make.
 */

/** @returns a document for `documentOverride`: this one, but for its style elements */
export function styleByRules(real: Document): Document {
  const createElement = (name: string, options?: ElementCreationOptions): HTMLElement =>
    name.toLowerCase() === 'style' ? styleElement(real) : real.createElement(name, options);
  return new Proxy(real, {
    get(target, key) {
      if (key === 'createElement') return createElement;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Looks like a style element to whoever fills it; what it is given goes into a sheet that is adopted. */
function styleElement(real: Document): HTMLElement {
  const sheet = new CSSStyleSheet();
  real.adoptedStyleSheets = [...real.adoptedStyleSheets, sheet];
  const stand = real.createElement('span');
  stand.hidden = true;
  let text = '';
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
