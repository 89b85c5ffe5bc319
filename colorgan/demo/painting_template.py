"""The HTML, the style and the JavaScript of the picture that takes colour hints.

Its value is JSON: the number of the photograph, the hints, and the place of the selected hint, for which the server
suggests colours.
"""

HTML = """
<div class="tools">
  <input type="color" value="#b5533c" aria-label="Colour of the next hint">
  <input type="text" value="#b5533c" size="9" spellcheck="false" aria-label="Colour as hex code or name">
  <button type="button" data-do="pick" hidden>Pick from screen</button>
  <button type="button" data-do="undo">Undo</button>
  <button type="button" data-do="redo">Redo</button>
  <button type="button" data-do="clear">Clear</button>
  <button type="button" data-do="save">Save hints</button>
  <label class="open">Open hints<input type="file" accept=".json,application/json"></label>
  <label><input type="checkbox" checked> In colour</label>
  <span class="used" role="group" aria-label="Colours used so far"></span>
</div>
<div class="suggested" role="group" aria-label="Colours that the network finds plausible at the selected hint">
  <span aria-live="polite"></span><span class="swatches"></span>
</div>
<div class="stage" tabindex="0" role="application"
  aria-label="Photograph for hints: arrow keys move the cross, Enter adds a hint, Delete removes the nearest one">
  <img alt="" draggable="false"><span class="cross"></span><div class="marks"></div>
</div>
<p class="say" role="status" aria-live="polite"></p>
"""
CSS = """
.tools { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin-bottom: 8px; }
.tools button, .tools .open { border: 1px solid var(--border-color-primary); border-radius: 6px; padding: 4px 10px;
  background: var(--button-secondary-background-fill); font: inherit; font-size: 90%; line-height: 1.4; }
.tools .open { position: relative; cursor: pointer; }
.tools .open input { position: absolute; inset: 0; opacity: 0; cursor: pointer; width: 100%; }
.tools .open:focus-within { outline: 2px solid var(--color-accent); }
.tools button[aria-disabled=true] { opacity: 0.4; }
.tools input[type=text] { border: 1px solid var(--border-color-primary); border-radius: 6px; padding: 4px 6px; }
.tools input[type=text][aria-invalid=true] { border-color: red; }
.tools input[type=text] { background: var(--input-background-fill); color: var(--body-text-color); }
.suggested { display: flex; gap: 8px; align-items: center; margin-bottom: 8px; font-size: 90%; line-height: 1.2; }
.suggested { height: 40px; }  /* the picture must not move when suggestions come */
.used, .swatches { display: inline-flex; gap: 4px; }
.used { flex-basis: 100%; height: 26px; }
.tools .used button, .swatches button { width: 26px; height: 26px; padding: 0; border-radius: 6px; }
.swatches button { border: 1px solid var(--border-color-primary); width: 30px; height: 30px; }
.stage { position: relative; display: inline-block; max-width: 100%; line-height: 0; cursor: crosshair; }
.stage { touch-action: none; user-select: none; -webkit-user-select: none; -webkit-touch-callout: none; }
.stage img { max-width: 100%; max-height: 520px; pointer-events: none; }
.stage .grey { filter: grayscale(1); }
.marks span { position: absolute; width: 14px; height: 14px; margin: -9px 0 0 -9px; border-radius: 50%; }
.marks span { border: 2px solid white; box-shadow: 0 0 0 1px black; pointer-events: none; box-sizing: content-box; }
.marks .selected { outline: 2px solid var(--color-accent); outline-offset: 2px; }
.cross { position: absolute; width: 21px; height: 21px; margin: -10px 0 0 -10px; display: none; pointer-events: none; }
.cross { background: linear-gradient(red, red) 50% 0 / 1px 100% no-repeat,
  linear-gradient(red, red) 0 50% / 100% 1px no-repeat; }
.stage:focus-visible .cross { display: block; }
.say { min-height: 1.5em; font-size: 90%; margin: 4px 0 0; }
"""
JS = r"""
const find = selector => element.querySelector(selector);
const stage = find('.stage'), image = find('img'), marks = find('.marks'), cross = find('.cross');
const inColour = find('input[type=checkbox]');
const field = find('input[type=color]'), text = find('input[type=text]'), file = find('input[type=file]');
const REACH = 14, LONG_PRESS = 600;  // pixels; milliseconds
let hints = [], past = [], future = [], used = [], cursor = {x: 0.5, y: 0.5}, own = null, drag = null, timer = 0;
let chosen = null;  // the place of the selected hint

const say = sentence => { find('.say').textContent = sentence; };
const round = value => Math.round(value * 1e4) / 1e4;
const describe = hint => `${hint.color} at ${Math.round(100 * hint.x)} % from the left and ` +
  `${Math.round(100 * hint.y)} % from the top`;
const copy = list => list.map(hint => ({...hint}));
const selected = () => chosen ? hints.findIndex(hint => hint.x === chosen.x && hint.y === chosen.y) : -1;
const place_of = ({x, y}) => ({x, y});

function swatch(colour, sentence) {
  const button = document.createElement('button');
  button.type = 'button';
  button.style.background = colour;
  button.setAttribute('aria-label', sentence);
  return button;
}

function draw() {
  marks.replaceChildren(...hints.map((hint, i) => {
    const mark = document.createElement('span');
    mark.classList.toggle('selected', i === selected());
    mark.style.left = `${100 * hint.x}%`;
    mark.style.top = `${100 * hint.y}%`;
    mark.style.background = hint.color;
    return mark;
  }));
  cross.style.left = `${100 * cursor.x}%`;
  cross.style.top = `${100 * cursor.y}%`;
  // not `disabled`, because a button that loses the focus would take the keys for undo and redo with it
  const state = {undo: past.length, redo: future.length, clear: hints.length, save: hints.length};
  for (const name in state) find(`[data-do=${name}]`).setAttribute('aria-disabled', !state[name]);
  const colours = [...new Set(hints.map(hint => hint.color))];
  used = [...colours, ...used.filter(colour => !colours.includes(colour))].slice(0, 8);
  find('.used').replaceChildren(...used.map(colour => {
    const button = swatch(colour, `Use ${colour}`);
    button.dataset.colour = colour;
    return button;
  }));
  drawSuggestions();
}
function drawSuggestions() {
  const found = JSON.parse(props.suggestions || '{}'), here = hints[selected()];
  const fits = here && found.photo === props.photo && found.x === here.x && found.y === here.y;
  const colours = fits ? found.colors : [], list = find('.swatches');
  const help = 'Add or select a hint to see plausible colours.';
  find('.suggested span').textContent = fits ? 'Plausible here:' : here ? '' : help;
  if (list.dataset.colours === colours.join()) return;  // a button that is replaced would lose the focus
  list.dataset.colours = colours.join();
  list.replaceChildren(...colours.map(colour => {
    const button = swatch(colour, `Suggested: ${colour}`);
    button.dataset.suggested = colour;
    return button;
  }));
}
function send(event = 'input') {
  own = props.value = JSON.stringify({photo: props.photo, hints, place: selected() < 0 ? null : chosen});
  trigger(event);
  draw();
}
function select(hint) {  // and ask the server for suggestions
  chosen = place_of(hint);
  send('select');
}
function change(next, sentence, before = hints) {
  past.push(copy(before));
  future = [];
  hints = next;
  say(sentence);
  send();
}
function travel(from, to, sentence) {
  if (!from.length) return;
  to.push(copy(hints));
  hints = from.pop();
  say(`${sentence}: ${hints.length} hint${hints.length === 1 ? '' : 's'}.`);
  send();
}
function hex(colour) {  // any CSS colour as #rrggbb, or null
  if (!CSS.supports('color', colour)) return null;
  const context = document.createElement('canvas').getContext('2d');
  context.fillStyle = colour;
  return context.fillStyle.startsWith('#') ? context.fillStyle : null;
}
function choose(colour) {
  const code = hex(colour.trim());
  text.setAttribute('aria-invalid', code === null);
  if (code === null) return say(`${colour} is not an opaque colour: write #7a2e2e or a name such as brown.`);
  field.value = text.value = code;
}
function place(event) {
  const box = image.getBoundingClientRect();
  const inside = (value, size) => round(Math.min(Math.max(value / size, 0), 1));
  return {x: inside(event.clientX - box.left, box.width), y: inside(event.clientY - box.top, box.height)};
}
function nearest(point, reach = REACH) {  // the number of the hint within so many pixels, or -1
  const box = image.getBoundingClientRect();
  const distances = hints.map(hint => Math.hypot((hint.x - point.x) * box.width, (hint.y - point.y) * box.height));
  const least = Math.min(...distances);
  return least <= reach ? distances.indexOf(least) : -1;
}
function remove(index) {
  if (index < 0) return;
  const gone = hints[index];
  change(hints.filter((_, i) => i !== index), `Removed ${describe(gone)}.`);
}
function add(point) {
  const index = nearest(point);
  if (index < 0) {
    const hint = {...point, color: field.value};
    change([...hints, hint], `Added ${describe(hint)}.`);
    select(hint);
  } else {
    say(`Selected ${describe(hints[index])}.`);
    select(hints[index]);
  }
}

stage.addEventListener('pointerdown', event => {
  if (event.button !== 0 || !image.src || drag) return;
  event.preventDefault();
  stage.focus({focusVisible: false});
  stage.setPointerCapture(event.pointerId);
  const point = place(event), index = nearest(point);
  drag = {id: event.pointerId, index, before: copy(hints), moved: false, x: event.clientX, y: event.clientY};
  if (index < 0) {
    hints = [...hints, {...point, color: field.value}];
    drag.index = hints.length - 1;
    drag.added = true;
    chosen = point;
    draw();
  } else if (event.pointerType !== 'mouse') {  // a mouse has a right button, and may rest before it drags
    timer = setTimeout(() => { drag = null; remove(index); }, LONG_PRESS);
  }
});
stage.addEventListener('pointermove', event => {
  if (!drag || event.pointerId !== drag.id) return;
  if (!drag.moved && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 4) return;
  clearTimeout(timer);
  drag.moved = true;
  chosen = place(event);
  hints[drag.index] = {...hints[drag.index], ...chosen};
  draw();
});
stage.addEventListener('pointerup', event => {
  if (!drag || event.pointerId !== drag.id) return;
  clearTimeout(timer);
  const {index, before, moved, added} = drag;
  drag = null;
  if (added || moved) change(hints, `${added ? 'Added' : 'Moved'} ${describe(hints[index])}.`, before);
  else say(`Selected ${describe(hints[index])}.`);
  select(hints[index]);
});
stage.addEventListener('pointercancel', event => {
  if (!drag || event.pointerId !== drag.id) return;
  clearTimeout(timer);
  hints = drag.before;
  drag = null;
  draw();
});
stage.addEventListener('contextmenu', event => { event.preventDefault(); if (!drag) remove(nearest(place(event))); });
stage.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !image.src) return;
  const step = event.shiftKey ? 0.05 : 0.01;
  const move = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]}[event.key];
  if (move) {
    cursor = {x: cursor.x + move[0], y: cursor.y + move[1]};
    for (const axis of ['x', 'y']) cursor[axis] = round(Math.min(Math.max(cursor[axis], 0), 1));
    say(`${Math.round(100 * cursor.x)} %, ${Math.round(100 * cursor.y)} %`);
    draw();
  } else if (event.key === 'Enter' || event.key === ' ') add({...cursor});
  else if (event.key === 'Delete' || event.key === 'Backspace') remove(nearest(cursor, Infinity));
  else return;
  event.preventDefault();
});
element.addEventListener('keydown', event => {
  if (!(event.ctrlKey || event.metaKey) || event.target === text) return;
  const key = event.key.toLowerCase();
  if (key === 'z' && !event.shiftKey) travel(past, future, 'Undone');
  else if (key === 'y' || key === 'z') travel(future, past, 'Redone');
  else return;
  event.preventDefault();
});
element.addEventListener('click', async event => {
  const button = event.target.closest('button');
  if (!button || button.getAttribute('aria-disabled') === 'true') return;
  const action = button.dataset.do;
  const {colour, suggested} = button.dataset;
  if (colour) choose(colour);
  else if (suggested && hints[selected()]) {
    choose(suggested);
    const here = selected(), hint = {...hints[here], color: suggested};
    change(hints.map((other, i) => i === here ? hint : other), `Changed to ${describe(hint)}.`);
  }
  else if (action === 'undo') travel(past, future, 'Undone');
  else if (action === 'redo') travel(future, past, 'Redone');
  else if (action === 'clear') change([], 'All hints were removed.');
  else if (action === 'pick') {
    try { choose((await new EyeDropper().open()).sRGBHex); } catch { /* the visitor pressed Escape */ }
  } else if (action === 'save') {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([JSON.stringify(hints, null, 2) + '\n'], {type: 'application/json'}));
    link.download = 'hints.json';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
});
field.addEventListener('input', () => choose(field.value));
text.addEventListener('change', () => choose(text.value));
async function open(source) {
  try {
    const list = JSON.parse(await source.text());
    const inside = value => typeof value === 'number' && value >= 0 && value <= 1;
    const usable = Array.isArray(list) && list.every(hint => inside(hint?.x) && inside(hint.y) && hint.color);
    if (!usable) throw new Error();
    change(list, `${list.length} hints were read from ${source.name}.`);
  } catch {
    say(`${source.name} holds no hints: it should be a file that "Save hints" wrote.`);
  }
}
file.addEventListener('change', () => { if (file.files[0]) open(file.files[0]); file.value = ''; });
element.addEventListener('dragover', event => event.preventDefault());
element.addEventListener('drop', event => {
  const [dropped] = event.dataTransfer.files;
  if (!dropped || !dropped.name.toLowerCase().endsWith('.json')) return;
  event.preventDefault();
  event.stopPropagation();
  open(dropped);
});
function showPicture() {
  if (props.picture) image.src = props.picture;
  image.classList.toggle('grey', !inColour.checked);
}
function reset() {
  clearTimeout(timer);
  [hints, past, future, drag, chosen] = [[], [], [], null, null];
  own = props.value = JSON.stringify({photo: props.photo, hints, place: null});
  showPicture();
  say('');
  draw();
}
find('[data-do=pick]').hidden = !window.EyeDropper;
watch('photo', reset);
watch('picture', showPicture);
inColour.addEventListener('change', showPicture);
watch('suggestions', drawSuggestions);
// Gradio sets the value again after it has shown the component, which may be when the visitor has added hints already
watch('value', () => { if (props.value !== own) props.value = own; });
reset();
"""
