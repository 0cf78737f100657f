// What both pages begin with: language, key, client, messages, connection.
import { createStrips } from "../ui/strip.js";
import { createToasts } from "../ui/toast.js";
import { createVoice } from "./a11y.js";
import { createApi } from "./api.js";
import { createFormat } from "./format.js";
import { loadTexts, pickLanguage, translate } from "./i18n.js";
import { createKeyring } from "./keyring.js";
import { createSettings } from "./settings.js";

/**
 * Starts a page whose texts are the sections `common` and `section`. Resolves to the tools that views share:
 * {t, format, api, keyring, address, settings, toasts, strips, voice, askKey, setTheme, setLanguage}.
 */
export async function startPage(section) {
  const settings = createSettings(storageOf("localStorage"));
  const language = pickLanguage(settings.get("language"), navigator.languages);
  document.documentElement.lang = language;
  const t = await loadTexts(language, ["common", section]);
  translate(document, t);
  document.title = t("page.title");
  const keyring = createKeyring(storageOf("sessionStorage"));
  const voice = createVoice();
  const page = {
    t, format: createFormat(language), settings, keyring, voice,
    address: settings.get("address") ?? new URL(".", location.href).href,
    toasts: createToasts({ voice, closeLabel: t("common.close") }),
    strips: createStrips(document.getElementById("strips")),
    setTheme: (theme) => { settings.set("theme", theme); dispatchEvent(new Event("acestep-theme")); },
    setLanguage: (tag) => { settings.set("language", tag); location.reload(); },
  };
  page.askKey = keyAsker(page);
  page.api = clientOf(page);
  return page;
}

/** Text of an error for people: what happened, and the request id where there is one. */
export function errorText(t, error) {
  if (error.name === "NoAnswer") return t("error.offline");
  const lead = t.has(`error.${error.status}`) ? `${t(`error.${error.status}`)} ` : "";
  return `${lead}${error.text ?? error.message}${error.requestId ? ` (${error.requestId})` : ""}`;
}

function clientOf(page) {
  const { t, strips, keyring } = page;
  return createApi({
    base: page.address,
    key: () => keyring.get(page.address),
    onUnauthorized: page.askKey,
    onReach: (isReached) => strips.set("offline", isReached ? null : { text: t("error.offline") }),
  });
}

/** One dialog for all requests that wait; after "Later" each fails with its own 401 until the user asks again. */
function keyAsker(page) {
  let asking = null;
  return (error) => {
    asking ??= ask(page, error).finally(() => { asking = null; });
    return asking;
  };
}

async function ask(page, error) {
  const { askForKey } = await import("../ui/key-dialog.js");
  const key = await askForKey(page.t, error?.text);
  if (key === null) throw error ?? new DOMException("no key", "AbortError");
  page.keyring.set(page.address, key);
}

function storageOf(name) {
  try {
    return window[name];
  } catch {
    return null;
  }
}
