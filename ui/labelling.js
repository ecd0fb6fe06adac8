// The labelling screen. The server writes what is to be labelled as JSON into an attribute; everything is shown from there as
// text, never as HTML. Offsets count code points, as Python does. A label leaves as JSON with the event "submit".
const CARET = 'doyen-caret';
const points = (text) => Array.from(text);
const make = (tag, properties = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'text') node.textContent = value;
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter(Boolean));
  return node;
};
const isWriting = (target) => target.closest && target.closest('textarea, input[type=text], input:not([type]), select, [contenteditable=true]');

let screen = null;

class Screen {
  constructor(home, work) {
    this.home = home;
    this.work = work;
    this.task = work.task;
    this.kind = work.type;
    this.description = work.description;
    this.characters = points(this.task.text);
    this.given = work.task.label ?? (work.task.answers.length ? null : work.task.draft);
    this.busy = false;
    this.keys = this.hotkeys();
    this.caret = null;
    this.selected = null;
    this.chosen = [];
    this.marks = [];
    this.links = [];
    this.take(this.given);
    this.draw();
  }

  get tags() { return this.kind === 'pos'; }
  get classes() { return this.kind === 'classification' || this.kind === 'sentiment'; }
  get prompts() { return this.kind === 'prompt-response'; }
  get labels() { return this.prompts ? [{ name: 'evidence', meaning: 'the words that the answer rests on', color: '#0f766e' }] : this.description.labels; }

  // Key → number of the label: its own hot key, else a digit, else a letter that is free.
  hotkeys() {
    const keys = {};
    this.labels.forEach((label, number) => {
      const own = (label.hotkey || '').toLowerCase();
      if (own && !own.includes('+') && !(own in keys)) keys[own] = number;
    });
    const taken = new Set(Object.values(keys));
    const free = [...'1234567890abcdefghijklmnopqrstuvwxyz'].filter((key) => !(key in keys));
    this.labels.forEach((_, number) => { if (!taken.has(number) && free.length) keys[free.shift()] = number; });
    return keys;
  }
  keyOf(number) { return Object.keys(this.keys).find((key) => this.keys[key] === number) ?? ''; }

  // Take a label over: the person's own, a draft, or an answer in a review.
  take(label) {
    this.chosen = label?.labels ? [...label.labels] : [];
    const spans = this.prompts ? (label?.evidence ?? []).map((span, n) => ({ id: `e${n}`, start: span.start, end: span.end, label: 'evidence' })) : (label?.regions ?? []);
    this.marks = spans.map((mark) => ({ ...mark }));
    this.links = (label?.relations ?? []).map((link) => ({ ...link }));
    this.fields = {
      prompt: label?.prompt ?? this.task.prompt ?? '', response: label?.response ?? '', answerable: label?.answerable ?? true,
      quotes: label?.quotes ?? [], rating: label?.rating ?? null, comment: label?.comment ?? '', overrides: label?.overrides ?? null,
    };
    this.selected = null;
    this.caret = this.tags ? [0, 0] : null;
  }

  // Words that the caret moves over; where tokens were cut by hand, these.
  get words() {
    if (!this.tags) return this.task.tokens;
    const own = this.marks.map((mark) => [mark.start, mark.end]);
    const apart = (place) => own.every(([start, end]) => place[1] <= start || end <= place[0]);
    return [...own, ...this.task.tokens.filter(apart)].sort((a, b) => a[0] - b[0]);
  }

