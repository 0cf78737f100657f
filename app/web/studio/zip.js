// Writes and reads zip files: entries are stored; deflated ones are read, too.

const MOST_ENTRIES = 512;
const MOST_BYTES = 2 * 2 ** 30;
const END_BYTES = 22;
const SIGNS = { local: 0x04034b50, central: 0x02014b50, end: 0x06054b50 };

/** A file that is no zip of ours; `reason` is a word of the texts. */
export class ZipError extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** Returns a Blob of entries [{name, blob}]; names are ASCII or UTF-8. */
export async function writeZip(entries) {
  const parts = [];
  const directory = [];
  let at = 0;
  for (const { name, blob } of entries) {
    const bytes = new TextEncoder().encode(name);
    const fields = { crc: await crcOf(blob), size: blob.size, nameBytes: bytes.length };
    parts.push(localHeader(fields), bytes, blob);
    directory.push(centralHeader(fields, at), bytes);
    at += 30 + bytes.length + blob.size;
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0);
  return new Blob([...parts, ...directory, endRecord(entries.length, size, at)], { type: "application/zip" });
}

function record(length, fields) {
  const view = new DataView(new ArrayBuffer(length));
  for (const [at, bytes, value] of fields) {
    if (bytes === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }
  return new Uint8Array(view.buffer);
}

const UTF8 = 0x800;
const localHeader = ({ crc, size, nameBytes }) =>
  record(30, [[0, 4, SIGNS.local], [4, 2, 20], [6, 2, UTF8], [12, 2, 0x21], [14, 4, crc], [18, 4, size], [22, 4, size],
    [26, 2, nameBytes]]);

const centralHeader = ({ crc, size, nameBytes }, at) =>
  record(46, [[0, 4, SIGNS.central], [4, 2, 20], [6, 2, 20], [8, 2, UTF8], [14, 2, 0x21], [16, 4, crc], [20, 4, size],
    [24, 4, size], [28, 2, nameBytes], [42, 4, at]]);

const endRecord = (count, size, at) =>
  record(END_BYTES, [[0, 4, SIGNS.end], [8, 2, count], [10, 2, count], [12, 4, size], [16, 4, at]]);

/** Returns a Map from entry name to Blob; throws ZipError for anything odd. */
export async function readZip(file) {
  if (file.size > MOST_BYTES) throw new ZipError("too_large");
  const { count, size, at } = await findEnd(file);
  if (count > MOST_ENTRIES) throw new ZipError("too_many");
  const view = new DataView(await file.slice(at, at + size).arrayBuffer());
  const entries = new Map();
  let place = 0;
  let total = 0;
  for (let number = 0; number < count; number++) {
    const entry = centralEntry(view, place);
    place = entry.next;
    total += entry.size;
    if (total > MOST_BYTES) throw new ZipError("too_large");
    checkName(entry.name, entries);
    entries.set(entry.name, await content(file, entry));
  }
  return entries;
}

async function findEnd(file) {
  const from = Math.max(0, file.size - END_BYTES - 0xffff);
  const view = new DataView(await file.slice(from).arrayBuffer());
  for (let at = view.byteLength - END_BYTES; at >= 0; at--) {
    if (view.getUint32(at, true) !== SIGNS.end) continue;
    const [size, begin] = [12, 16].map((field) => view.getUint32(at + field, true));
    const found = { count: view.getUint16(at + 10, true), size, at: begin };
    if (found.at + found.size <= from + at) return found;
  }
  throw new ZipError("not_a_zip");
}

function centralEntry(view, at) {
  if (at + 46 > view.byteLength || view.getUint32(at, true) !== SIGNS.central) throw new ZipError("broken");
  const [nameBytes, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
  const next = at + 46 + nameBytes + extra + comment;
  if (next > view.byteLength) throw new ZipError("broken");
  const [crc, packed, size] = [16, 20, 24].map((field) => view.getUint32(at + field, true));
  return {
    name: new TextDecoder().decode(new Uint8Array(view.buffer, at + 46, nameBytes)),
    method: view.getUint16(at + 10, true), crc, packed, size, local: view.getUint32(at + 42, true), next,
  };
}

function checkName(name, entries) {
  const plain = name === "session.json" || /^audio\/[\w][\w.-]{0,120}$/.test(name);
  if (!plain || name.includes("..") || entries.has(name)) throw new ZipError("odd_name");
}

async function content(file, { method, crc, packed, size, local }) {
  const header = new DataView(await file.slice(local, local + 30).arrayBuffer());
  if (header.byteLength < 30 || header.getUint32(0, true) !== SIGNS.local) throw new ZipError("broken");
  const begin = local + 30 + header.getUint16(26, true) + header.getUint16(28, true);
  const raw = file.slice(begin, begin + packed);
  const blob = method === 0 ? raw : await inflated(raw, method, size);
  if (blob.size !== size || (await crcOf(blob)) !== crc) throw new ZipError("broken");
  return blob;
}

/** Unpacks at most `size` bytes, so that a small file cannot fill the memory. */
async function inflated(raw, method, size) {
  if (method !== 8) throw new ZipError("packed");
  const parts = [];
  let total = 0;
  try {
    for await (const part of raw.stream().pipeThrough(new DecompressionStream("deflate-raw"))) {
      total += part.length;
      if (total > size) break;
      parts.push(part);
    }
  } catch {
    throw new ZipError("broken");
  }
  return new Blob(total > size ? [] : parts);
}

async function crcOf(blob) {
  const table = crcTable();
  let crc = -1;
  for await (const part of blob.stream()) {
    for (const byte of part) crc = table[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

function crcTable() {
  return Int32Array.from({ length: 256 }, (_, number) => {
    let value = number;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    return value;
  });
}
