// The console. What always holds: what the server tells becomes text nodes and nothing else; the secret goes into headers of requests
// to this server and is kept by the tab alone; a number that cannot be had is a dash, never a guess.
//
// In this order: words and numbers; asking; the text of metrics; what is known; the graph; the tables; the state browser; the rounds.

const EVERY_MS = 2_000;
const RATHER_SELDOM = 5;
const LATE_MS = 10_000;
const SECRET = "feedmill-console-secret";
const ROWS = 100;

// Words and numbers

const $ = (id) => document.getElementById(id);
const number = (n) => (n == null ? "–" : n.toLocaleString("en-GB", { maximumFractionDigits: n < 10 ? 1 : 0 }));
const rate = (n) => (n == null ? "–" : `${number(n)}/s`);
const count = (n, what) => `${number(n)} ${what}${n === 1 ? "" : "s"}`;
const clock = (ms) => new Date(ms).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

function size(bytes) {
  if (bytes == null) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const at = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  return `${number(bytes / 1024 ** at)} ${units[at]}`;
}

function span(ms) {
  if (ms == null) return "–";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${number(ms / 1_000)} s`;
  return ms < 7_200_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3_600_000)} h`;
}

/** An element with children, which are nodes or text. */
function h(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child != null));
  return element;
}

/** The same of a drawing. */
function s(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
}

const pill = (words, is = "") => h("span", { className: `pill ${is}` }, words);

/** Fills a table: heads are words, or [words, class]; rows are lists of what stands in them, each with a class of its own if it has one. */
function table(id, heads, rows, none) {
  const cell = (tag, of) => {
    const [what, kind] = Array.isArray(of) ? of : [of, ""];
    return h(tag, { className: kind }, what ?? "–");
  };
  const head = h("thead", {}, h("tr", {}, ...heads.map((of) => Object.assign(cell("th", of), { scope: "col" }))));
  const body = rows.map((row) => h("tr", { className: row.is ?? "" }, ...row.cells.map((of) => cell("td", of))));
  const empty = h("tr", {}, h("td", { colSpan: heads.length, className: "hint" }, none));
  $(id).replaceChildren(head, h("tbody", {}, ...(body.length ? body : [empty])));
}

// Asking

class Refused extends Error {
  constructor(words, status) {
    super(words);
    this.status = status;
  }
}

async function ask(path) {
  const secret = sessionStorage.getItem(SECRET);
  const headers = secret ? { authorization: `Bearer ${secret}` } : {};
  const answer = await fetch(new URL(path, document.baseURI), { headers, signal: AbortSignal.timeout(8_000) });
  const text = await answer.text();
  // Whoever is not ready says so by 503, and tells why in the same form.
  if (answer.ok || (answer.status === 503 && path.endsWith("ready"))) return text;
  let words = `${path}: ${answer.status}`;
  try {
    words = JSON.parse(text).error.message;
  } catch {
    // It is no refusal of ours; the status says all that is known.
  }
  throw new Refused(words, answer.status);
}

const asked = async (path) => JSON.parse(await ask(path));

const troubles = new Map();
function trouble(part, words) {
  if (words) troubles.set(part, words);
  else troubles.delete(part);
  const told = [...new Set(troubles.values())].slice(0, 2).join("; ");
  $("status").hidden = !told;
  if ($("status").textContent !== told) $("status").textContent = told;
}

/** What a part of the page shows, or what is in its way. */
async function part(name, work) {
  try {
    await work();
    trouble(name, null);
    return true;
  } catch (fault) {
    // No secret opens what a certificate is asked for.
    const opens = fault.status === 401 && !fault.message.includes("certificate");
    if (opens) $("door").hidden = false;
    trouble(name, `${name}: ${opens ? "the secret is asked for" : fault.message}`);
    return false;
  }
}

// The text of metrics: name{label="value"} number

