// Why: the page's own addresses. Links stay links (they can be opened in a tab and copied); a click
// inside the page changes the view without loading it again.

/**
 * @typedef {object} Route
 * @property {RegExp} pattern matched against the path; named groups become parameters
 * @property {() => Promise<(params: any) => HTMLElement>} view loads what makes it
 * @property {'anyone' | 'member' | 'admin'} [who] who may see it; anyone when left away
 */

/** Goes to an address of this page. @param {string} url @param {{replace?: boolean}} [how] */
export function go(url, how = {}) {
  if (how.replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
  dispatchEvent(new Event('signcall:navigate'));
}

/** Calls back on every change of address made here, by a link, or by the back button. @param {() => void} action */
export function onNavigate(action) {
  addEventListener('signcall:navigate', action);
  addEventListener('popstate', action);
  document.addEventListener('click', (event) => {
    const link = /** @type {Element} */ (event.target).closest?.('a[href]');
    if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented) return;
    const elsewhere = link.origin !== location.origin || link.target || link.hasAttribute('download');
    if (elsewhere || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (link.getAttribute('href')?.startsWith('#')) return;
    if (link.pathname.startsWith('/api/') || link.pathname.startsWith('/docs')) return;
    event.preventDefault();
    go(link.pathname + link.search);
  });
}

/**
 * The first route that matches the address now shown.
 *
 * @param {Route[]} routes
 * @returns {{route: Route, params: Record<string, string>} | null}
 */
export function match(routes) {
  for (const route of routes) {
    const found = route.pattern.exec(location.pathname);
    if (found) return { route, params: found.groups ?? {} };
  }
  return null;
}