  draw() {
    const { task, work } = this;
    const progress = work.progress;
    const told = `${progress.labelled} of ${progress.tasks} labelled, ${progress.own} by you, ${progress.waiting} waiting for you`;
    this.passage = make('div', {
      class: 'doyen-passage', tabindex: 0, dir: 'auto', role: 'group', 'aria-label': 'The text to label',
      onmouseup: () => this.readSelection(),
    });
    this.controls = make('div', { class: 'doyen-controls' });
    this.listed = make('div', { class: 'doyen-marks' });
    this.said = make('p', { class: 'doyen-hint', role: 'status' });
    const parts = [
      make('div', { class: 'doyen-work-head' },
        make('h3', { text: this.description.title || work.project, dir: 'auto' }),
        make('progress', { max: progress.tasks || 1, value: progress.labelled, 'aria-label': told }),
        make('p', { class: 'doyen-hint', text: told })),
      task.title ? make('p', { class: 'doyen-place', text: task.title, dir: 'auto' }) : null,
      ...task.history.map((turn) => make('p', { class: 'doyen-turn', text: `${turn.role}: ${turn.content}`, dir: 'auto' })),
      task.answers.length ? this.answers() : null,
      this.controls, this.passage, this.listed,
      task.answers.length ? this.reason() : null,
      this.actions(), this.said, this.help()];
    this.home.replaceChildren(...parts.filter(Boolean));
    this.drawControls();
    this.drawPassage();
  }

  answers() {
    const cards = this.task.answers.map((answer, number) => make('article', { class: 'doyen-answer' },
      make('h4', { text: `Answer ${number + 1}` }),
      make('p', { text: answer.described, dir: 'auto' }),
      answer.label ? make('button', { type: 'button', class: 'doyen-small', text: 'Take this answer', onclick: () => this.takeAnswer(answer.label) }) : null));
    return make('div', { class: 'doyen-answers' }, ...cards);
  }
  takeAnswer(label) { this.take(label); this.drawControls(); this.drawPassage(); this.tell('Taken over. Change it if need be, say why, and save.'); }
  reason() {
    this.why = make('textarea', { rows: 2, class: 'doyen-reason', 'aria-label': 'Why do you decide so?', placeholder: 'Why do you decide so? It is kept with the decision' });
    this.why.value = this.task.reason;
    return this.why;
  }

  actions() {
    this.save = make('button', { type: 'button', class: 'doyen-primary', text: 'Save and go on', onclick: () => this.send() });
    const button = (text, action, title) => make('button', { type: 'button', class: 'doyen-plain', text, title, onclick: action });
    return make('div', { class: 'doyen-buttons' }, this.save,
      button('Later', () => this.leave('later'), 'Put this task off (full stop)'),
      button('Back', () => this.leave('back'), 'The task that you saved last (comma)'));
  }
  help() {
    const rows = [['Enter', 'save and go on (Ctrl+Enter while writing)'], ['.', 'put the task off'], [',', 'back to the last one']];
    if (this.classes) rows.unshift(['the key on a class', 'choose it']);
    else rows.unshift(['← →', this.tags ? 'go to the token before or behind' : 'go to the word before or behind'],
      ['Shift + ← →', 'select more'], ['the key on a label', 'mark what is selected'], ['Delete', 'remove the mark']);
    if (this.kind === 'coreference') rows.splice(3, 0, ['=', 'mark what is selected as the same as the chosen mention']);
    const lines = rows.map(([key, what]) => make('li', {}, make('kbd', { text: key }), make('span', { text: ` ${what}` })));
    return make('details', { class: 'doyen-keys' }, make('summary', { text: 'Keys' }), make('ul', {}, ...lines));
  }
  tell(text) { this.said.textContent = text; }

