// Differences of two texts, word by word.
import { h } from "../lib/dom.js";

const MOST_WORDS = 2000;

/** Lists {kind: "same" | "old" | "new", text}; a longest common subsequence of words and spaces. */
export function diffWords(before, after) {
  const a = before.match(/\s+|[^\s]+/g) ?? [];
  const b = after.match(/\s+|[^\s]+/g) ?? [];
  if (before === after) return before ? [{ kind: "same", text: before }] : [];
  if (a.length > MOST_WORDS || b.length > MOST_WORDS) {
    return [{ kind: "old", text: before }, { kind: "new", text: after }].filter(({ text }) => text);
  }
  return joined(walk(a, b, lengths(a, b)));
}

/** An element that shows the difference with `del` and `ins`. */
export function diffView(before, after) {
  const tags = { same: "span", old: "del", new: "ins" };
  return h("div", { class: "diff", dir: "auto" }, diffWords(before, after).map(({ kind, text }) => h(tags[kind], {}, text)));
}

/** `table[i][j]`: length of the longest common subsequence of a from i and b from j. */
function lengths(a, b) {
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i][j] = a[i] === b[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
    }
  }
  return table;
}

function* walk(a, b, table) {
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      yield { kind: "same", text: a[i] };
      [i, j] = [i + 1, j + 1];
    } else if (j >= b.length || (i < a.length && table[i + 1][j] >= table[i][j + 1])) {
      yield { kind: "old", text: a[i] };
      i += 1;
    } else {
      yield { kind: "new", text: b[j] };
      j += 1;
    }
  }
}

function joined(parts) {
  const found = [];
  for (const part of parts) {
    if (found.at(-1)?.kind === part.kind) found.at(-1).text += part.text;
    else found.push({ ...part });
  }
  return found;
}
