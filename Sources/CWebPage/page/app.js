// What the page does: choosing, planning, sending, showing.
import * as api from "./api.js";
import * as compare from "./compare.js";
import * as jobs from "./jobs.js";
import * as store from "./store.js";
import { bytes, problemText, switchLanguage, t, time, translate } from "./i18n.js";

const byID = (id) => document.getElementById(id);
const [file, drop, scale, model, format, augment, waiting, start, message] =
  ["file", "drop", "scale", "model", "format", "augment", "waiting", "start", "message"].map(byID);
/** Pictures that are chosen and not yet sent: {file, width, height, row}. */
let chosen = [];
let families = {};

function say(problem) {
  message.textContent = problem ? (problem.code === "offline" ? t("offline") : problemText(problem)) : "";
  if (problem?.status === 401) askForToken();
}

// MARK: Settings

async function loadModels() {
  const answer = await api.models();
  families = {};
  for (const { name, scales } of answer.models) {
    // lite-x2 and lite-x3 are one choice, whose scale is another.
    const family = scales.length === 1 ? name.replace(new RegExp(`[-_]x${scales[0]}$`), "") : name;
    families[family] = [...new Set([...(families[family] ?? []), ...scales])].sort();
  }
  model.replaceChildren(...Object.keys(families).map((name) => new Option(name, name, false, name === answer.default)));
  showScales();
}

function showScales() {
  const wanted = Number(scale.value || localStorage.getItem("scale") || 2);
  const scales = families[model.value] ?? [];
  scale.replaceChildren(...scales.map((s) => new Option(`×${s}`, s, false, s === wanted)));
}

model.addEventListener("change", () => {
  showScales();
  planAll();
});
scale.addEventListener("change", () => {
  localStorage.setItem("scale", scale.value);
  planAll();
});
augment.addEventListener("change", planAll);

const settings = () => {
  const query = { model: model.value, scale: scale.value };
  if (format.value) query.format = format.value;
  if (augment.checked) query.augment = "true";
  return query;
};

// MARK: Choosing

async function choose(files) {
  say(null);
  for (const picture of files) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    const facts = document.createElement("span");
    const actions = document.createElement("span");
    const remove = document.createElement("button");
    [name.className, facts.className, actions.className] = ["name", "facts", "actions"];
    [name.textContent, facts.textContent, remove.textContent] = [picture.name, t("planning"), t("remove")];
    facts.dataset.test = "plan";
    remove.dataset.text = remove.dataset.test = "remove";
    remove.type = "button";
    const entry = { file: picture, row, facts };
    remove.addEventListener("click", () => drain(entry));
    actions.append(remove);
    row.append(name, facts, actions);
    waiting.append(row);
    chosen.push(entry);
    start.disabled = false;
    [entry.width, entry.height] = await sizeOf(picture);
    showPlan(entry);
  }
}

function drain(entry) {
  entry.row.remove();
  chosen = chosen.filter((other) => other !== entry);
  start.disabled = !chosen.length;
}

/** Width and height, from the browser's decoder; none where it does not know the format. */
function sizeOf(picture) {
  return new Promise((resolve) => {
    const image = new Image();
    const end = (size) => {
      URL.revokeObjectURL(image.src);
      resolve(size);
    };
    image.onload = () => end([image.naturalWidth, image.naturalHeight]);
    image.onerror = () => end([]);
    image.src = URL.createObjectURL(picture);
  });
}

async function showPlan(entry) {
  const { facts, width, height } = entry;
  facts.classList.remove("bad");
  if (!width) return void (facts.textContent = t("noPlan"));
  try {
    const plan = await api.plan({ width, height, model: model.value, scale: scale.value });
    if (!plan.fits) throw { code: "does_not_fit", needed_bytes: plan.minimum_bytes, budget_bytes: plan.budget_bytes };
    facts.textContent = t("plan", {
      from: `${width} × ${height}`, to: `${width * scale.value} × ${height * scale.value}`, memory: bytes(plan.planned_bytes),
      time: time(plan.expected_seconds * (augment.checked ? 8 : 1)),
    });
  } catch (problem) {
    facts.textContent = problem.code === "offline" ? t("offline") : problemText(problem);
    facts.classList.add("bad");
    if (problem.status === 401) askForToken();
  }
}
function planAll() {
  chosen.forEach(showPlan);
}

file.addEventListener("change", () => {
  choose([...file.files]);
  file.value = "";
});
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", name === "dragenter" || name === "dragover");
    if (name === "drop") choose([...event.dataTransfer.files]);
  });
}
document.addEventListener("paste", (event) => {
  const files = [...event.clipboardData.files];
  if (files.length) choose(files);
});

// MARK: Sending

start.addEventListener("click", async () => {
  const query = settings();
  const entries = chosen;
  start.disabled = true;
  say(null);
  for (const entry of entries) {
    try {
      const name = [...entry.file.name].slice(0, 200).join("");
      const job = await api.submit(entry.file, { ...query, name }, (part) => {
        entry.facts.textContent = t("uploading", { percent: Math.round(part * 100) });
      });
      await store.keep(job.id, entry.file);
      jobs.add(job, entries.length === 1);
      drain(entry);
    } catch (problem) {
      say(problem);
      entry.facts.textContent = message.textContent;
      entry.facts.classList.add("bad");
    }
  }
  start.disabled = !chosen.length;
});

// MARK: Showing

jobs.whenOpened(async (job) => {
  say(null);
  try {
    const [input, result] = await Promise.all([store.input(job.id), api.result(job.id)]);
    const link = byID("download");
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(result);
    link.download = `${(job.name ?? "enlarged").replace(/\.[^.]*$/, "")}_x${job.scale}.${job.format === "tiff" ? "tif" : job.format}`;
    const { hasAfter, hasBefore } = await compare.show(job.name ?? job.id, input, result);
    byID("view-note").textContent = !hasAfter ? t("tooWide") : hasBefore ? "" : t("noInput");
  } catch (problem) {
    say(problem);
  }
});
byID("close").addEventListener("click", compare.hide);

// MARK: Language and token

byID("language").addEventListener("click", () => {
  switchLanguage();
  jobs.redraw();
  planAll();
});

function askForToken() {
  byID("token-open").hidden = false;
  if (!byID("token-dialog").open) byID("token-dialog").showModal();
}
byID("token-open").addEventListener("click", askForToken);
byID("token-dialog").addEventListener("close", () => {
  if (!byID("token").value) return;
  api.setToken(byID("token").value, byID("remember").checked);
  begin();
});

async function begin() {
  try {
    await loadModels();
    await jobs.reload();
    planAll();
    say(null);
  } catch (problem) {
    say(problem);
  }
}

translate();
begin();