  drawControls() {
    if (this.prompts) this.controls.replaceChildren(...this.promptFields(), this.labelButtons());
    else this.controls.replaceChildren(this.labelButtons());
  }
  labelButtons() {
    const group = make('div', { class: 'doyen-labels', role: 'group', 'aria-label': this.classes ? 'Classes' : 'Labels' });
    this.labels.forEach((label, number) => {
      const pressed = this.classes ? this.chosen.includes(label.name) : null;
      const button = make('button', {
        type: 'button', class: 'doyen-label', title: label.meaning || null, 'aria-pressed': pressed === null ? null : String(pressed),
        onmousedown: (event) => event.preventDefault(), onclick: () => this.use(number),
      }, make('span', { class: 'doyen-dot' }), make('span', { text: label.name, dir: 'auto' }), make('kbd', { text: this.keyOf(number) }));
      button.style.setProperty('--doyen-label', label.color);
      group.append(button);
    });
    return group;
  }
  promptFields() {
    const area = (name, title, rows) => {
      const box = make('textarea', { rows, 'data-field': name, dir: 'auto' });
      box.value = name === 'quotes' ? this.fields.quotes.join('\n') : this.fields[name];
      box.addEventListener('input', () => { this.fields[name] = name === 'quotes' ? box.value.split('\n').filter((line) => line.trim()) : box.value; });
      return make('label', { class: 'doyen-field' }, make('span', { text: title }), box);
    };
    const tick = make('input', { type: 'checkbox', 'data-field': 'answerable' });
    tick.checked = !this.fields.answerable;
    tick.addEventListener('change', () => { this.fields.answerable = !tick.checked; });
    const rating = make('select', { 'data-field': 'rating' }, ...['not rated', 1, 2, 3, 4, 5].map((value) => make('option', { text: String(value), value: value === 'not rated' ? '' : value })));
    rating.value = this.fields.rating ?? '';
    rating.addEventListener('change', () => { this.fields.rating = rating.value ? Number(rating.value) : null; });
    return [area('prompt', 'Question', 2), area('response', 'Answer', 3),
      make('label', { class: 'doyen-tick' }, tick, make('span', { text: 'The passage does not answer it' })),
      make('details', { class: 'doyen-more', open: this.fields.quotes.length || this.fields.comment || this.fields.rating !== null },
        make('summary', { text: 'Quotes from elsewhere, rating, comment' }),
        area('quotes', 'Quotes from elsewhere in the document, one a line', 2),
        make('label', { class: 'doyen-field' }, make('span', { text: 'Rating' }), rating), area('comment', 'Comment', 2))];
  }

  // The text in pieces that end where a word or a mark begins or ends.
  drawPassage() {
    if (this.classes) {
      this.passage.textContent = this.task.text;
      this.listed.replaceChildren();
      return;
    }
    const cuts = new Set([0, this.characters.length]);
    for (const [start, end] of this.words) cuts.add(start).add(end);
    for (const mark of this.marks) cuts.add(mark.start).add(mark.end);
    const bounds = [...cuts].sort((a, b) => a - b);
    const range = this.range();
    const pieces = [];
    for (let n = 0; n + 1 < bounds.length; n += 1) {
      const [start, end] = [bounds[n], bounds[n + 1]];
      const piece = make('span', { 'data-start': start, text: this.characters.slice(start, end).join('') });
      const over = this.marks.filter((mark) => mark.start <= start && end <= mark.end);
      if (over.length) {
        const inner = over.reduce((a, b) => (b.end - b.start <= a.end - a.start ? b : a));
        piece.className = `doyen-marked${over.some((mark) => mark.id === this.selected) ? ' doyen-chosen' : ''}`;
        piece.style.setProperty('--doyen-label', this.colorOf(inner.label));
        piece.title = over.map((mark) => mark.label).join(', ');
        const last = over.filter((mark) => mark.end === end);
        if (last.length && !this.prompts) piece.dataset.tag = last.map((mark) => this.nameOf(mark)).join(' ');
      }
      if (range && range[0] <= start && end <= range[1]) piece.classList.add(CARET);
      pieces.push(piece);
    }
    this.passage.replaceChildren(...pieces);
    this.drawMarks();
  }
  colorOf(name) { return this.labels.find((label) => label.name === name)?.color ?? '#64748b'; }
  nameOf(mark) { return this.kind === 'coreference' ? `${this.chainOf(mark.id)}` : this.prompts ? '' : mark.label; }
  brief(mark, most = 120) { const quote = points(this.quote(mark)); return quote.length > most ? `${quote.slice(0, most).join('')}…` : quote.join(''); }
  quote(mark) { return this.characters.slice(mark.start, mark.end).join(''); }

