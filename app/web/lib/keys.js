// Keys of the keyboard.

/** Name of a pressed key such as `Ctrl+Enter`, `Shift+ArrowLeft`, `s`, `?`; Cmd counts as Ctrl. */
export function keyName(event) {
  const isLetter = event.key.length === 1;
  const parts = [];
  if (event.ctrlKey || event.metaKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  if (event.shiftKey && (!isLetter || /\p{L}/u.test(event.key))) parts.push("Shift");
  parts.push(event.key === " " ? "Space" : isLetter ? event.key.toLowerCase() : event.key);
  return parts.join("+");
}

/** Whether keys belong to a text that is being written. */
export function isTyping(event) {
  const { target } = event;
  const isText = target.tagName === "INPUT" && !["checkbox", "radio", "range", "button"].includes(target.type);
  return isText || target.tagName === "TEXTAREA" || target.tagName === "SELECT" || target.isContentEditable === true;
}

/** Calls `actions[keyName]` for keys in `root`; while somebody types only names with Ctrl and Escape count. */
export function bindKeys(root, actions) {
  const hear = (event) => {
    const name = keyName(event);
    const action = actions[name];
    if (!action || event.defaultPrevented || event.isComposing) return;
    if (isTyping(event) && !name.startsWith("Ctrl+") && name !== "Escape") return;
    if (action(event) !== false) event.preventDefault();
  };
  root.addEventListener("keydown", hear);
  return () => root.removeEventListener("keydown", hear);
}
