// Choices that outlive the tab: theme, language, address, level, columns. Never a key, never a text of a user.

/** Makes the settings over a storage, each name with its own prefix. */
export function createSettings(storage) {
  return {
    get(name, fallback = null) {
      try {
        return storage.getItem(`acestep-${name}`) ?? fallback;
      } catch {
        return fallback;
      }
    },
    set(name, value) {
      try {
        storage.setItem(`acestep-${name}`, value);
      } catch {
        // Full or forbidden: the choice then holds for this visit only.
      }
    },
  };
}