  drawMarks() {
    if (this.tags) { this.listed.replaceChildren(make('p', { class: 'doyen-hint', text: `${this.marks.length} of ${this.words.length} tokens tagged` })); return; }
    const chips = this.sorted().map((mark) => {
      const chip = make('span', { class: `doyen-mark${mark.id === this.selected ? ' doyen-chosen' : ''}` },
        make('button', { type: 'button', class: 'doyen-pick', 'aria-pressed': String(mark.id === this.selected), onclick: () => { this.selected = this.selected === mark.id ? null : mark.id; this.caret = null; this.drawPassage(); } },
          make('span', { text: this.brief(mark), dir: 'auto' }), make('b', { text: this.kind === 'coreference' ? ` ${this.chainOf(mark.id)}` : ` ${mark.label}` })),
        this.kind === 'coreference' && this.selected && this.selected !== mark.id && this.chainOf(mark.id) !== this.chainOf(this.selected)
          ? make('button', { type: 'button', title: 'The same thing as the chosen mention', text: '=', onclick: () => this.link(mark.id) }) : null,
        make('button', { type: 'button', 'aria-label': `Remove the mark “${this.brief(mark, 60)}”`, text: '×', onclick: () => this.remove(mark.id) }));
      chip.style.setProperty('--doyen-label', this.colorOf(mark.label));
      return chip;
    });
    const parts = [...chips];
    if (this.description.relations.length && this.marks.length > 1) parts.push(this.relations());
    this.listed.replaceChildren(...parts);
  }
  relations() {
    const choice = (title, options) => make('select', { 'aria-label': title }, ...options.map(([value, text]) => make('option', { value, text })));
    const ends = this.sorted().map((mark) => [mark.id, `${this.brief(mark, 40)} (${mark.label})`]);
    const head = choice('From', ends); const tail = choice('To', ends); const name = choice('Relation', this.description.relations.map((each) => [each, each]));
    if (this.selected) head.value = this.selected;
    const add = make('button', { type: 'button', class: 'doyen-small', text: 'Add relation', onclick: () => {
      const known = this.links.some((link) => link.head === head.value && link.tail === tail.value && link.label === name.value);
      if (head.value === tail.value) { this.tell('A relation leads from one mark to another.'); return; }
      if (!known) this.links.push({ head: head.value, tail: tail.value, label: name.value });
      this.drawPassage();
    } });
    const of = (id) => this.brief(this.marks.find((mark) => mark.id === id), 40);
    const lines = this.links.map((link, number) => make('li', {},
      make('span', { text: `${of(link.head)} → ${link.label} → ${of(link.tail)}`, dir: 'auto' }),
      make('button', { type: 'button', 'aria-label': 'Remove the relation', text: '×', onclick: () => { this.links.splice(number, 1); this.drawPassage(); } })));
    return make('div', { class: 'doyen-relations' }, make('div', {}, head, name, tail, add), make('ul', {}, ...lines));
  }
  sorted() { return [...this.marks].sort((a, b) => a.start - b.start || a.end - b.end); }

  // Mentions of one thing are those that links lead between; chains are numbered by their first mention.
  chains() {
    const parent = Object.fromEntries(this.marks.map((mark) => [mark.id, mark.id]));
    const root = (id) => (parent[id] === id ? id : root(parent[id]));
    for (const link of this.links) parent[root(link.tail)] = root(link.head);
    const numbers = new Map();
    for (const mark of this.sorted()) if (!numbers.has(root(mark.id))) numbers.set(root(mark.id), numbers.size + 1);
    return { root, numbers };
  }
  chainOf(id) { const { root, numbers } = this.chains(); return numbers.get(root(id)); }
  link(id) { this.links.push({ head: this.selected, tail: id, label: '' }); this.drawPassage(); }

