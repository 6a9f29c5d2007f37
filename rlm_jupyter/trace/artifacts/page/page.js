'use strict';
// The page of a run: its tree on one clock, what is told of each span, and search. What models and code wrote comes
// from JSON and is set as text; no markup is ever made of it.
{
  const ROW = 26; // pixels, as in page.css
  const SHOWN = 10000; // characters of a text, until all of it is asked for
  const MARKED = 2000; // places that are highlighted
  const BINS = 48; // parts of a group's bar
  const SIGNS = { root: '◎', run: '◎', iteration: '○', model_call: '✦', code: '›', subcall: '✧' };
  const KINDS = [
    ['model_call', 'Model calls'],
    ['code', 'Code'],
    ['subcall', 'Sub-calls'],
    ['run', 'Child runs']
  ];

  const {
    seconds,
    left_out: leftOut,
    spans,
    texts,
    pictures
  } = JSON.parse(document.getElementById('run').textContent);

  /** Make an element: its attributes, and what stands in it, which is elements and texts. */
  function make(name, attributes = {}, ...content) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === 'function') {
        element.addEventListener(key, value);
      } else if (value !== undefined && value !== false) {
        element.setAttribute(key, value === true ? '' : String(value));
      }
    }
    element.append(...content);
    return element;
  }

  // ---- The tree: spans stand in its order, each before what is in it.

  const parents = []; // of each span
  const ends = new Array(spans.length).fill(spans.length); // the first span after all that is in it
  const places = []; // among its siblings, from 1
  const counts = []; // of each span's children
  const byId = new Map();
  {
    const path = [];
    spans.forEach((span, index) => {
      while (path.length > span.depth) {
        ends[path.pop()] = index;
      }
      const parent = path.length > 0 ? path[path.length - 1] : -1;
      parents.push(parent);
      counts.push(0);
      places.push(parent < 0 ? 1 : ++counts[parent]);
      path.push(index);
      if (span.id !== undefined && !byId.has(span.id)) {
        byId.set(span.id, index);
      }
    });
  }
  const errors = spans.flatMap((span, index) => (span.status === 'error' ? [index] : []));

  const groups = spans.filter(span => span.group !== undefined).length;

  const open = new Set();
  spans.forEach((span, index) => {
    if (counts[index] > 0 && span.group === undefined && span.kind !== 'run') {
      open.add(index);
    }
  });

  const shut = new Set(); // what was folded while only some are shown
  const kinds = new Set();
  let failedOnly = false;
  let words = '';
  let matches = null; // the spans that are looked for, or null when it is all of them
  let kept = null; // the same and what they stand in
  let rows = []; // the spans that have a row
  let chosen = 0;

  function isOpen(index) {
    return counts[index] > 0 && (kept === null ? open.has(index) : !shut.has(index));
  }

  function listRows() {
    rows = [];
    for (let index = 0; index < spans.length;) {
      if (kept !== null && !kept.has(index)) {
        index = ends[index];
      } else {
        rows.push(index);
        index = isOpen(index) ? index + 1 : ends[index];
      }
    }
  }

  function openTo(index) {
    for (let above = parents[index]; above >= 0; above = parents[above]) {
      open.add(above);
      shut.delete(above);
    }
  }

  // ---- Search: in every text, and of each text once.

  const lower = [];

  function textsWith(query) {
    const found = new Set();
    texts.forEach((text, number) => {
      lower[number] ??= text.toLowerCase();
      if (lower[number].includes(query)) {
        found.add(number);
      }
    });
    return found;
  }

  function look() {
    const query = words.trim().toLowerCase();
    shut.clear();
    if (query === '' && kinds.size === 0 && !failedOnly) {
      matches = kept = null;
      return;
    }
    const found = query === '' ? null : textsWith(query);
    matches = [];
    kept = new Set();
    spans.forEach((span, index) => {
      const fits =
        span.group === undefined &&
        (kinds.size === 0 || kinds.has(span.kind)) &&
        (!failedOnly || !['ok', 'running'].includes(span.status)) &&
        (found === null ||
          span.name.toLowerCase().includes(query) ||
          span.parts.some(([, form, number]) => form !== 'picture' && found.has(number)));
      if (fits) {
        matches.push(index);
        for (let each = index; each >= 0 && !kept.has(each); each = parents[each]) {
          kept.add(each);
        }
      }
    });
  }

  // ---- The waterfall.

  function place(at, took) {
    const whole = seconds || 1;
    const left = Math.min(99.8, Math.max(0, (100 * at) / whole));
    return [left, Math.min(100 - left, Math.max(0, (100 * took) / whole))];
  }

  function bar([left, width], weight = 1) {
    const element = make('span');
    element.style.left = `${left.toFixed(3)}%`;
    element.style.width = `${width.toFixed(3)}%`;
    element.style.opacity = weight < 1 ? (0.3 + 0.7 * weight).toFixed(2) : '';
    return element;
  }

  /** The bars of a group: the more ran at a time, the stronger. */
  function groupBars(index) {
    const { at, took } = spans[index];
    const size = took / BINS || 1;
    const steps = new Array(BINS + 1).fill(0);
    for (let each = index + 1; each < ends[index]; each = ends[each]) {
      const from = Math.floor((spans[each].at - at) / size);
      const to = Math.ceil((spans[each].at + spans[each].took - at) / size);
      steps[Math.min(Math.max(from, 0), BINS - 1)] += 1;
      steps[Math.min(Math.max(to, from + 1), BINS)] -= 1;
    }
    let running = 0;
    const loads = steps.slice(0, BINS).map(step => (running += step));
    const most = Math.max(...loads, 1);
    return loads.flatMap((load, bin) =>
      load > 0 ? [bar(place(at + bin * size, size), load / most)] : []
    );
  }

  function barsOf(index) {
    const { at, took, kind, status, group } = spans[index];
    const bars = group === undefined ? [bar(place(at, took))] : groupBars(index);
    const attributes = { class: 'bars', 'data-kind': kind, 'data-status': status };
    return make('div', { ...attributes, 'aria-hidden': 'true' }, ...bars);
  }

  function ticks() {
    const rough = (seconds || 1) / 4;
    const unit = rough > 30 ? 60 : 1;
    const power = 10 ** Math.floor(Math.log10(rough / unit));
    const factor = [1, 2, 5].find(each => each * power * unit >= rough) ?? 10;
    const step = factor * power * unit;
    const told = at =>
      unit > 1 ? `${at / 60} min` : step < 1 ? `${Math.round(at * 1000)} ms` : `${at} s`;
    const made = [];
    for (let at = 0; at < 0.88 * seconds; at += step) {
      const tick = make('span', {}, at === 0 ? '0' : told(at));
      tick.style.left = `${((100 * at) / seconds).toFixed(3)}%`;
      made.push(tick);
    }
    return made;
  }

  // ---- What stands on the page.

  const space = make('div', { role: 'none' });
  const tree = make(
    'div',
    { class: 'tree', role: 'tree', tabindex: '0', 'aria-label': 'Steps of the run' },
    space
  );
  const detail = make('section', {
    class: 'detail',
    tabindex: '0',
    'aria-label': 'The chosen step'
  });
  const told = make('span', { role: 'status' });
  const field = make('input', {
    type: 'search',
    placeholder: 'Search all texts',
    'aria-label': 'Search all texts',
    title: 'Enter: next match; Shift+Enter: the one before. Press / to come here.'
  });
  const filters = make('div', { role: 'group', 'aria-label': 'Show only' });
  const next = make('button', { type: 'button', class: 'next', title: 'Press e, or Shift+E' });
  const tools = make('div', { class: 'tools', role: 'search' }, field, filters, next, told);
  const axis = make(
    'div',
    { class: 'axis', 'aria-hidden': 'true' },
    make('span', {}, 'step'),
    make('span', { class: 'ticks' }, ...ticks()),
    make('span', {}, 'time')
  );
  const left = make('div', { class: 'left' }, axis, tree);
  const app = make('div', { id: 'app' }, tools, make('div', { class: 'work' }, left, detail));

  function rowOf(place, index) {
    const span = spans[index];
    const twisty = counts[index] === 0 ? '' : isOpen(index) ? '▾' : '▸';
    const name = make(
      'div',
      { class: 'name', title: span.name },
      make('span', { class: 'twisty', 'aria-hidden': 'true' }, twisty),
      make('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[span.kind] ?? ''),
      make('span', { class: 'label' }, span.name)
    );
    if (span.mark !== undefined) {
      name.append(make('span', { class: 'mark' }, span.mark));
    }
    name.style.setProperty('--depth', String(Math.min(span.depth, 14)));
    const row = make(
      'div',
      {
        id: `row-${index}`,
        class: 'row',
        role: 'treeitem',
        'aria-level': span.depth + 1,
        'aria-posinset': places[index],
        'aria-setsize': parents[index] < 0 ? 1 : counts[parents[index]],
        'aria-expanded': counts[index] > 0 ? String(isOpen(index)) : undefined,
        'aria-selected': String(index === chosen),
        'data-index': index,
        'data-status': span.status,
        'data-context': matches !== null && !hits.has(index)
      },
      name,
      barsOf(index),
      make('div', { class: 'time' }, span.time)
    );
    row.style.top = `${place * ROW}px`;
    return row;
  }

  let hits = new Set();

  /** Draw the rows that are in sight, and some around them. */
  function draw() {
    const first = Math.max(0, Math.floor(tree.scrollTop / ROW) - 8);
    const last = Math.min(rows.length, Math.ceil((tree.scrollTop + tree.clientHeight) / ROW) + 8);
    const made = [];
    for (let place = first; place < last; place++) {
      made.push(rowOf(place, rows[place]));
    }
    space.replaceChildren(...made);
    const isThere = document.getElementById(`row-${chosen}`) !== null;
    tree.toggleAttribute('aria-activedescendant', isThere);
    if (isThere) {
      tree.setAttribute('aria-activedescendant', `row-${chosen}`);
    }
  }

  /** List the rows anew, after others are open or looked for. */
  function relist() {
    listRows();
    hits = new Set(matches ?? []);
    space.style.height = `${rows.length * ROW}px`;
    const steps = (spans.length - groups).toLocaleString('en');
    const all = `${steps} steps${leftOut > 0 ? `, ${leftOut.toLocaleString('en')} more are not in this page` : ''}`;
    told.textContent =
      matches === null ? all : `${matches.length.toLocaleString('en')} of ${steps} steps`;
  }

  function update() {
    relist();
    draw();
  }

  function scrollTo(index) {
    const top = rows.indexOf(index) * ROW;
    if (top < tree.scrollTop) {
      tree.scrollTop = top;
    } else if (top + ROW > tree.scrollTop + tree.clientHeight) {
      tree.scrollTop = top + ROW - tree.clientHeight;
    }
  }

  function choose(index, { link = true } = {}) {
    chosen = index;
    if (kept !== null && !kept.has(index)) {
      clear();
      relist();
    }
    if (!rows.includes(index)) {
      openTo(index);
      relist();
    }
    scrollTo(index);
    draw();
    describe(index);
    const { id } = spans[index];
    if (link && id !== undefined) {
      try {
        history.replaceState(null, '', `#${encodeURIComponent(id)}`);
      } catch {
        // A page in a sandbox has no address to change; the link in the detail still names the step.
      }
    }
  }

  function clear() {
    field.value = words = '';
    kinds.clear();
    failedOnly = false;
    for (const button of filters.children) {
      button.setAttribute('aria-pressed', 'false');
    }
    look();
  }

  function toggle(index, isOpening) {
    if (counts[index] === 0 || isOpen(index) === isOpening) {
      return;
    }
    const set = kept === null ? open : shut;
    if ((kept === null) === isOpening) {
      set.add(index);
    } else {
      set.delete(index);
    }
    update();
  }

  // ---- The detail.

  function textOf(form, text) {
    const pre = make('pre', { class: form }, text.slice(0, SHOWN));
    if (text.length <= SHOWN) {
      return [pre];
    }
    const more = make(
      'button',
      {
        type: 'button',
        click: () => {
          pre.textContent = text;
          more.remove();
          highlight();
        }
      },
      `Show all ${text.length.toLocaleString('en')} characters`
    );
    return [pre, more];
  }

  function copyButton(text) {
    const button = make('button', { type: 'button' }, 'copy');
    button.addEventListener('click', () => {
      navigator.clipboard.writeText(text).then(
        () => (button.textContent = 'copied'),
        () => (button.textContent = 'not allowed')
      );
    });
    return button;
  }

  function partOf([title, form, number]) {
    const heading = make('h4', { class: 'line' }, make('span', {}, title));
    if (form === 'picture') {
      const source = pictures[number] ?? document.getElementById(`picture-${number}`)?.src;
      return source === undefined ? [] : [heading, make('img', { alt: title, src: source })];
    }
    const text = texts[number];
    if (form === 'folded') {
      return [make('details', {}, make('summary', {}, title), ...textOf('text', text))];
    }
    if (navigator.clipboard !== undefined && form !== 'note') {
      heading.append(copyButton(text));
    }
    return [heading, ...textOf(form, text)];
  }

  function describe(index) {
    const span = spans[index];
    const title = make('div', { class: 'line' }, make('h3', {}, span.name));
    if (span.id !== undefined) {
      const link = { href: `#${encodeURIComponent(span.id)}`, title: 'A link to this step' };
      title.append(make('a', link, `#${span.id}`));
    }
    const facts = [span.time, `from ${span.at.toFixed(2)} s`, span.mark, span.facts];
    const parts = (span.parts ?? []).flatMap(partOf);
    const line = make('p', { class: 'facts' }, facts.filter(Boolean).join(' · '));
    detail.scrollTop = 0; // before, since it has all that is there laid out
    detail.replaceChildren(title, line, ...parts);
    highlight();
  }

  /** Mark what was searched for in the detail, where the browser can. */
  function highlight() {
    if (!('highlights' in CSS)) {
      return;
    }
    const query = words.trim().toLowerCase();
    const ranges = [];
    const walker = document.createTreeWalker(detail, NodeFilter.SHOW_TEXT);
    while (query !== '' && ranges.length < MARKED && walker.nextNode()) {
      const node = walker.currentNode;
      const text = node.data.toLowerCase();
      // Of a few characters the small form is longer, and places in it are other ones.
      let at = text.length === node.data.length ? text.indexOf(query) : -1;
      while (at >= 0 && ranges.length < MARKED) {
        const range = document.createRange();
        range.setStart(node, at);
        range.setEnd(node, at + query.length);
        ranges.push(range);
        at = text.indexOf(query, at + query.length);
      }
    }
    CSS.highlights.set('found', new Highlight(...ranges));
  }

  // ---- What the reader does.

  function step(among, by) {
    if (among.length === 0) {
      return;
    }
    const after = among.findIndex(index => index > chosen);
    const before = among.findLastIndex(index => index < chosen);
    choose(by > 0 ? (among[after] ?? among[0]) : (among[before] ?? among[among.length - 1]));
  }

  function move(by) {
    const at = rows.indexOf(chosen);
    choose(rows[Math.min(rows.length - 1, Math.max(0, at + by))] ?? 0);
  }

  const KEYS = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    PageDown: () => move(Math.floor(tree.clientHeight / ROW) - 1),
    PageUp: () => move(1 - Math.floor(tree.clientHeight / ROW)),
    Home: () => move(-Infinity),
    End: () => move(Infinity),
    ArrowRight: () => (isOpen(chosen) ? move(1) : toggle(chosen, true)),
    ArrowLeft: () =>
      isOpen(chosen) ? toggle(chosen, false) : parents[chosen] >= 0 && choose(parents[chosen]),
    Enter: () => toggle(chosen, !isOpen(chosen)),
    ' ': () => toggle(chosen, !isOpen(chosen))
  };

  tree.addEventListener('keydown', event => {
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (isPlain && rows.length > 0 && Object.hasOwn(KEYS, event.key)) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });
  tree.addEventListener('click', event => {
    const row = event.target.closest('.row');
    if (row === null) {
      return;
    }
    const index = Number(row.dataset.index);
    if (event.target.closest('.twisty') !== null) {
      toggle(index, !isOpen(index));
    } else {
      choose(index);
    }
  });
  tree.addEventListener('dblclick', event => {
    const row = event.target.closest('.row');
    if (row !== null && event.target.closest('.twisty') === null) {
      toggle(Number(row.dataset.index), !isOpen(Number(row.dataset.index)));
    }
  });

  let isDue = false;
  tree.addEventListener('scroll', () => {
    if (!isDue) {
      isDue = true;
      requestAnimationFrame(() => {
        isDue = false;
        draw();
      });
    }
  });
  new ResizeObserver(draw).observe(tree);

  let waiting = 0;
  function searchNow() {
    clearTimeout(waiting);
    waiting = 0;
    words = field.value;
    look();
    tree.scrollTop = 0;
    update();
    highlight();
  }
  field.addEventListener('input', () => {
    clearTimeout(waiting);
    waiting = setTimeout(searchNow, 150);
  });
  field.addEventListener('keydown', event => {
    if (event.key === 'Enter') {
      event.preventDefault();
      if (waiting !== 0) {
        searchNow();
      }
      step(matches ?? [], event.shiftKey ? -1 : 1);
    }
  });
  document.addEventListener('keydown', event => {
    const isWriting = event.target === field || event.ctrlKey || event.metaKey || event.altKey;
    if (!isWriting && event.key === '/') {
      event.preventDefault();
      field.focus();
    } else if (!isWriting && event.key.toLowerCase() === 'e') {
      step(errors, event.shiftKey ? -1 : 1);
    }
  });

  function filter(title, apply) {
    const button = make('button', { type: 'button', 'aria-pressed': 'false' }, title);
    button.addEventListener('click', () => {
      const isOn = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(isOn));
      apply(isOn);
      searchNow();
    });
    filters.append(button);
  }
  for (const [kind, title] of KINDS) {
    if (spans.some(span => span.kind === kind)) {
      filter(title, isOn => (isOn ? kinds.add(kind) : kinds.delete(kind)));
    }
  }
  if (errors.length > 0) {
    filter('Failed', isOn => (failedOnly = isOn));
  }
  next.textContent = `⚠ ${errors.length} failed: next`;
  next.hidden = errors.length === 0;
  next.addEventListener('click', () => step(errors, 1));

  // ---- Light and dark; paper; the step that the address names.

  const theme = make('button', { type: 'button', id: 'theme', title: 'Light or dark' });
  const isDark = () =>
    (document.documentElement.dataset.theme ??
      (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  const nameTheme = () => (theme.textContent = isDark() ? '☀ light' : '☾ dark');
  theme.addEventListener('click', () => {
    document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
    nameTheme();
  });
  nameTheme();

  const plain = document.getElementById('static');
  let unfolded = [];
  addEventListener('beforeprint', () => {
    unfolded = [...document.querySelectorAll('main details:not([open])')];
    unfolded.forEach(each => (each.open = true));
  });
  addEventListener('afterprint', () => unfolded.forEach(each => (each.open = false)));

  /** Show the step that the address names; return whether it names one. */
  function follow() {
    let id = location.hash.slice(1);
    try {
      id = decodeURIComponent(id);
    } catch {
      return false; // no address of ours
    }
    const index = byId.get(id);
    if (index === undefined) {
      return false;
    }
    choose(index, { link: false });
    app.scrollIntoView();
    return true;
  }

  if (spans.length > 0) {
    plain.style.display = 'none';
    plain.before(app);
    document.querySelector('main').append(theme);
    addEventListener('hashchange', follow);
    relist();
    if (!follow()) {
      choose(0, { link: false });
    }
  }
}
