// Gives a file to the browser's downloads.
import { h } from "../lib/dom.js";

const KEEP_MS = 10_000;

/** Downloads a Blob under a name. */
export function saveAs(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
}
