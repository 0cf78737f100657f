// What a page of another origin does with the service: submit, poll, play, seek. Called by the test.
const player = document.getElementById("player");
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const happened = (event) => new Promise((resolve, reject) => {
  player.addEventListener(event, resolve, { once: true });
  player.addEventListener("error", () => reject(new Error(`audio: ${player.error.message}`)), { once: true });
});

function headersOf(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function post(base, key, path, body) {
  const headers = { "Content-Type": "application/json", ...headersOf(key) };
  const response = await fetch(base + path, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  return { status: response.status, requestId: response.headers.get("X-Request-Id"), answer };
}

async function finished(base, key, id) {
  for (let round = 0; round < 200; round += 1) {
    const { answer } = await post(base, key, "/query_result", { task_id_list: [id] });
    if (answer.data[0].status !== 0) return JSON.parse(answer.data[0].result)[0];
    await pause(100);
  }
  throw new Error("the task did not end");
}

/** Submits and waits; returns the address of the clip. */
async function makeClip(base, key) {
  const wish = { prompt: "steps=2", audio_duration: 12, batch_size: 1 };
  const { status, requestId, answer } = await post(base, key, "/release_task", wish);
  const item = await finished(base, key, answer.data.task_id);
  return { status, requestId, url: base + item.file };
}

/** Plays from second 8, either a fetched copy or the address itself. */
async function playFromTheMiddle(url, key, way) {
  const ready = happened("canplaythrough");
  player.src = way === "linked" ? url : URL.createObjectURL(await (await fetch(url, { headers: headersOf(key) })).blob());
  await ready;
  const arrived = happened("seeked");
  player.currentTime = 8;
  await arrived;
  await player.play();
  while (player.currentTime < 8.2) await pause(50);
  player.pause();
  return { duration: player.duration, position: player.currentTime };
}

/** Fetches the first hundred bytes, and reads what the browser lets a foreign page see. */
async function fetchPart(url, key) {
  const response = await fetch(url, { headers: { Range: "bytes=0-99", ...headersOf(key) } });
  const size = (await response.arrayBuffer()).byteLength;
  return { status: response.status, size, range: response.headers.get("Content-Range"), etag: response.headers.get("ETag") };
}
