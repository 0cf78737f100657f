// The API key of this tab: session storage, by address. Nothing else ever keeps it.

/** Makes the ring over a storage; where storage is forbidden the key lives as long as the page. */
export function createKeyring(storage) {
  const kept = new Map();
  const name = (address) => `acestep-key ${address}`;
  return {
    get(address) {
      try {
        return storage.getItem(name(address)) ?? "";
      } catch {
        return kept.get(address) ?? "";
      }
    },
    set(address, key) {
      try {
        storage.setItem(name(address), key);
      } catch {
        kept.set(address, key);
      }
    },
    forget(address) {
      kept.delete(address);
      try {
        storage.removeItem(name(address));
      } catch {
        // Forbidden storage holds nothing to forget.
      }
    },
  };
}
