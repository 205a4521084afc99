// Every sentence of the page, in both languages.
const texts = {
  en: {
    title: "Enlarger: larger pictures", language: "中文", choose: "Choose pictures", drop: "Drop pictures here, paste them, or click to choose",
    dropMore: "PNG, JPEG, WebP, TIFF, AVIF, HEIC, GIF", scale: "Scale", model: "Model", format: "Format", sameFormat: "as the input",
    augment: "Best quality (8 times slower)", start: "Enlarge", download: "Download", close: "Close", before: "Before", after: "After", fit: "Fit",
    zoom: "Zoom", slider: "Before and after", jobs: "Your pictures", noJobs: "None yet.", more: "Show more", ok: "OK",
    privacy: "Pictures stay on this server, and go when their time is over.", token: "Token", tokenAsk: "This server asks for a token",
    remember: "Remember it in this browser", remove: "Remove", cancel: "Cancel", compare: "Compare", queued: "waiting", running: "{percent} %",
    uploading: "sending, {percent} %", done: "done in {time}", failed: "failed: {reason}", cancelled: "cancelled", expires: "kept for {time}",
    plan: "{from} → {to} px · {memory} of memory · about {time}", planning: "…", noPlan: "size not known before sending",
    noInput: "The picture that was sent is no longer in this browser, so that only the result is shown.", seconds: "{n} s", minutes: "{n} min", hours: "{n} h",
    tooWide: "This browser cannot show so large a picture. Download it.", offline: "The server cannot be reached.", isDone: "{name} is done",
    code: {
      bad_parameter: "The server does not take these settings: {detail}", unauthorized: "The server asks for another token.",
      model_not_found: "This model is not there at this scale.", body_too_large: "The file is too large for this server.",
      picture_too_large: "The picture is too large for this server: {detail}", does_not_fit: "The picture needs {needed} of memory; the server has {budget}.",
      picture_unsupported: "This file format is not accepted.", picture_invalid: "This is no picture that can be read.",
      queue_full: "The server is busy. Try again soon.", disk_full: "The server has no room on its disk.", shutting_down: "The server is restarting.",
      interrupted: "The server was restarted too often while it worked on this picture.", internal_error: "Something went wrong on the server.",
    },
  },
  "zh-CN": {
    title: "Enlarger：放大图片", language: "English", choose: "选择图片", drop: "将图片拖到此处，或粘贴、点击选择",
    dropMore: "PNG、JPEG、WebP、TIFF、AVIF、HEIC、GIF", scale: "倍数", model: "模型", format: "格式", sameFormat: "与原图相同",
    augment: "最佳质量（慢 8 倍）", start: "放大", download: "下载", close: "关闭", before: "放大前", after: "放大后", fit: "适应",
    zoom: "缩放", slider: "前后对比", jobs: "我的图片", noJobs: "还没有图片。", more: "显示更多", ok: "确定",
    privacy: "图片只保存在这台服务器上，到期自动删除。", token: "令牌", tokenAsk: "此服务器需要令牌",
    remember: "在此浏览器中记住", remove: "删除", cancel: "取消", compare: "对比", queued: "等待中", running: "{percent}%",
    uploading: "正在上传 {percent}%", done: "完成，用时 {time}", failed: "失败：{reason}", cancelled: "已取消", expires: "保留 {time}",
    plan: "{from} → {to} 像素 · 内存 {memory} · 约 {time}", planning: "…", noPlan: "上传后才能知道尺寸",
    noInput: "浏览器中已没有原图，只显示结果。", seconds: "{n} 秒", minutes: "{n} 分钟", hours: "{n} 小时",
    tooWide: "图片太大，浏览器无法显示，请下载。", offline: "无法连接服务器。", isDone: "{name} 已完成",
    code: {
      bad_parameter: "服务器不接受这些设置：{detail}", unauthorized: "令牌无效。", model_not_found: "没有此倍数的该模型。",
      body_too_large: "文件超过服务器限制。", picture_too_large: "图片超过服务器限制：{detail}", does_not_fit: "图片需要 {needed} 内存，服务器只有 {budget}。",
      picture_unsupported: "不支持此文件格式。", picture_invalid: "无法读取此图片。", queue_full: "服务器繁忙，请稍后再试。", disk_full: "服务器磁盘已满。",
      shutting_down: "服务器正在重启。", interrupted: "处理此图片时服务器多次重启。", internal_error: "服务器出错。",
    },
  },
};

let language = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh-CN" : "en");
if (!texts[language]) language = "en";

export const fill = (text, values = {}) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
export const t = (name, values) => fill(texts[language][name], values);

export function problemText(problem) {
  const sentence = texts[language].code[problem.code];
  if (!sentence) return problem.detail ?? t("offline");
  return fill(sentence, { detail: problem.detail, needed: bytes(problem.needed_bytes), budget: bytes(problem.budget_bytes) });
}

export function bytes(count) {
  if (count == null) return "";
  const units = ["B", "KiB", "MiB", "GiB"];
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, count)) / 10));
  return `${(count / 2 ** (10 * power)).toFixed(power < 2 ? 0 : 1)} ${units[power]}`;
}

export function time(seconds) {
  if (seconds < 10) return t("seconds", { n: Math.max(0.1, seconds).toFixed(1) });
  if (seconds < 100) return t("seconds", { n: Math.round(seconds) });
  return seconds < 5400 ? t("minutes", { n: Math.round(seconds / 60) }) : t("hours", { n: Math.round(seconds / 3600) });
}

/** Writes the texts of the page's fixed parts. */
export function translate() {
  document.documentElement.lang = language;
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
  document.getElementById("language").textContent = t("language");
}

export function switchLanguage() {
  language = language === "en" ? "zh-CN" : "en";
  localStorage.setItem("language", language);
  translate();
}
