// The fields of the form, made of the parameter table in the OpenAPI document: names, kinds, ranges and defaults
// come from there; only the place and a special widget are said here.

const PLACES = {
  simple: { text: ["prompt", "sample_query", "lyrics"], output: ["audio_duration", "batch_size", "audio_format"] },
  advanced: {
    region: ["repainting_start", "repainting_end", "audio_cover_strength", "track_name", "track_classes"],
    music: ["vocal_language", "bpm", "key_scale", "time_signature"],
    plan: ["thinking", "use_format"],
    model: ["model", "seed", "inference_steps", "guidance_scale"],
  },
  expert: {
    sampler: ["instruction", "shift", "infer_method", "timesteps", "use_adg", "cfg_interval_start", "cfg_interval_end",
      "use_tiled_decode"],
    lm: ["lm_model_path", "lm_backend", "lm_temperature", "lm_cfg_scale", "lm_top_k", "lm_top_p", "lm_repetition_penalty",
      "lm_negative_prompt", "use_cot_caption", "use_cot_language", "constrained_decoding", "constrained_decoding_debug",
      "allow_lm_batch", "is_format_caption", "audio_code_string"],
    task: ["priority", "labels", "webhook_url"],
  },
};
/** Set by other controls: the task buttons, the sources, the description switch, the seed field. */
export const DRIVEN = ["task_type", "sample_mode", "use_random_seed", "reference_audio_path", "src_audio_path"];
const CONTROLS = ["priority", "labels", "webhook_url"];
const WIDGETS = {
  prompt: "long", sample_query: "long", lyrics: "lyrics", audio_duration: "length", batch_size: "stepper",
  audio_format: "segmented", vocal_language: "language", bpm: "tempo", time_signature: "signature", model: "model", key_scale: "key",
  seed: "seed", repainting_start: "time", repainting_end: "time", track_name: "track", track_classes: "tracks",
  timesteps: "timesteps", lm_model_path: "lm", audio_code_string: "long", instruction: "long", lm_negative_prompt: "long",
  labels: "labels", lm_top_p: "share",
};
const STEPS = { audio_duration: 5, audio_cover_strength: 0.05, guidance_scale: 0.5, shift: 0.1 };
export const LEVELS = Object.keys(PLACES);
export const TRACK_NAMES = [
  "woodwinds", "brass", "fx", "synth", "strings", "percussion", "keyboard", "guitar", "bass", "drums", "backing_vocals",
  "vocals",
];

/** Lists {name, level, group, kind, widget, least, most, step, options, standard, longest, about} of a document. */
export function fieldsOf(openapi) {
  const { RerunTask, ReleaseTask } = openapi.components.schemas;
  const table = { ...RerunTask.properties.overrides.properties };
  for (const name of CONTROLS) table[name] = ReleaseTask.properties[name];
  const placed = Object.entries(PLACES).flatMap(([level, groups]) =>
    Object.entries(groups).flatMap(([group, names]) => names.map((name) => ({ name, level, group }))));
  const known = new Set([...placed.map(({ name }) => name), ...DRIVEN]);
  const others = Object.keys(table).filter((name) => !known.has(name)).map((name) => ({ name, level: "expert", group: "task" }));
  return [...placed, ...others].filter(({ name }) => table[name]).map((place) => describe(place, table[place.name]));
}

function describe(place, schema) {
  const kind = schema.enum ? "choice" : [schema.type].flat()[0];
  const field = {
    ...place, kind, least: schema.minimum, most: schema.maximum, standard: schema.default,
    options: schema.enum?.filter((option) => option !== null), longest: schema.maxLength, about: schema.description,
    step: STEPS[place.name] ?? (kind === "integer" ? 1 : 0.05),
  };
  return { ...field, widget: WIDGETS[place.name] ?? widgetOf(field) };
}

function widgetOf({ kind, least, most }) {
  if (kind === "choice") return "choice";
  if (kind === "boolean") return "switch";
  if (kind === "number" || kind === "integer") return least !== undefined && most !== undefined ? "slider" : "number";
  return "text";
}
