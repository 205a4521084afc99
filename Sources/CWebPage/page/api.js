// The service's HTTP API. Failures are thrown as problem documents: {code, detail, ...}.

let token = sessionStorage.getItem("token") ?? localStorage.getItem("token") ?? "";

export function setToken(value, remember) {
  token = value;
  sessionStorage.setItem("token", value);
  if (remember) localStorage.setItem("token", value);
  else localStorage.removeItem("token");
}

const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { code: "internal_error", detail: `${response.status}`, status: response.status };
  }
}

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: headers(), cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw { code: "offline" };
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

export const models = async () => (await request("/v1/models")).json();
export const plan = async (query) => (await request(`/v1/plan?${new URLSearchParams(query)}`)).json();
export const jobs = async (after) => (await request(`/v1/jobs?limit=50${after ? `&after=${after}` : ""}`)).json();
export const job = async (id) => (await request(`/v1/jobs/${id}`)).json();
export const remove = (id) => request(`/v1/jobs/${id}`, { method: "DELETE" });
export const result = async (id) => (await request(`/v1/jobs/${id}/result`)).blob();

/** Sends a picture; `onProgress` hears the part that is sent. */
export function submit(file, query, onProgress) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", `/v1/jobs?${new URLSearchParams(query)}`);
    for (const [name, value] of Object.entries(headers())) call.setRequestHeader(name, value);
    call.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    call.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    call.onerror = () => reject({ code: "offline" });
    call.onload = () => {
      let answer = null;
      try {
        answer = JSON.parse(call.responseText);
      } catch {
        answer = { code: "internal_error", detail: `${call.status}` };
      }
      if (call.status === 202) resolve(answer);
      else reject(answer);
    };
    call.send(file);
  });
}

/** Calls `onJob` for every event of a job until it is finished. Asks again when the stream breaks. */
export async function follow(id, onJob) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 10000)) {
    try {
      const reader = (await request(`/v1/jobs/${id}/events`)).body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          const line = block.split("\n").find((line) => line.startsWith("data: "));
          if (!line) continue;
          const job = JSON.parse(line.slice(6));
          onJob(job);
          wait = 500;
          if (!["queued", "running"].includes(job.state)) return;
        }
      }
    } catch (problem) {
      if (problem.status && problem.status < 500) throw problem;
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}
