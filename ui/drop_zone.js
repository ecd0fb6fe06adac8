// Files that are dropped or chosen go to the pages' own server one after the other, each with its progress. Whatever a file is
// called is written as text.
const list = element.querySelector('.doyen-uploads');
const zone = element.querySelector('.doyen-drop');
const waiting = [];
let sending = false;

const clean = (path) => path.split('/').filter((part) => part && part !== '.' && part !== '..').join('/');

const add = (file, path) => {
  const folder = clean(element.querySelector('[name=folder]').value);
  const groups = element.querySelector('[name=groups]').value.trim();
  const source = clean(`${folder}/${path}`);
  const item = document.createElement('li');
  const [name, bar, said] = ['span', 'progress', 'small'].map((tag) => item.appendChild(document.createElement(tag)));
  name.textContent = source;
  bar.max = Math.max(file.size, 1);
  bar.value = 0;
  bar.setAttribute('aria-label', source);
  said.textContent = 'waits';
  list.appendChild(item);
  waiting.push({ file, source, groups, item, bar, said });
};

const send = ({ file, source, groups, item, bar, said }) => new Promise((done) => {
  const request = new XMLHttpRequest();
  const query = new URLSearchParams({ source, ...(groups ? { groups } : {}) });
  request.open('POST', `send-document?${query}`);
  request.setRequestHeader('Content-Type', 'application/octet-stream');
  request.upload.onprogress = (event) => {
    bar.value = event.loaded;
    said.textContent = event.loaded < file.size ? `${Math.round((100 * event.loaded) / file.size)} %` : 'is being read';
  };
  request.onload = () => {
    let sentence = `The server answered with status ${request.status}.`;
    try { sentence = JSON.parse(request.responseText).said ?? sentence; } catch { /* not ours: the status says it */ }
    if (request.status !== 503) {
      item.className = request.status === 200 ? 'doyen-done' : 'doyen-failed';
      bar.remove();
    }
    said.textContent = sentence;
    done(request.status);
  };
  request.onerror = () => {
    item.className = 'doyen-failed';
    said.textContent = 'The connection broke off: send it again.';
    bar.remove();
    done(0);
  };
  request.send(file);
});

const sendAll = async () => {
  if (sending) return;
  sending = true;
  while (waiting.length) {
    const next = waiting.shift();
    // Another writer holds the workspace for a while: a training's data, another upload.
    for (let tries = 0; (await send(next)) === 503 && tries < 60; tries += 1) await new Promise((go) => setTimeout(go, 2000));
    if (!next.item.className) next.item.className = 'doyen-failed';
  }
  sending = false;
  trigger('upload');
};

const walk = async (entry, path) => {
  if (entry.isFile) {
    add(await new Promise((found, failed) => entry.file(found, failed)), path);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((found, failed) => reader.readEntries(found, failed));
    if (!some.length) return;
    for (const each of some) if (!each.name.startsWith('.')) await walk(each, `${path}/${each.name}`);
  }
};

zone.addEventListener('dragover', (event) => { event.preventDefault(); zone.classList.add('doyen-over'); });
zone.addEventListener('dragleave', () => zone.classList.remove('doyen-over'));
zone.addEventListener('drop', async (event) => {
  event.preventDefault();
  zone.classList.remove('doyen-over');
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const files = [...event.dataTransfer.files];
  for (const entry of entries) await walk(entry, entry.name);
  if (!entries.length) for (const file of files) add(file, file.name);
  sendAll();
});
for (const input of element.querySelectorAll('input[type=file]')) {
  input.addEventListener('change', () => {
    for (const file of input.files) add(file, file.webkitRelativePath || file.name);
    input.value = '';
    sendAll();
  });
}
element.addEventListener('click', (event) => {
  const picked = event.target.closest('[data-pick]');
  if (picked) element.querySelector(`input[data-for=${picked.dataset.pick}]`).click();
});
