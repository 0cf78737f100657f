// Settings: the address of the service, the key of this tab, and how the page looks.
import { h } from "../lib/dom.js";
import { LANGUAGES } from "../lib/i18n.js";
import { button } from "../ui/button.js";
import { confirm, openDialog } from "../ui/dialog.js";
import { field, select, textInput } from "../ui/field.js";
import { LEVELS } from "./fields.js";

const HEALTH_MS = 5000;

/** Opens the settings. */
export async function openSettings(studio) {
  const { t } = studio;
  const place = addressField(studio);
  const body = h("div", { class: "stack" },
    place.element, keyField(studio), looks(studio), await storage(studio),
    h("p", { class: "muted small" }, t("settings.licence"), " ", h("a", { href: "docs" }, t("settings.docs")), " · ", h("a", { href: "admin" }, t("settings.admin"))));
  await openDialog({ title: t("settings.title"), body, actions: [{ label: t("common.close"), value: null, kind: "primary" }] });
}

function addressField(studio) {
  const { t, settings, keyring } = studio;
  const input = textInput({ type: "url", value: studio.address, id: "address", spellcheck: "false" });
  const note = h("p", { class: "small", role: "status" });
  const use = async () => {
    const address = readAddress(input.value);
    note.textContent = address ? t("settings.checking") : t("settings.bad_address");
    if (!address) return;
    const fault = await faultOf(address, t);
    note.textContent = fault ?? t("settings.address_kept");
    if (fault || address === studio.address) return;
    keyring.forget(studio.address);
    settings.set("address", address);
    location.reload();
  };
  return {
    element: h("div", { class: "stack" }, field({ label: t("settings.address"), control: input, hint: t("settings.address_hint") }),
      h("div", { class: "row" }, button({ label: t("settings.use_address"), kind: "plain", onclick: use }), note)),
  };
}

/** Returns the address with a slash at its end, or null. */
export function readAddress(text) {
  try {
    const url = new URL(text.trim());
    if (!["http:", "https:"].includes(url.protocol) || url.username || url.password) return null;
    return `${url.origin}${url.pathname.replace(/\/*$/, "/")}`;
  } catch {
    return null;
  }
}

async function faultOf(address, t) {
  if (location.protocol === "https:" && address.startsWith("http:")) return t("settings.mixed");
  try {
    const response = await fetch(new URL("health", address), { signal: AbortSignal.timeout(HEALTH_MS), cache: "no-store" });
    const body = await response.json();
    return body.data?.service === "ACE-Step API" ? null : t("settings.other_service");
  } catch {
    return t("settings.no_answer");
  }
}

function keyField({ t, keyring, address, api }) {
  const input = textInput({ type: "password", id: "key", placeholder: keyring.get(address) ? t("settings.key_kept") : t("settings.key_none") });
  const note = h("p", { class: "small", role: "status" });
  const test = async () => {
    if (input.value.trim()) keyring.set(address, input.value.trim());
    input.value = "";
    try {
      const { caller } = await api.get("v1/teams/me");
      note.textContent = t("settings.key_works", { scopes: caller.scopes.join(", ") });
    } catch (error) {
      note.textContent = error.text ?? t("error.offline");
    }
  };
  const forget = () => {
    keyring.forget(address);
    note.textContent = t("settings.key_gone");
  };
  return h("div", { class: "stack" }, field({ label: t("key.label"), control: input, hint: t("key.hint") }),
    h("div", { class: "row" }, button({ label: t("settings.key_use"), kind: "plain", onclick: test }),
      button({ label: t("settings.key_show"), kind: "quiet", onclick: () => { input.type = input.type === "password" ? "text" : "password"; } }),
      button({ label: t("settings.key_forget"), kind: "quiet", onclick: forget }), note));
}

function looks({ t, settings, setTheme, setLanguage, store }) {
  const language = select({ options: Object.entries(LANGUAGES).map(([value, label]) => ({ value, label })), value: t.language, onchange: () => setLanguage(language.value) });
  const theme = select({
    options: ["system", "dark", "light"].map((value) => ({ value, label: t(`theme.${value}`) })),
    value: settings.get("theme", "system"), onchange: () => setTheme(theme.value),
  });
  const level = select({
    options: LEVELS.map((value) => ({ value, label: t(`level.${value}`) })), value: store.state.level,
    onchange: () => {
      settings.set("level", level.value);
      store.send({ type: "set", changes: { level: level.value } });
    },
  });
  return h("div", { class: "settings-looks" }, field({ label: t("language.label"), control: language }),
    field({ label: t("theme.label"), control: theme }), field({ label: t("form.level"), control: level }));
}

async function storage({ t, format, stores, keyring, address }) {
  // Only secure pages may ask for an estimate.
  const room = await navigator.storage?.estimate?.().catch(() => null);
  const line = room ? t("settings.storage", { used: format.bytes(room.usage), free: format.bytes(room.quota - room.usage) }) : t("settings.storage_unknown");
  const forget = async () => {
    const yes = await confirm({ title: t("settings.forget"), text: t("settings.forget_text"), yes: t("settings.forget_yes"), no: t("common.cancel"), danger: true });
    if (!yes) return;
    await stores.forget();
    keyring.forget(address);
    sessionStorage.clear();
    location.reload();
  };
  return h("div", { class: "spread" }, h("span", { class: "muted small" }, line), button({ label: t("settings.forget"), kind: "danger", onclick: forget }));
}
