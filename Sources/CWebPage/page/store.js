// The pictures that were sent, kept in the browser so that before and after can be compared later.
const limit = 256 << 20;

const database = new Promise((resolve, reject) => {
  const request = indexedDB.open("enlarger", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("inputs", { keyPath: "id" });
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function run(mode, body) {
  const store = (await database).transaction("inputs", mode).objectStore("inputs");
  const request = body(store);
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Without room or a database the comparison shows the result alone: no reason to fail. */
const quietly = (promise) => promise.catch(() => undefined);

export async function keep(id, file) {
  const all = (await quietly(run("readonly", (store) => store.getAll()))) ?? [];
  all.sort((a, b) => a.time - b.time);
  let sum = all.reduce((sum, entry) => sum + entry.file.size, file.size);
  while (all.length && sum > limit) {
    const oldest = all.shift();
    sum -= oldest.file.size;
    await forget(oldest.id);
  }
  if (file.size <= limit) await quietly(run("readwrite", (store) => store.put({ id, file, time: Date.now() })));
}

export const input = async (id) => (await quietly(run("readonly", (store) => store.get(id))))?.file;
export const forget = (id) => quietly(run("readwrite", (store) => store.delete(id)));
