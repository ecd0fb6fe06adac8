// A click or Enter on an answer tells the server which one; copying, asking again and editing happen here.
const box = () => document.querySelector('#question textarea');

const write = (text) => {
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(box(), text);
  box().dispatchEvent(new Event('input', { bubbles: true }));
};

// From which question on the conversation is replaced by what is asked next.
const replaceFrom = (place) => {
  window.doyenFrom = place;
  for (const question of element.querySelectorAll('[data-question]')) {
    question.classList.toggle('doyen-replaced', place !== undefined && Number(question.dataset.question) >= place);
  }
};

const textOf = (reply) => {
  const text = reply.querySelector('.doyen-text').cloneNode(true);
  for (const sign of text.querySelectorAll('sup')) sign.remove();
  const sources = [...reply.querySelectorAll('.doyen-source')].map((source) => {
    const marker = source.querySelector('b').textContent;
    return `[${marker}] ${source.textContent.slice(marker.length).trim()}`;
  });
  return [text.textContent, ...sources].join('\n');
};

const copy = async (text) => {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without TLS, on another machine, browsers have no clipboard but this one.
  const area = document.body.appendChild(Object.assign(document.createElement('textarea'), { value: text }));
  area.select();
  document.execCommand('copy');
  area.remove();
};

const act = async (button) => {
  const place = Number(button.dataset.of);
  if (button.dataset.act === 'copy') {
    await copy(textOf(button.closest('.doyen-reply')));
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    return;
  }
  if (element.querySelector('.doyen-coming')) return;
  write(element.querySelector(`[data-question='${place}']`).textContent);
  replaceFrom(place);
  if (button.dataset.act === 'again') setTimeout(() => document.querySelector('#ask').click(), 50);
  else box().focus();
};

const showPassage = (marker) => setTimeout(() => {
  const passage = document.querySelector(`#passages [data-passage='${marker}']`);
  passage?.scrollIntoView({ block: 'nearest', behavior: 'smooth' });
  passage?.querySelector('a')?.focus({ preventScroll: true });
}, 400);

const choose = (event) => {
  const button = event.target.closest('button');
  if (button?.dataset.act) {
    if (event.type === 'click') act(button);
    return;
  }
  const reply = event.target.closest('[data-index]');
  if (!reply || (event.type !== 'click' && (event.key !== 'Enter' || button))) return;
  window.doyenChosen = true;
  trigger('click', { index: Number(reply.dataset.index) });
  if (button?.dataset.marker) showPassage(button.dataset.marker);
};
element.addEventListener('click', choose);
element.addEventListener('keydown', choose);
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && event.target === box()) replaceFrom(undefined);
});
