// Reading an OpenAPI document: references, types in words, examples. Nothing here touches the page.

/** Follows `$ref` inside the document. */
export function resolve(document, node) {
  let found = node;
  while (found && found.$ref) {
    found = found.$ref.slice(2).split("/").reduce((place, key) => place[key], document);
  }
  return found;
}

/** The type of a schema in a few words: "integer or text, 30 to 300". */
export function typeText(document, schema) {
  const one = resolve(document, schema) ?? {};
  if (one.enum) return one.enum.filter((value) => value !== null).join(" | ");
  if (one.const !== undefined) return JSON.stringify(one.const);
  if (one.anyOf) return one.anyOf.map((each) => typeText(document, each)).join(" or ");
  const types = [one.type ?? "any"].flat().filter((type) => type !== "null");
  const words = types.map((type) => (type === "array" ? `list of ${typeText(document, one.items)}` : type));
  return words.join(" or ") + rangeText(one);
}

function rangeText(schema) {
  const { minimum, maximum, maxLength } = schema;
  const range = minimum !== undefined && maximum !== undefined ? `, ${minimum} to ${maximum}`
    : minimum !== undefined ? `, from ${minimum}`
    : maximum !== undefined ? `, to ${maximum}` : "";
  return range + (maxLength === undefined ? "" : `, at most ${maxLength} characters`);
}

/** A value of the shape that a schema describes, for reading. */
export function shapeOf(document, schema) {
  const one = resolve(document, schema) ?? {};
  if (one.const !== undefined) return one.const;
  if (one.contentSchema) return `JSON text of ${JSON.stringify(shapeOf(document, one.contentSchema))}`;
  if (one.anyOf) return shapeOf(document, one.anyOf[0]);
  if (one.type === "array") return [shapeOf(document, one.items)];
  if (one.type === "object") {
    const entries = Object.entries(one.properties ?? {});
    return Object.fromEntries(entries.map(([name, each]) => [name, shapeOf(document, each)]));
  }
  return typeText(document, one);
}

/** A small body that works, written in the given content type. */
export function examplePayload(path, mediaType) {
  const fields = {
    "/release_task": { prompt: "upbeat pop song", lyrics: "[instrumental]", audio_duration: 10 },
    "/query_result": { task_id_list: ["00000000-0000-0000-0000-000000000000"] },
    "/format_input": { prompt: "pop rock", lyrics: "Walking down the street" },
    "/create_random_sample": { sample_type: "simple_mode" },
  }[path] ?? {};
  if (mediaType === "application/json") return JSON.stringify(fields, null, 2);
  const asText = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));
  return Object.entries(fields).map(([name, value]) => `${name}=${asText(value)}`).join("\n");
}