function parsed(text) {
  const series = [];
  for (const line of text.split("\n")) {
    const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = Object.fromEntries([...(found[2] ?? "").matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
    series.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return series;
}

const of = (series, name) => series.filter((one) => one.name === name);
const total = (series, name) => {
  const found = of(series, name);
  return found.length ? found.reduce((sum, one) => sum + one.value, 0) : null;
};

// What is known. Counters are numbers since a process began: what is told is how they rose between two rounds.

const known = { told: false, graph: [], stores: [], instances: [], metrics: new Map(), before: new Map(), at: new Map(), flags: null, restore: new Map() };

/** How much a sum of series has risen a second; nothing after the first look, or when a process began anew. */
function risen(instance, now, sum) {
  const [before, at] = [known.before.get(instance), known.at.get(instance)];
  if (!before || !at) return null;
  const [from, to] = [sum(before), sum(now)];
  return from == null || to == null || to < from ? null : ((to - from) * 1_000) / (at.now - at.before);
}

function note(instance, series) {
  const at = known.at.get(instance);
  if (known.metrics.has(instance)) known.before.set(instance, known.metrics.get(instance));
  known.metrics.set(instance, series);
  known.at.set(instance, { before: at?.now ?? performance.now(), now: performance.now() });
}

/** A share of the newest values of a histogram, as its buckets tell. */
function quantile(instance, name, share) {
  const [now, before] = [known.metrics.get(instance), known.before.get(instance)];
  if (!now || !before) return null;
  const bound = (one) => (one.labels.le === "+Inf" ? Infinity : Number(one.labels.le));
  const old = new Map(of(before, `${name}_bucket`).map((one) => [one.labels.le, one.value]));
  const rose = of(now, `${name}_bucket`).map((one) => [bound(one), one.value - (old.get(one.labels.le) ?? 0)]);
  const all = rose.at(-1)?.[1] ?? 0;
  const found = all > 0 ? rose.find(([, count]) => count >= all * share) : null;
  return found ? found[0] * 1_000 : null;
}

/** Where every partition of a topic was committed, as tasks tell; and how far that is behind. */
function positions() {
  const places = new Map();
  for (const shown of new Map(known.stores.flatMap((store) => store.shown.map((one) => [`${store.sub_topology} ${one.partition} ${one.instance}`, one]))).values()) {
    if (shown.role !== "active") continue;
    for (const place of shown.position.split(",").filter(Boolean)) {
      const [at, offset] = place.split("@");
      const topic = at.slice(0, at.lastIndexOf("-"));
      places.set(topic, (places.get(topic) ?? 0) + Number(offset));
    }
  }
  return places;
}

// The graph

const BOX = { width: 190, high: 26, gapX: 74, gapY: 12 };

/** In which column each topic and sub-topology stands: after everything that goes into it, but for broadcasts, which go back too. */
function columns(graph) {
  const column = new Map();
  const at = (node) => column.get(node) ?? 0;
  for (let round = 0; round < graph.length + 2; round += 1) {
    for (const sub of graph) {
      const into = sub.reads.map((topic) => at(`t ${topic}`) + 1);
      column.set(`s ${sub.name}`, Math.max(1, ...into));
      for (const topic of sub.writes) {
        const back = sub.reads.includes(topic) || at(`t ${topic}`) > 2 * graph.length;
        if (!back) column.set(`t ${topic}`, Math.max(at(`t ${topic}`), at(`s ${sub.name}`) + 1));
      }
    }
  }
  for (const sub of graph) {
    for (const topic of [...sub.reads, ...sub.broadcasts]) column.set(`t ${topic}`, at(`t ${topic}`));
  }
  return column;
}

function places(graph) {
  const byColumn = new Map();
  for (const [node, column] of columns(graph)) byColumn.set(column, [...(byColumn.get(column) ?? []), node]);
  const high = (node) => (node.startsWith("s ") ? BOX.high * 2 + 14 : BOX.high + 12);
  const found = new Map();
  let [bottom, right] = [0, 0];
  const ordered = [...byColumn].sort(([a], [b]) => a - b);
  ordered.forEach(([, nodes], index) => {
    let y = 10;
    for (const node of nodes.sort()) {
      found.set(node, { x: 10 + index * (BOX.width + BOX.gapX), y, high: high(node) });
      y += high(node) + BOX.gapY;
    }
    bottom = Math.max(bottom, y);
    right = 10 + index * (BOX.width + BOX.gapX) + BOX.width;
  });
  // Columns are centred on the highest.
  for (const [, nodes] of ordered) {
    const last = found.get(nodes.at(-1));
    const shift = (bottom - last.y - last.high) / 2 - 5;
    nodes.forEach((node) => (found.get(node).y += Math.max(0, shift)));
  }
  return { found, width: right + 10, height: bottom + 10 };
}

let positionsBefore = null;

function draw() {
  const now = { at: performance.now(), of: positions() };
  const rose = (topic) => {
    const [from, to] = [positionsBefore?.of.get(topic), now.of.get(topic)];
    return from == null || to == null || to < from ? null : ((to - from) * 1_000) / (now.at - positionsBefore.at);
  };
  const lag = new Map();
  const sizes = new Map();
  for (const series of known.metrics.values()) {
    of(series, "millstream_lag_records").forEach((one) => lag.set(one.labels.topic, (lag.get(one.labels.topic) ?? 0) + one.value));
    of(series, "millstream_store_bytes").forEach((one) => sizes.set(one.labels.store, (sizes.get(one.labels.store) ?? 0) + one.value));
  }
  // Of what nobody runs it is not known how far behind it is.
  const run = (store) => new Set(store.shown.filter((one) => one.role === "active").map((one) => one.partition)).size;
  const least = known.stores.some((store) => run(store) < store.partitions) ? "at least " : "";
  const { found, width, height } = places(known.graph);
  const lines = known.graph.flatMap((sub) => {
    const line = (from, to, kind) => {
      const [a, b] = [found.get(from), found.get(to)];
      const [x1, y1, x2, y2] = [a.x + BOX.width, a.y + a.high / 2, b.x, b.y + b.high / 2];
      const bend = Math.max(30, Math.abs(x2 - x1) / 2);
      return s("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, class: kind });
    };
    const kind = (topic) => (rose(topic) > 0 ? "moving" : "");
    return [
      ...sub.broadcasts.map((topic) => line(`t ${topic}`, `s ${sub.name}`, "broadcast")),
      ...sub.reads.map((topic) => line(`t ${topic}`, `s ${sub.name}`, kind(topic))),
      ...sub.writes.map((topic) => line(`s ${sub.name}`, `t ${topic}`, kind(topic))),
    ];
  });
  const boxes = [...found].map(([node, at]) => {
    const [isSub, name] = [node.startsWith("s "), node.slice(2)];
    const text = (words, y, kind) => s("text", { x: at.x + 10, y: at.y + y, class: kind }, words);
    const rect = s("rect", { x: at.x, y: at.y, width: BOX.width, height: at.high, rx: 8 });
    if (isSub) {
      const sub = known.graph.find((one) => one.name === name);
      const bytes = sub.stores.reduce((sum, store) => sum + (sizes.get(store) ?? 0), 0);
      const stores = `${count(sub.stores.length, "store")}, ${size(bytes)}`;
      const title = s("title", {}, sub.stores.map((store) => `${store}: ${size(sizes.get(store))}`).join("\n"));
      return s("g", { class: "sub", "data-sub": name }, title, rect, text(name, 24, "name"), text(stores, 44, "soft"));
    }
    const [behind, moves] = [lag.get(name), rose(name)];
    const told = [moves == null ? null : `${rate(moves)}`, behind == null ? null : `${least}${number(behind)} behind`].filter(Boolean).join(", ");
    const group = s("g", { class: behind > 10_000 ? "topic late" : "topic", "data-topic": name }, rect, text(name, told ? 16 : 23, ""));
    if (told) group.append(text(told, 31, "soft"));
    return group;
  });
  $("graph").replaceChildren(s("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Topics and sub-topologies" }, ...lines, ...boxes));
  positionsBefore = now;
}

// The tables

function tasks() {
  const rows = [];
  const shown = new Map();
  for (const store of known.stores) {
    for (let partition = 0; partition < store.partitions; partition += 1) {
      const task = `${store.sub_topology} ${String(partition).padStart(4, "0")}`;
      if (!shown.has(task)) shown.set(task, new Map());
      store.shown.filter((one) => one.partition === partition).forEach((one) => shown.get(task).set(one.instance, one));
    }
  }
  const byInstance = new Map();
  for (const [task, by] of shown) {
    const [sub, partition] = [task.split(" ")[0], Number(task.split(" ")[1])];
    const holders = by.size ? [...by.values()] : [null];
    for (const one of holders) {
      const key = `${one?.instance ?? "nobody yet"}\n${sub}\n${one?.role ?? "opening"}`;
      const group = byInstance.get(key) ?? { partitions: [], lag: null, ms: null };
      group.partitions.push(partition);
      if (one?.lag.records != null) group.lag = (group.lag ?? 0) + one.lag.records;
      if (one?.lag.ms != null) group.ms = Math.max(group.ms ?? 0, one.lag.ms);
      byInstance.set(key, group);
    }
  }
  for (const [key, group] of [...byInstance].sort()) {
    const [instance, sub, role] = key.split("\n");
    const left = known.metrics.has(instance) ? total(known.metrics.get(instance), "millstream_restore_remaining_records") : null;
    known.restore.set(instance, Math.max(known.restore.get(instance) ?? 0, left ?? 0));
    rows.push({
      is: role === "opening" || group.ms > LATE_MS ? "bad" : "",
      cells: [
        [h("span", { title: instance }, known.instances.find((one) => one.name === instance)?.url ?? instance), "key"],
        sub,
        [group.partitions.join(", "), "key"],
        pill(role.replace("_", " "), role === "active" ? "good" : role === "opening" ? "bad" : ""),
        [number(group.lag), "number"],
        [span(group.ms), "number"],
        restoring(left, known.restore.get(instance)),
      ],
    });
  }
  const heads = ["Instance", "Sub-topology", "Partitions", "Role", ["Records behind", "number"], ["Behind", "number"], "Left to restore"];
  table("tasks", heads, rows, known.told ? "No worker has announced itself." : "Not known yet.");
  $("tasks-words").textContent = count(known.instances.length, "worker") + " announced";
}

function restoring(left, most) {
  if (left == null) return "–";
  if (!left) return "restored";
  const bar = h("span", { className: "bar" }, h("i", {}));
  bar.firstChild.style.width = `${Math.round(100 * (1 - left / Math.max(most, 1)))}%`;
  return h("span", {}, `${number(left)} records`, bar);
}

function transactions(instance) {
  const now = known.metrics.get(instance) ?? [];
  const told = (name) => risen(instance, now, (series) => total(series, name));
  const aborts = of(now, "millstream_aborts_total").filter((one) => one.value > 0);
  const words = aborts.map((one) => `${number(one.value)} ${one.labels.reason.replaceAll("_", " ")}`);
  const stopped = total(now, "millstream_stopped_tasks_total");
  const entries = [
    ["Records", rate(told("millstream_records_total"))],
    ["Commits", rate(told("millstream_commits_total"))],
    ["Commit, median", span(quantile(instance, "millstream_commit_seconds", 0.5))],
    ["Commit, 99th percentile", span(quantile(instance, "millstream_commit_seconds", 0.99))],
    ["Open before it, median", span(quantile(instance, "millstream_transaction_open_seconds", 0.5))],
    ["Aborts", words.length ? words.join(", ") : now.length ? "none" : "–", words.length > 0],
    ["Producers rebuilt", number(total(now, "millstream_producer_rebuilds_total"))],
    ["Tasks stopped", number(stopped), stopped > 0],
  ];
  $("transactions").replaceChildren(
    ...entries.map(([name, value, bad]) => h("div", {}, h("dt", {}, name), h("dd", { className: bad ? "bad" : "" }, value))),
  );
}

function health(ready, series) {
  const open = new Map(of(series, "feedmill_breaker_open").map((one) => [one.labels.tier, one.value]));
  const rows = Object.entries(ready.components).map(([name, seen]) => ({
    is: seen.up === false ? "bad" : "",
    cells: [
      name,
      pill(seen.up ? "up" : "down", seen.up ? "good" : "bad"),
      seen.breaker ?? (open.has(name) ? (open.get(name) ? "open" : "closed") : "–"),
      seen.fault ?? (seen.lag_ms == null ? "" : `${span(seen.lag_ms)} behind`),
    ],
  }));
  table("health", ["Component", "Is", "Breaker", "What it said"], rows, "Nothing was looked at yet.");
}

function letters() {
  const counts = new Map();
  for (const series of known.metrics.values()) {
    for (const { labels, value } of of(series, "millstream_dead_letters_total").filter((one) => one.value > 0)) {
      const key = `${labels.topic}\n${labels.node}\n${labels.reason}`;
      counts.set(key, (counts.get(key) ?? 0) + value);
    }
  }
  const rows = [...counts].sort(([, a], [, b]) => b - a).map(([key, n]) => ({ cells: [...key.split("\n"), [number(n), "number"]] }));
  table("letters", ["Topic", "Given up by", "Reason", ["Letters", "number"]], rows, "None.");
}

async function readLetters() {
  const told = await asked("console/dead-letters.json");
  const rows = told.newest.map((letter) => ({
    cells: [
      [letter.place, "key"],
      [`${letter.topic}-${letter.partition}@${letter.offset}`, "key"],
      letter.node,
      letter.reason ?? "unknown",
      letter.error,
      clock(letter.at),
    ],
  }));
  table("letters", ["Place", "Record", "Given up by", "Reason", "Error", "Written"], rows, "None that is not done with.");
  const groups = told.groups.map((group) => `${number(group.letters)} of ${group.topic} by ${group.node} (${group.reason})`);
  $("letters-words").textContent = `${number(told.letters)} are not done with${groups.length ? `: ${groups.join("; ")}` : ""}. The newest ${rows.length} are shown.`;
}

function flags(told) {
  const value = (of) => (of === true ? pill("on", "good") : of === false ? pill("off", "bad") : `${of} %`);
  const rows = Object.entries(told.flags).map(([name, flag]) => ({
    cells: [[name, "key"], value(flag.value), flag.at == null ? "never set" : `${clock(flag.at)} by ${flag.who}: ${flag.why}`],
  }));
  table("flags", ["Flag", "Is", "Since"], rows, "None.");
}

// The state browser

function chooseStores() {
  const held = $("store").value;
  const names = known.stores.filter((store) => store.readable).map((store) => store.name);
  if ([...$("store").options].map((option) => option.value).join() === names.join()) return;
  $("store").replaceChildren(...names.map((name) => h("option", { value: name }, name)));
  if (names.includes(held)) $("store").value = held;
}

async function find() {
  const [store, key] = [$("store").value, $("key").value.trim()];
  if (!store) return;
  const at = `state/v1/stores/${encodeURIComponent(store)}`;
  let found;
  try {
    // A whole key is asked for by itself: that names its partition.
    found = key ? await asked(`${at}/${encodeURIComponent(key)}`) : null;
  } catch (fault) {
    if (![400, 404].includes(fault.status)) throw fault;
  }
  found ??= await asked(`${at}?limit=${ROWS}${key ? `&prefix=${encodeURIComponent(key)}` : ""}`);
  const rows = found.parts.flatMap((part) => part.rows.map((row) => ({ part, row })));
  table(
    "rows",
    ["Key", "Value", "Time", "Partition", "Shown by"],
    rows.map(({ part, row }) => ({
      cells: [[row.key, "key"], [JSON.stringify(row.value, null, 1), "value"], clock(row.at), [part.partition, "number"], `${part.instance}, ${part.role.replace("_", " ")}`],
    })),
    "No row.",
  );
  $("state-words").textContent = `${count(rows.length, "row")}${found.next ? ", and more behind them" : ""}.`;
}

// The rounds

/** The numbers of a process: its own by its name, or another's, who is asked for them. */
async function look(instance) {
  const path = instance.own ? "" : `console/instances/${encodeURIComponent(instance.name)}/`;
  note(instance.name, parsed(await ask(`${path}metrics`)));
}

async function round(turn) {
  const looked = await part("stores", async () => {
    try {
      const listed = await asked("state/v1/stores");
      [known.stores, known.instances, known.told] = [listed.stores, listed.instances, true];
    } catch (fault) {
      // Where nobody has any to show, those of before are not shown either.
      if (fault.status === 421 || fault.status === 503) [known.stores, known.instances, known.told] = [[], [], true];
      if (fault.status !== 421) throw fault;
    }
  });
  const others = known.instances.map(({ name }) => ({ name, own: false }));
  await part("metrics", () => look({ name: "this process", own: true }));
  await Promise.all(others.map((instance) => part(`instance ${instance.name}`, () => look(instance))));
  for (const name of known.metrics.keys()) {
    if (name !== "this process" && !others.some((one) => one.name === name)) known.metrics.delete(name);
  }
  // Whoever is announced is counted under its name, and not once more as this process.
  const names = others.length ? others.map((one) => one.name) : ["this process"];
  chooseInstances(["this process", ...others.map((one) => one.name)]);
  const chosen = $("instance").value;
  await part("readiness", async () => {
    const path = chosen === "this process" ? "ready" : `console/instances/${encodeURIComponent(chosen)}/ready`;
    health(await asked(path), known.metrics.get(chosen) ?? []);
  });
  const own = known.metrics.get("this process");
  if (names[0] !== "this process") known.metrics.delete("this process");
  if (known.graph.length) draw();
  tasks();
  if (!lettersRead) letters();
  if (own) known.metrics.set("this process", own);
  transactions(chosen);
  chooseStores();
  if (turn % RATHER_SELDOM === 0 || troubles.has("flags")) await part("flags", async () => flags(await asked("console/flags.json")));
  return looked;
}

function chooseInstances(names) {
  const held = $("instance").value;
  if ([...$("instance").options].map((option) => option.value).join() === names.join()) return;
  $("instance").replaceChildren(...names.map((name) => h("option", { value: name }, name)));
  if (names.includes(held)) $("instance").value = held;
}

let lettersRead = false;

async function rounds() {
  for (let turn = 0; ; turn += 1) {
    if (!known.graph.length) {
      await part("topology", async () => {
        const told = await asked("console/topology.json");
        known.graph = told.sub_topologies;
        const stores = known.graph.reduce((sum, sub) => sum + sub.stores.length, 0);
        $("topology-words").textContent = `${told.application}: ${number(known.graph.length)} sub-topologies, ${count(stores, "store")}; dashed: broadcasts`;
      });
    }
    const looked = await round(turn);
    $("link").dataset.is = looked ? "live" : "lost";
    $("link-words").textContent = looked ? `as of ${new Date().toLocaleTimeString("en-GB")}` : $("door").hidden ? "it does not answer" : "it asks for the secret";
    await new Promise((next) => setTimeout(next, document.hidden ? 5 * EVERY_MS : EVERY_MS));
  }
}

const themes = ["auto", "light", "dark"];
function theme(is) {
  document.documentElement.dataset.theme = is;
  $("theme").textContent = `Theme: ${is}`;
  localStorage.setItem("feedmill-theme", is);
}

$("theme").addEventListener("click", () => theme(themes[(themes.indexOf(document.documentElement.dataset.theme) + 1) % themes.length]));
$("door-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(SECRET, $("secret").value.trim());
  $("secret").value = "";
  $("door").hidden = true;
});
$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  part("state", find);
});
$("letters-read").addEventListener("click", () => {
  lettersRead = true;
  part("dead letters", readLetters);
});
theme(themes.includes(localStorage.getItem("feedmill-theme")) ? localStorage.getItem("feedmill-theme") : "auto");
rounds();