  // What is selected: (start, end) in code points, or null.
  range() {
    if (!this.caret) return null;
    const words = this.words;
    const [from, to] = [Math.min(...this.caret), Math.max(...this.caret)];
    return words[from] && words[to] ? [words[from][0], words[to][1]] : null;
  }
  readSelection() {
    if (this.classes) return;
    const found = window.getSelection();
    if (!found.rangeCount || !this.passage.contains(found.anchorNode) || !this.passage.contains(found.focusNode)) return;
    const offset = (node, place) => {
      const piece = (node.nodeType === 3 ? node.parentElement : node).closest('[data-start]');
      if (!piece) return null;
      const within = node.nodeType === 3 ? points(node.data.slice(0, place)).length : 0;
      return Number(piece.dataset.start) + within;
    };
    const ends = [offset(found.anchorNode, found.anchorOffset), offset(found.focusNode, found.focusOffset)];
    if (ends.includes(null)) return;
    const [start, end] = [Math.min(...ends), Math.max(...ends)];
    const touched = this.words.map((word, n) => [word, n]).filter(([word]) => (start === end ? word[0] <= start && start < word[1] : word[0] < end && start < word[1]));
    if (!touched.length) return;
    this.caret = [touched[0][1], touched[touched.length - 1][1]];
    const hit = start === end && this.sorted().reverse().find((mark) => mark.start <= start && start < mark.end);
    this.selected = hit ? hit.id : this.kind === 'coreference' ? this.selected : null;
    found.removeAllRanges();
    this.drawPassage();
  }

  use(number) {
    const name = this.labels[number].name;
    if (this.classes) {
      if (!this.description.multiple) this.chosen = [name];
      else this.chosen = this.chosen.includes(name) ? this.chosen.filter((each) => each !== name) : [...this.chosen, name];
      this.drawControls();
      return;
    }
    const range = this.range();
    if (this.tags) {
      if (!range) return;
      const [at] = this.caret;
      this.marks = this.marks.filter((mark) => mark.end <= range[0] || range[1] <= mark.start);
      this.marks.push({ id: this.fresh(), start: range[0], end: range[1], label: name });
      const next = Math.min(at + 1, this.words.length - 1);
      this.caret = [next, next];
    } else if (this.selected && (!range || this.marks.some((mark) => mark.id === this.selected && mark.start <= range[0] && range[1] <= mark.end))) {
      this.marks.find((mark) => mark.id === this.selected).label = name;
    } else if (range) {
      this.mark(range, name);
    } else {
      this.tell('Select words first: with the mouse, or with the arrow keys in the text.');
      return;
    }
    this.drawPassage();
  }
  mark(range, name) {
    const same = this.marks.find((mark) => mark.start === range[0] && mark.end === range[1]);
    if (same) { same.label = name; this.selected = same.id; return same.id; }
    const id = this.fresh();
    this.marks.push({ id, start: range[0], end: range[1], label: name });
    if (this.kind === 'coreference') this.selected = id;
    return id;
  }
  sameAsChosen() {
    const range = this.range();
    if (this.kind !== 'coreference' || !range || !this.selected) { this.tell('Choose a mention, then select the words that name the same thing.'); return; }
    const first = this.selected;
    const id = this.mark(range, this.labels[0].name);
    if (this.chainOf(id) !== this.chainOf(first)) this.links.push({ head: first, tail: id, label: '' });
    this.drawPassage();
  }
  fresh() { let n = this.marks.length + 1; while (this.marks.some((mark) => mark.id === `m${n}`)) n += 1; return `m${n}`; }
  remove(id) {
    const gone = id ?? this.selected ?? this.under();
    if (!gone) return;
    if (this.kind === 'coreference') {
      // What named the same thing as the mention that goes still does.
      const near = this.links.filter((link) => link.head === gone || link.tail === gone).map((link) => (link.head === gone ? link.tail : link.head));
      for (let n = 1; n < near.length; n += 1) this.links.push({ head: near[n - 1], tail: near[n], label: '' });
    }
    this.links = this.links.filter((link) => link.head !== gone && link.tail !== gone);
    this.marks = this.marks.filter((mark) => mark.id !== gone);
    this.selected = null;
    this.drawPassage();
  }
  under() {
    const range = this.range();
    return range && this.sorted().reverse().find((mark) => mark.start <= range[0] && range[1] <= mark.end)?.id;
  }
  move(step, extend) {
    const words = this.words;
    if (!words.length) return;
    const at = this.caret ? this.caret[1] + step : step > 0 ? 0 : words.length - 1;
    const to = Math.max(0, Math.min(words.length - 1, at));
    this.caret = extend && this.caret ? [this.caret[0], to] : [to, to];
    if (this.kind !== 'coreference') this.selected = null;
    this.drawPassage();
    this.passage.querySelector(`.${CARET}`)?.scrollIntoView({ block: 'nearest' });
  }

