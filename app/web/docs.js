// Shows openapi.json and sends requests. Text only ever enters the page as text.
import { examplePayload, resolve, shapeOf, typeText } from "./docs-schema.js";

const KEY = "acestep-key";
const keyField = document.getElementById("key");
keyField.value = sessionStorage.getItem(KEY) ?? "";
keyField.addEventListener("input", () => sessionStorage.setItem(KEY, keyField.value));
document.getElementById("access").addEventListener("submit", (event) => event.preventDefault());

/** Makes an element with text and children. */
function make(tag, text = "", ...children) {
  const element = document.createElement(tag);
  element.textContent = text;
  element.append(...children);
  return element;
}

function row(...cells) {
  return make("tr", "", ...cells.map((cell) => (cell instanceof Node ? make("td", "", cell) : make("td", cell))));
}

function show(api) {
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("about").textContent = api.info.description;
  const place = document.getElementById("operations");
  place.replaceChildren();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      place.append(card(api, path, method, operation));
    }
  }
  place.setAttribute("aria-busy", "false");
}

function card(api, path, method, operation) {
  const element = document.getElementById("operation").content.cloneNode(true).firstElementChild;
  const find = (selector) => element.querySelector(selector);
  element.id = operation.operationId;
  find(".method").textContent = method.toUpperCase();
  find(".path").textContent = path;
  find(".summary").textContent = operation.summary;
  find(".about").textContent = operation.description ?? "";
  const inputs = showParameters(api, element, operation.parameters ?? []);
  const body = showBody(api, element, path, operation.requestBody);
  showAnswers(api, element, operation.responses);
  find(".send").addEventListener("click", () => send(element, path, method, inputs, body));
  return element;
}

function showParameters(api, element, parameters) {
  const rows = parameters.map((given) => {
    const parameter = resolve(api, given);
    const input = document.createElement("input");
    input.setAttribute("aria-label", parameter.name);
    const name = parameter.name + (parameter.required ? " *" : "");
    const line = row(name, typeText(api, parameter.schema), input, parameter.description ?? "");
    return { parameter, input, line };
  });
  element.querySelector(".parameters").hidden = rows.length === 0;
  element.querySelector(".parameters tbody").append(...rows.map(({ line }) => line));
  return rows;
}

function showBody(api, element, path, requestBody) {
  if (!requestBody) return null;
  const section = element.querySelector(".body");
  section.hidden = false;
  const mediaType = section.querySelector(".media-type");
  const payload = section.querySelector(".payload");
  mediaType.append(...Object.keys(requestBody.content).map((name) => make("option", name)));
  const refresh = () => {
    payload.value = examplePayload(path, mediaType.value);
    const { properties } = resolve(api, requestBody.content[mediaType.value].schema);
    const rows = Object.entries(properties).map(([name, field]) =>
      row(name, typeText(api, field), JSON.stringify(field.default) ?? "", field.description ?? ""));
    section.querySelector("tbody").replaceChildren(...rows);
  };
  mediaType.addEventListener("change", refresh);
  refresh();
  return { mediaType, payload };
}

function showAnswers(api, element, responses) {
  const rows = Object.entries(responses).map(([status, given]) => row(status, resolve(api, given).description));
  element.querySelector(".responses tbody").append(...rows);
  const schema = responses["200"].content?.["application/json"]?.schema;
  element.querySelector(".shape").textContent = schema
    ? JSON.stringify(shapeOf(api, schema), null, 2) : "The bytes of the file.";
}

async function send(element, path, method, inputs, body) {
  const status = element.querySelector(".status");
  const begun = performance.now();
  status.textContent = "waiting";
  try {
    const response = await fetch(address(path, inputs), {
      method: method.toUpperCase(), headers: headersOf(inputs, body), body: encode(body),
    });
    const seconds = ((performance.now() - begun) / 1000).toFixed(2);
    status.textContent = `${response.status} after ${seconds} s`;
    await showResponse(element, response);
  } catch (error) {
    status.textContent = `No answer: ${error.message}`;
  }
}

function address(path, inputs) {
  const given = inputs.filter(({ parameter, input }) => parameter.in === "query" && input.value);
  const query = new URLSearchParams(given.map(({ parameter, input }) => [parameter.name, input.value]));
  const filled = inputs.filter(({ parameter }) => parameter.in === "path").reduce(
    (text, { parameter, input }) => text.replace(`{${parameter.name}}`, encodeURIComponent(input.value)), path);
  return filled.slice(1) + (given.length ? `?${query}` : "");
}

function headersOf(inputs, body) {
  const headers = new Headers();
  if (keyField.value) headers.set("Authorization", `Bearer ${keyField.value}`);
  // The browser itself names a multipart body, for it chooses the boundary.
  if (body && body.mediaType.value !== "multipart/form-data") headers.set("Content-Type", body.mediaType.value);
  for (const { parameter, input } of inputs) {
    if (parameter.in === "header" && input.value) headers.set(parameter.name, input.value);
  }
  return headers;
}

/** The body in its content type; forms are written as one `name=value` a line. */
function encode(body) {
  if (!body) return undefined;
  if (body.mediaType.value === "application/json") return body.payload.value;
  const pairs = body.payload.value.split("\n").filter((line) => line.includes("="))
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);
  if (body.mediaType.value !== "multipart/form-data") return new URLSearchParams(pairs).toString();
  const form = new FormData();
  for (const [name, value] of pairs) form.append(name, value);
  return form;
}

async function showResponse(element, response) {
  const answer = element.querySelector(".answer");
  const player = element.querySelector(".player");
  if (player.src) URL.revokeObjectURL(player.src);
  const isAudio = (response.headers.get("Content-Type") ?? "").startsWith("audio/");
  player.hidden = !isAudio;
  answer.hidden = false;
  if (isAudio) {
    const clip = await response.blob();
    player.src = URL.createObjectURL(clip);
    answer.textContent = `${clip.size} bytes of ${clip.type}`;
    return;
  }
  const text = await response.text();
  answer.textContent = text.startsWith("{") ? JSON.stringify(JSON.parse(text), null, 2) : text;
}

async function start() {
  const state = document.getElementById("state");
  try {
    const response = await fetch("openapi.json");
    if (!response.ok) throw new Error(`status ${response.status}`);
    show(await response.json());
  } catch (error) {
    state.textContent = `The description of the API could not be read (${error.message}). Reload the page.`;
  }
}

start();
