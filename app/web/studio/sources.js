// The source and the reference of a task: a file, a clip of the library, or a region.
import { h, icon } from "../lib/dom.js";
import { clockText } from "../lib/format.js";
import { button } from "../ui/button.js";
import { toSeconds } from "../audio/units.js";

export const ACCEPTED = "audio/*,.mp3,.wav,.flac,.ogg,.opus,.m4a";

/** Makes the drop zone of a role, `source` or `reference`; `act.takeFile(role, file)` and `act.pickSource(role)`. */
export function sourceField(studio, act, role) {
  const { store, t } = studio;
  const given = store.state.form.present[role];
  const zone = h("div", { class: "drop", role: "group", "aria-label": t(`source.${role}`), dataset: { role } },
    h("div", { class: "spread" }, h("strong", {}, t(`source.${role}`)), given ? remove(studio, role) : null),
    given ? shown(given) : choices(studio, act, role));
  zone.addEventListener("dragover", (event) => event.preventDefault());
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) act.takeFile(role, file);
  });
  return zone;
}

function choices({ t }, act, role) {
  const input = h("input", {
    type: "file", accept: ACCEPTED, class: "visually-hidden", tabindex: "-1", "aria-label": t("source.file"),
    onchange: () => input.files[0] && act.takeFile(role, input.files[0]),
  });
  return h("div", { class: "row" }, input,
    button({ label: t("source.choose"), symbol: "upload", kind: "plain", onclick: () => input.click() }),
    button({ label: t("source.clip"), symbol: "folder", kind: "plain", onclick: (event) => act.pickSource(role, event.currentTarget) }),
    h("span", { class: "muted small" }, t("source.drop")));
}

function shown({ name, samples }) {
  return h("p", { class: "row" }, icon("wave"), h("span", { class: "grow ellipsis", dir: "auto" }, name),
    samples ? h("span", { class: "muted" }, clockText(toSeconds(samples))) : null);
}

function remove({ store, t }, role) {
  return button({
    label: t("source.remove"), symbol: "close", kind: "quiet", iconOnly: true,
    onclick: () => store.send({ type: "form", changes: { [role]: null } }),
  });
}

/** Lets the user choose audio files; `take(files)` hears of them. */
export function sourceChooser(t, take) {
  const input = h("input", { type: "file", accept: ACCEPTED, multiple: true, "aria-label": t("source.file"), onchange: () => take([...input.files]) });
  input.click();
}
