// Before and after, one over the other: a slider between them, zoom to pixels, panning.
const byID = (id) => document.getElementById(id);
const [view, stage, sheet, clip, handle, before, after] = ["view", "stage", "sheet", "clip", "handle", "before", "after"].map(byID);

const state = { zoom: "fit", x: 0, y: 0, part: 0.5, scale: 1, width: 0, height: 0, hasBefore: false };

/** The sheet is in pixels of the result; `scale` makes CSS pixels of them, so that 1:1 is one pixel of the screen. */
function draw() {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [stage.clientWidth, stage.clientHeight];
  const fit = Math.min(w / state.width, h / state.height, 1 / ratio);
  state.scale = state.zoom === "fit" ? fit : Number(state.zoom) / ratio;
  const [sw, sh] = [state.width * state.scale, state.height * state.scale];
  const within = (value, size, room) => (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, value)));
  state.x = within(state.x, sw, w);
  state.y = within(state.y, sh, h);
  sheet.style.transform = `translate(${state.x}px, ${state.y}px) scale(${state.scale})`;
  sheet.style.width = `${state.width}px`;
  sheet.style.height = `${state.height}px`;
  sheet.classList.toggle("pixels", state.scale * ratio > 1);
  const line = state.part * w;
  clip.style.clipPath = `inset(0 ${Math.max(0, state.width - (line - state.x) / state.scale)}px 0 0)`;
  handle.style.left = `${line}px`;
  handle.setAttribute("aria-valuenow", Math.round(state.part * 100));
  for (const button of view.querySelectorAll("[data-zoom]")) button.setAttribute("aria-pressed", String(button.dataset.zoom === state.zoom));
}

function setPart(part) {
  state.part = Math.min(1, Math.max(0, part));
  draw();
}

/** Zooms so that the middle of the stage stays where it is. */
function setZoom(zoom) {
  const [cx, cy] = [stage.clientWidth / 2, stage.clientHeight / 2];
  const [px, py] = [(cx - state.x) / state.scale, (cy - state.y) / state.scale];
  state.zoom = zoom;
  draw();
  state.x = cx - px * state.scale;
  state.y = cy - py * state.scale;
  draw();
}

function drag(element, move) {
  element.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    event.stopPropagation();
    element.setPointerCapture(event.pointerId);
    let last = event;
    const onMove = (event) => {
      move(event, event.clientX - last.clientX, event.clientY - last.clientY);
      last = event;
    };
    element.addEventListener("pointermove", onMove);
    const end = () => element.removeEventListener("pointermove", onMove);
    element.addEventListener("pointerup", end, { once: true });
    element.addEventListener("pointercancel", end, { once: true });
    if (element === handle) handle.focus();
  });
}

drag(handle, (event) => setPart((event.clientX - stage.getBoundingClientRect().left) / stage.clientWidth));
drag(stage, (_, dx, dy) => {
  state.x += dx;
  state.y += dy;
  draw();
});
handle.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  setPart(state.part + step);
});
for (const button of view.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => setZoom(button.dataset.zoom));
new ResizeObserver(() => state.width && draw()).observe(stage);

function load(image, blob) {
  URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  if (!blob) return Promise.resolve(false);
  return new Promise((resolve) => {
    image.onload = () => resolve(true);
    image.onerror = () => resolve(false);
    image.src = URL.createObjectURL(blob);
  });
}

/** Shows a result over what it was made from. Returns whether each can be shown. */
export async function show(title, input, result) {
  hide();
  view.hidden = false;
  byID("view-title").textContent = title;
  const hasAfter = await load(after, result);
  state.hasBefore = await load(before, input);
  [state.width, state.height] = [after.naturalWidth, after.naturalHeight];
  for (const image of [before, after]) {
    image.style.width = `${state.width}px`;
    image.style.height = `${state.height}px`;
  }
  clip.hidden = handle.hidden = !state.hasBefore || !hasAfter;
  for (const tag of stage.querySelectorAll(".tag")) tag.hidden = clip.hidden;
  stage.hidden = !hasAfter;
  Object.assign(state, { zoom: "fit", part: 0.5, x: 0, y: 0 });
  if (hasAfter) draw();
  view.scrollIntoView({ block: "nearest" });
  return { hasAfter, hasBefore: state.hasBefore };
}

export function hide() {
  view.hidden = true;
  load(before, null);
  load(after, null);
}
