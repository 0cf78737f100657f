// Makes the request of a task from what was touched in the form. Nothing here knows the page.

export const TASKS = ["text2music", "cover", "repaint", "lego", "extract", "complete"];

const ONLY = {
  repainting_start: ["repaint"],
  repainting_end: ["repaint"],
  track_name: ["lego", "extract"],
  track_classes: ["complete"],
  audio_cover_strength: ["cover"],
  thinking: ["text2music", "cover"],
  use_format: ["text2music"],
  sample_query: ["text2music"],
  sample_mode: ["text2music"],
  lyrics: TASKS.filter((task) => task !== "extract"),
};
const BASE_ONLY = ["guidance_scale", "use_adg", "cfg_interval_start", "cfg_interval_end", "shift"];
const NEEDS_LM = ["thinking", "use_format", "sample_query", "sample_mode"];

const ROLES = [
  { role: "source", path: "src_audio_path", part: "ctx_audio" },
  { role: "reference", path: "reference_audio_path", part: "ref_audio" },
];

export const needsSource = (task) => task !== "text2music";

/** Returns whether a field belongs to a task; hidden fields keep their values and are not sent. */
export const belongs = (name, task) => ONLY[name]?.includes(task) ?? true;

/** Returns why a field is closed: "turbo", "lm" or null. */
export function closedBy(name, { category, lm }) {
  if (category === "turbo" && BASE_ONLY.includes(name)) return "turbo";
  return !lm && NEEDS_LM.includes(name) ? "lm" : null;
}

/**
 * Returns {fields, files} of a task.
 *
 * Args: `touched` maps names to values; `sources` has `source` and `reference`, each {path} or {blob, name};
 * `offer` is {category, lm} of the chosen model.
 */
export function buildRequest({ task, touched, sources = {}, offer, instrumental = false, describe = false }) {
  const fields = { task_type: task };
  const isDescribed = describe && task === "text2music" && offer.lm;
  const unused = isDescribed ? ["prompt", "lyrics"] : ["sample_query"];
  // The language model plans unless it was switched off; the API's own default is off.
  const plans = task === "text2music" && offer.lm ? { thinking: true } : {};
  for (const [name, value] of Object.entries({ ...plans, ...touched })) {
    if (belongs(name, task) && !closedBy(name, offer) && !unused.includes(name)) fields[name] = value;
  }
  if (instrumental && !isDescribed && belongs("lyrics", task)) fields.lyrics = "[inst]";
  if (fields.seed !== undefined) fields.use_random_seed = false;
  if (fields.sample_query) fields.sample_mode = true;
  return placeSources(fields, sources, task);
}

function placeSources(fields, sources, task) {
  const files = {};
  for (const { role, path, part } of ROLES) {
    const given = sources[role];
    if (!given || (role === "source" && !needsSource(task))) continue;
    if (given.path) fields[path] = given.path;
    else files[part] = given;
  }
  return { fields, files };
}

/** Returns the body of a request: JSON text, or a form when there are files. */
export function bodyOf({ fields, files }) {
  if (!Object.keys(files).length) return JSON.stringify(fields);
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    form.append(name, asText(value));
  }
  for (const [part, { blob, name }] of Object.entries(files)) form.append(part, blob, name);
  return form;
}

const asText = (value) => {
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
};

/** Returns a curl line for a POSIX shell, with a variable in place of the key. */
export function curlOf(address, { fields, files }) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const lines = [`curl ${quote(`${address}/release_task`)}`, `-H "Authorization: Bearer $ACESTEP_API_KEY"`];
  if (Object.keys(files).length) {
    for (const [name, value] of Object.entries(fields)) {
      lines.push(`--form-string ${quote(`${name}=${asText(value)}`)}`);
    }
    for (const [part, { name }] of Object.entries(files)) lines.push(`-F ${quote(`${part}=@${name}`)}`);
  } else {
    lines.push(`-H 'Content-Type: application/json'`, `-d ${quote(JSON.stringify(fields))}`);
  }
  return lines.join(" \\\n  ");
}

/** Returns what is wrong with a schedule of timesteps, as a word of the texts, or null. */
export function timestepsFault(text) {
  const values = text.split(",").map((word) => word.trim()).filter(Boolean).map(Number);
  if (values.some((value) => !(value >= 0 && value <= 1))) return "range";
  if (values.some((value, place) => place && value >= values[place - 1])) return "falling";
  const count = values.at(-1) === 0 ? values.length - 1 : values.length;
  return count < 1 || count > 200 ? "count" : null;
}
