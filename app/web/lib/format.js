// Numbers, times and sizes as people write them in a language.

const STEPS = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** Makes the formats of a language; `null` is shown as a dash everywhere. */
export function createFormat(language, timeZone = undefined) {
  const formats = intl(language, timeZone);
  const or = (write) => (value, ...rest) => (value === null || value === undefined ? "–" : write(value, ...rest));
  const { dayTime, moment, day, clock, number, percent, relative } = formats;
  return {
    number: or((value, digits = 1) => number(digits).format(value)),
    percent: or((part) => percent.format(part)),
    dateTime: or((time) => dayTime.format(new Date(time))),
    /** Day and time to the second, without the year. */
    moment: or((time) => moment.format(new Date(time))),
    day: or((time) => day.format(new Date(time))),
    clock: or((time) => clock.format(new Date(time))),
    seconds: or((seconds) => secondsText(seconds, language)),
    unit: or((value, unit) => unitText(value, unit, language)),
    bytes: or((bytes) => bytesText(bytes, number)),
    ago: or((time, now = Date.now()) => agoText((new Date(time) - now) / 1000, relative)),
  };
}

/** `1:05` or `1:02:03`, with tenths where asked; minutes have no leading zero. */
export function clockText(seconds, digits = 0) {
  const unit = 10 ** digits;
  const whole = Math.round(Math.abs(seconds) * unit);
  const rest = ((whole % (60 * unit)) / unit).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  const minutes = Math.floor(whole / (60 * unit));
  const text = minutes < 60 ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
  return seconds < 0 && whole > 0 ? `-${text}` : text;
}

/** Reads `90`, `1:30` or `1:02:03.5` as seconds; null for anything else. */
export function parseClock(text) {
  const trimmed = text.trim().replace(",", ".");
  if (!/^-?\d+(:\d{1,2}){0,2}(\.\d+)?$/.test(trimmed)) return null;
  const seconds = trimmed.replace("-", "").split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  return trimmed.startsWith("-") ? -seconds : seconds;
}

/** A name without what file systems refuse, at most 60 characters. */
export function fileName(words, extension) {
  const safe = words.normalize("NFC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  return `${safe || "audio"}.${extension}`;
}

function intl(language, timeZone) {
  const numbers = new Map();
  return {
    dayTime: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", timeZone }),
    moment: new Intl.DateTimeFormat(language, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false, timeZone }),
    day: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone }),
    clock: new Intl.DateTimeFormat(language, { timeStyle: "medium", timeZone, hour12: false }),
    percent: new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }),
    relative: new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" }),
    number(digits) {
      if (!numbers.has(digits)) numbers.set(digits, new Intl.NumberFormat(language, { maximumFractionDigits: digits }));
      return numbers.get(digits);
    },
  };
}

function secondsText(seconds, language) {
  const [unit, size] = STEPS.find(([, length]) => seconds >= length) ?? STEPS.at(-1);
  const digits = unit === "second" && seconds < 10 ? 1 : 0;
  const write = (value, of, most = 0) => unitText(value, of, language, most);
  if (unit === "second") return write(seconds, unit, digits);
  const [smaller, smallerSize] = STEPS[STEPS.findIndex(([name]) => name === unit) + 1];
  const rest = Math.floor((seconds % size) / smallerSize);
  return rest ? `${write(Math.floor(seconds / size), unit)} ${write(rest, smaller)}` : write(Math.floor(seconds / size), unit);
}

function unitText(value, unit, language, digits = 1) {
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "narrow", maximumFractionDigits: digits }).format(value);
}

function bytesText(bytes, number) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${number(step ? 1 : 0).format(bytes / 1000 ** step)} ${units[step]}`;
}

function agoText(seconds, relative) {
  const [unit, size] = STEPS.find(([, length]) => Math.abs(seconds) >= length) ?? STEPS.at(-1);
  return relative.format(Math.round(seconds / size), unit);
}
