// Why: sixty routes are many; a field shows those whose line or codes hold what was typed. The page
// is whole without it.

const filter = document.getElementById('filter');
if (filter) {
  const label = document.createElement('label');
  const input = document.createElement('input');
  input.type = 'search';
  label.append('Show only routes with ', input);
  filter.append(label);
  input.addEventListener('input', () => {
    const wanted = input.value.trim().toLowerCase();
    for (const entry of document.querySelectorAll('details')) {
      entry.hidden = !entry.textContent?.toLowerCase().includes(wanted);
    }
  });
}

/** Opens what a link within the page leads to. */
function open() {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener('hashchange', open);
open();
