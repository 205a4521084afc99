// The list of one's pictures: what the server knows, and what is on its way there.
import * as api from "./api.js";
import * as store from "./store.js";
import { problemText, t, time } from "./i18n.js";

const list = document.getElementById("jobs");
const rows = new Map();
let open = () => {};

export const whenOpened = (body) => (open = body);
const isFinished = (job) => !["queued", "running"].includes(job.state);

function element(kind, className, parent) {
  const made = document.createElement(kind);
  if (className) made.className = className;
  parent.append(made);
  return made;
}

function button(label, parent, body) {
  const made = element("button", "", parent);
  made.type = "button";
  made.textContent = t(label);
  made.dataset.test = label;
  made.addEventListener("click", body);
}

function factsOf(job) {
  const size = `${job.input_width} × ${job.input_height} → ${job.width} × ${job.height} · ${job.model}`;
  const percent = Math.round(job.progress * 100);
  const state = {
    queued: () => t("queued"),
    running: () => t("running", { percent }),
    done: () => t("done", { time: time(job.seconds) }) + " · " + t("expires", { time: time((new Date(job.expires) - Date.now()) / 1000) }),
    failed: () => t("failed", { reason: problemText(job.error) }),
    cancelled: () => t("cancelled"),
  }[job.state]();
  return `${size} · ${state}`;
}

/** Shows a job as it is now, where it is already or first in the list. */
function draw(job, { atEnd = false, anew = false } = {}) {
  let row = rows.get(job.id);
  if (!row) {
    row = document.createElement("li");
    row.dataset.job = job.id;
    rows.set(job.id, row);
    if (atEnd) list.append(row);
    else list.prepend(row);
    document.getElementById("no-jobs").hidden = true;
  }
  row.job = job;
  // Buttons stay as long as the state does: one that is pressed must not go away under the finger.
  if (anew || row.dataset.state !== job.state) build(row, job);
  row.facts.textContent = factsOf(job);
  if (row.bar) row.bar.value = job.progress;
}

function build(row, job) {
  const hadFocus = row.contains(document.activeElement);
  row.dataset.state = job.state;
  row.replaceChildren();
  element("span", "name", row).textContent = job.name ?? job.id;
  row.facts = element("span", job.state === "failed" ? "facts bad" : "facts", row);
  const actions = element("span", "actions", row);
  if (job.state === "done") button("compare", actions, () => open(job));
  button(isFinished(job) ? "remove" : "cancel", actions, () => remove(job));
  row.bar = null;
  if (!isFinished(job)) {
    row.bar = element("progress", "", row);
    row.bar.max = 1;
    row.bar.dataset.test = "progress";
    row.bar.setAttribute("aria-label", job.name ?? job.id);
  }
  if (hadFocus) actions.lastElementChild.focus();
}

function forget(id) {
  rows.get(id)?.remove();
  rows.delete(id);
  store.forget(id);
  document.getElementById("no-jobs").hidden = rows.size > 0;
}

async function remove(job) {
  try {
    await api.remove(job.id);
  } catch (problem) {
    if (problem.status !== 404) throw problem;
  }
  forget(job.id);
}

async function follow(job, opensWhenDone) {
  try {
    await api.follow(job.id, (now) => {
      if (!rows.has(job.id)) return;
      draw(now);
      if (now.state === "done") {
        document.getElementById("status").textContent = t("isDone", { name: now.name ?? "" });
        if (opensWhenDone) open(now);
      }
    });
  } catch {
    forget(job.id);  // removed elsewhere, or expired
  }
}

export function add(job, opensWhenDone) {
  draw(job);
  if (!isFinished(job)) follow(job, opensWhenDone);
}

/** Everything in the language of now. */
export const redraw = () => rows.forEach((row) => draw(row.job, { anew: true }));

let next = null;
const more = document.getElementById("more");
async function page() {
  const answer = await api.jobs(next);
  for (const job of answer.jobs) {
    draw(job, { atEnd: true });
    if (!isFinished(job)) follow(job, false);
  }
  next = answer.next;
  more.hidden = !next;
}
more.addEventListener("click", page);

export async function reload() {
  list.replaceChildren();
  rows.clear();
  next = null;
  await page();
}