  label() {
    if (this.classes) return { labels: this.description.labels.map((label) => label.name).filter((name) => this.chosen.includes(name)) };
    if (this.prompts) {
      const evidence = this.sorted().map((mark) => ({ start: mark.start, end: mark.end, text: this.quote(mark) }));
      const response = this.fields.answerable ? this.fields.response : this.work.refusal;
      return { ...this.fields, response, answerable: response.trim() !== this.work.refusal, evidence };
    }
    return { regions: this.sorted(), relations: this.links };
  }
  send() {
    if (this.busy) return;
    this.busy = true;
    this.save.disabled = true;
    // Where the server refuses the label, this screen stays, and the reason appears above it.
    setTimeout(() => this.free(), 1500);
    trigger('submit', { said: JSON.stringify({ action: 'save', task: this.task.uid, label: this.label(), reason: this.why?.value ?? '' }) });
  }
  free() { this.busy = false; this.save.disabled = false; }
  leave(action) { trigger('submit', { said: JSON.stringify({ action, task: this.task.uid }) }); }

  key(event) {
    const inside = this.home.contains(event.target);
    const writing = isWriting(event.target);
    if (writing && !inside) return;
    if (event.key === 'Enter' && (!writing || event.ctrlKey || event.metaKey)) {
      if (!writing && event.target.closest('button, summary, a, [role=tab], label')) return;
      event.preventDefault();
      this.send();
      return;
    }
    if (writing) { if (event.key === 'Escape') event.target.blur(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('[role=tab], [role=radiogroup], .doyen-other')) return;
    const key = event.key.toLowerCase();
    const act = { arrowleft: () => this.move(-1, event.shiftKey), arrowright: () => this.move(1, event.shiftKey),
      delete: () => this.remove(), backspace: () => this.remove(), escape: () => { this.caret = this.tags ? this.caret : null; this.selected = null; this.drawPassage(); } };
    if (key in this.keys) this.use(this.keys[key]);
    else if (!this.classes && key in act) act[key]();
    else if (key === '=' && this.kind === 'coreference') this.sameAsChosen();
    else if (key === '.') this.leave('later');
    else if (key === ',') this.leave('back');
    else return;
    event.preventDefault();
  }
}

const show = () => {
  const home = element.querySelector('[data-work]');
  if (!home) { screen = null; return; }
  if (home.dataset.shown) return;
  home.dataset.shown = 'yes';
  screen = new Screen(home, JSON.parse(home.dataset.work));
};
new MutationObserver(show).observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ['data-work'] });
const said = document.getElementById('annotate-said');
if (said) new MutationObserver(() => screen?.free()).observe(said, { childList: true, subtree: true, characterData: true });
document.addEventListener('keydown', (event) => {
  if (screen && screen.home.isConnected && screen.home.checkVisibility() && !event.defaultPrevented) screen.key(event);
});
show();
