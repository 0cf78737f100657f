// Builds elements. Text enters the page as text only: nothing here parses markup.
const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element. Names of `props`: `on…` listeners, `class`, `vars` (CSS variables), `dataset`, properties such
 * as `value`, `checked`, `hidden`; any other is an attribute. null, undefined and false leave an attribute out.
 */
export function h(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** Makes an SVG element; all names but `on…` and `vars` are attributes. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** A symbol of the sprite; it means nothing to a screen reader, so words stand beside it or in a label. */
export function icon(name, size = "") {
  return svg("svg", { class: `icon ${size}`.trim(), "aria-hidden": "true", focusable: "false" },
    svg("use", { href: `web/icons.svg#${name}` }));
}

/** Replaces what an element holds. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(isShown));
  return element;
}

/** Sets CSS variables, the only way in which geometry enters the page. */
export function setVars(element, vars) {
  for (const [name, value] of Object.entries(vars)) element.style.setProperty(name, String(value));
}

/** Clones the first element of a `<template>`. */
export function cloneTemplate(id) {
  return document.getElementById(id).content.cloneNode(true).firstElementChild;
}

/** A number that no other element of the page has, for `id` and `aria-labelledby`. */
export function freshId(prefix = "id") {
  const random = crypto.getRandomValues(new Uint32Array(2));
  return `${prefix}-${random[0].toString(36)}${random[1].toString(36)}`;
}

const PROPERTIES = new Set(["value", "checked", "disabled", "hidden", "selected", "indeterminate", "open", "readOnly"]);

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) set(element, name, value);
  element.append(...children.flat(Infinity).filter(isShown));
  return element;
}

function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name === "vars") setVars(element, value);
  else if (name === "dataset") Object.assign(element.dataset, value);
  else if (PROPERTIES.has(name) && name in element) element[name] = value ?? "";
  else if (value === true) element.setAttribute(name, "");
  else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
}

function isShown(child) {
  return child !== null && child !== undefined && child !== false;
}
