// Texts in the chosen language. Files: i18n/<language>/<section>.json, flat keys, {name} places.

export const LANGUAGES = { en: "English", ko: "한국어", it: "Italiano" };

/** The language of a visit: the one kept, else the browser's first that we have, else English. */
export function pickLanguage(kept, wished) {
  const found = [kept, ...wished].map((tag) => tag?.slice(0, 2).toLowerCase()).find((tag) => tag in LANGUAGES);
  return found ?? "en";
}

/** Loads sections; resolves to `t(key, values)`. English stands in for what another language lacks. */
export async function loadTexts(language, sections, load = loadJson) {
  const wanted = language === "en" ? ["en"] : ["en", language];
  const parts = await Promise.all(wanted.flatMap((tag) => sections.map((section) => load(tag, section))));
  return createTexts(language, Object.assign({}, ...parts));
}

/**
 * Makes `t`. A value `count` chooses between `<key>.one` and `<key>.other`; numbers are written as the language does.
 * A key that nobody wrote is shown itself, and told on the console.
 */
export function createTexts(language, texts) {
  const plural = new Intl.PluralRules(language);
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: 2 });
  const t = (key, values = {}) => {
    const chosen = values.count !== undefined && !(key in texts) ? `${key}.${formOf(texts, key, plural, values.count)}` : key;
    if (!(chosen in texts)) console.error(`no text for ${chosen}`);
    const text = texts[chosen] ?? key;
    return text.replace(/\{(\w+)\}/g, (place, name) => {
      const value = values[name];
      return value === undefined ? place : typeof value === "number" ? number.format(value) : String(value);
    });
  };
  t.language = language;
  t.has = (key) => key in texts;
  return t;
}

/** Writes texts into a page: `data-t` is the text of an element, `data-t-label` its `aria-label`. */
export function translate(root, t) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of root.querySelectorAll("[data-t-label]")) element.setAttribute("aria-label", t(element.dataset.tLabel));
}

function formOf(texts, key, plural, count) {
  const form = plural.select(count);
  return `${key}.${form}` in texts ? form : "other";
}

async function loadJson(language, section) {
  const response = await fetch(`web/i18n/${language}/${section}.json`);
  return response.json();
}
