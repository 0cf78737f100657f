// What the browser keeps: sessions, drafts, audio and peaks, each below the address of its service.

const NAME = "acestep-studio";
const STORES = ["sessions", "drafts", "audio", "peaks"];
const CACHE_BYTES = 2 ** 30;

/** Opens the stores; where IndexedDB is missing or refuses, everything lasts as long as the page. */
export async function openStores(address) {
  const database = await open().catch(() => null);
  const access = database ? lasting(database) : passing();
  const key = (id) => `${address}\n${id}`;
  return {
    lasts: database !== null,
    get: (store, id) => access(store, "readonly", (objects) => objects.get(key(id))),
    put: (store, id, value) => access(store, "readwrite", (objects) => objects.put(value, key(id))),
    remove: (store, id) => access(store, "readwrite", (objects) => objects.delete(key(id))),
    all: (store) => access(store, "readonly", (objects) => objects.getAll(below(address))),
    forget: () => Promise.all(STORES.map((store) => access(store, "readwrite", (objects) => objects.clear()))),
    close: () => database?.close(),
  };
}

const below = (address) => globalThis.IDBKeyRange?.bound(`${address}\n`, `${address}\n\uffff`);

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => STORES.forEach((store) => request.result.createObjectStore(store));
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
}

const lasting = (database) => (store, mode, act) =>
  new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode);
    const request = act(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error ?? request.error);
  });

function passing() {
  const stores = new Map(STORES.map((store) => [store, new Map()]));
  return async (store, _mode, act) => {
    const values = stores.get(store);
    return act({
      get: (id) => ({ result: values.get(id) }),
      put: (value, id) => ({ result: values.set(id, value) }),
      delete: (id) => ({ result: values.delete(id) }),
      getAll: () => ({ result: [...values.values()] }),
      clear: () => ({ result: values.clear() }),
    }).result;
  };
}

/** Removes the oldest audio that no saved session uses until the rest fits the cache. */
export async function trimAudio(stores, limit = CACHE_BYTES) {
  const saved = new Set((await stores.all("sessions")).flatMap(({ sources }) => sources.map(({ id }) => id)));
  const loose = (await stores.all("audio")).filter(({ id }) => !saved.has(id));
  loose.sort((one, other) => other.used_at - one.used_at);
  let total = 0;
  for (const { id, blob } of loose) {
    total += blob.size;
    if (total > limit) await stores.remove("audio", id);
  }
}
