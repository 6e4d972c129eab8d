// Why: the one way this page makes elements. Text goes in as text nodes, never as markup, so
// nothing a person typed can become part of the page's structure.

const SVG = 'http://www.w3.org/2000/svg';

/** @typedef {Node | string | number | null | undefined | false | any[]} Child what an element holds; lists may hold lists */

/**
 * Makes an element. `on…` properties are listeners, `data` fills the dataset, `true` is an empty
 * attribute, `false`, `null` and `undefined` leave it away, everything else is an attribute.
 *
 * @param {string} tag
 * @param {Record<string, any> | null} [props]
 * @param {...Child} children
 * @returns {any} the element; `any` because callers know which one they asked for
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'value' || name === 'checked') /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, children);
  return element;
}

/**
 * Appends children, however nested.
 *
 * @param {Element} parent
 * @param {Child} child
 */
export function add(parent, child) {
  if (Array.isArray(child)) for (const one of child) add(parent, one);
  else if (child !== null && child !== undefined && child !== false) {
    parent.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Replaces what an element holds.
 *
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  add(parent, children);
}

/**
 * An SVG element; used by the icons and meters.
 *
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...Element} children
 */
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Does it once before the next picture, however often it is asked for.
 *
 * @param {() => void} action
 */
export function soon(action) {
  let asked = 0;
  return () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      action();
    });
  };
}

/** A click that counts once: the button is off until what it began is done. @param {() => Promise<unknown>} action */
export const once = (action) => async (/** @type {Event} */ event) => {
  const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
  button.disabled = true;
  try {
    await action();
  } finally {
    button.disabled = false;
  }
};

let counter = 0;

/** An id that no other element of this page has; ties labels to what they name. */
export function uid(prefix = 'e') {
  counter += 1;
  return `${prefix}-${counter}`;
}

/**
 * A custom element that builds itself once when it comes into the page and lets go of everything
 * when it leaves: listeners registered with `this.signal` end, timers go in `this.onleave`.
 */
export class View extends HTMLElement {
  #leaving = new AbortController();

  /** Ends when the element leaves the page. */
  get signal() {
    return this.#leaving.signal;
  }

  connectedCallback() {
    this.#leaving = new AbortController();
    this.build();
  }

  disconnectedCallback() {
    this.#leaving.abort();
  }

  /** Runs when the element leaves the page. @param {() => void} action */
  onleave(action) {
    this.#leaving.signal.addEventListener('abort', action, { once: true });
  }

  /** Listens until the element leaves. @param {EventTarget} target @param {string} type @param {(event: any) => void} action */
  listen(target, type, action) {
    target.addEventListener(type, action, { signal: this.signal });
  }

  /** Makes the content; subclasses say how. */
  build() {}
}

/**
 * Registers a custom element once and returns its maker.
 *
 * @template {new () => HTMLElement} C
 * @param {string} name
 * @param {C} type
 * @returns {(props?: Partial<InstanceType<C>>) => InstanceType<C>}
 */
export function define(name, type) {
  customElements.define(name, type);
  return (props = {}) => Object.assign(/** @type {any} */ (document.createElement(name)), props);
}
