// The feed page. What always holds: text of the API becomes text nodes and nothing else; a token goes into headers of requests to
// this server, is kept by the tab alone, and stands in no address but the fragment it may come in, which is taken away at once; the
// list shows what the server sent last, and the page alone decides nothing of its order.
//
// In this order: words and numbers; asking the API; the document and its patches; names; the feed as it is drawn; what a reader does;
// the panels; why; keys; who reads. A session is one reader's: all that it runs ends with its signal.

const ITEMS = 30;
const API = new URL("api/v1/", document.baseURI);
const HOUR = 3_600_000;
// A live stream says something every 15 s.
const SILENCE_MS = 45_000;
const WINDOW_WORDS = { "1h": "an hour", "24h": "a day", "7d": "a week" };
const RULES = {
  spaced: ["moved by spacing", "Better ones were passed over for it, so that an author does not stand too close to themselves."],
  distance_dropped: ["too close, for want of others", "No post was left that keeps the distance to its author's last one."],
  reserved: ["has a reserved place", "Its source has a share of the positions, and this is one of them."],
  top5_dropped: ["an author twice in five", "No post was left by an author who is new to the top five."],
};

// Words and numbers

const $ = (id) => document.getElementById(id);
const number = (n) => n.toLocaleString("en-GB");
const count = (n, what) => `${number(n)} ${what}${n === 1 ? "" : "s"}`;
const listed = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);
const clock = (ms) => new Date(ms).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });

function span(ms) {
  if (ms < 60_000) return "less than a minute";
  if (ms < HOUR) return `${Math.floor(ms / 60_000)} min`;
  return ms < 24 * HOUR ? `${Math.floor(ms / HOUR)} h` : `${Math.floor(ms / 24 / HOUR)} d`;
}
const ago = (ms) => (ms < 60_000 ? "just now" : `${span(ms)} ago`);

/** An element with children, which are nodes or text. */
function h(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child != null));
  return element;
}

// Asking the API

class Fault extends Error {
  constructor(words, status = 0, after = null) {
    super(words);
    Object.assign(this, { status, after });
  }
}

const troubles = new Map();

/** Tells what is wrong with a part of the page, or that nothing is; the same words are not told again. */
function trouble(part, words) {
  if (words) troubles.set(part, words);
  else troubles.delete(part);
  const told = [...new Set(troubles.values())].slice(0, 2).join(". ");
  const status = told && `${told}. ${list.firstElementChild ? "What you see may be old; it" : "It"} is tried again.`;
  if ($("status").textContent !== status) $("status").textContent = status;
  $("status").hidden = !status;
}

async function ask(path, { signal, headers, ...more } = {}) {
  // No header holds anything else, and no token has it.
  const of = session;
  if (!/^[!-~]+$/.test(of.token)) throw new Fault("The token is not accepted", 401);
  const authorization = `Bearer ${of.token}`;
  let answer;
  try {
    const asked = { ...more, signal: signal ?? of.signal, cache: "no-store", headers: { authorization, ...headers } };
    answer = await fetch(new URL(path, API), asked);
  } catch (cause) {
    if (of.signal.aborted) throw cause;
    throw new Fault("The server cannot be reached");
  }
  if (answer.ok) return answer;
  const said = await answer.json().then((body) => body.error?.message, () => null);
  const words = { 401: "The token is not accepted", 429: "Too many requests" }[answer.status];
  const after = Number.parseInt(answer.headers.get("retry-after"), 10) || null;
  throw new Fault(words ?? `The server says ${answer.status}: ${said ?? "nothing more"}`, answer.status, after);
}

const tell = (path, body) =>
  ask(path, { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } });

/** For how many seconds to wait after so many failures; the server's own word counts for more. */
function pauseAfter(fails, fault) {
  return Math.max(fault.after ?? 0, Math.round(Math.min(30, 2 ** (fails - 1)) * (0.75 + Math.random() / 2)) || 1);
}

const waited = (seconds, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, seconds * 1000);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });

/** Does something again and again for as long as a session lasts; what it returns has it done at once, or once more if it is under way. */
function repeated(of, part, seconds, work) {
  let [wake, isAsked] = [() => {}, false];
  (async () => {
    for (let fails = 0; !of.signal.aborted; ) {
      let pause = seconds();
      isAsked = false;
      try {
        if ((await work()) === "enough") return;
        fails = 0;
        if (!of.signal.aborted) trouble(part, null);
      } catch (fault) {
        if (of.signal.aborted) return;
        if (fault.status === 401) return refused();
        pause = pauseAfter((fails += 1), fault);
        trouble(part, fault.message);
      }
      if (!isAsked) await Promise.race([waited(pause, of.signal), new Promise((done) => (wake = done))]);
    }
  })();
  return () => ((isAsked = true), wake());
}

/** The events of a stream of server-sent events, as they come. */
async function* events(body, alive) {
  const chunks = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = { name: "message", data: [], id: null };
  try {
    for (;;) {
      const { done, value } = await chunks.read();
      if (done) return;
      alive();
      const lines = (rest + value).split(/\r?\n/);
      rest = lines.pop();
      for (const line of lines) {
        const [, field, text] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === "event") event.name = text;
        else if (field === "data") event.data.push(text);
        else if (field === "id") event.id = text;
        else if (line === "") {
          if (event.data.length || event.id !== null) yield { ...event, data: event.data.join("\n") };
          event = { name: "message", data: [], id: null };
        }
      }
    }
  } finally {
    // Whoever stops listening hangs up.
    chunks.cancel().catch(() => {});
  }
}

// The document and its patches

/** A document after operations of a JSON patch (RFC 6902), as far as the stream has them. */
function patched(document, operations) {
  const next = structuredClone(document);
  const place = (path) => {
    const keys = path.slice(1).split("/").map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
    const key = keys.pop();
    const holder = keys.reduce((at, of) => at?.[of], next);
    if (holder === null || typeof holder !== "object") throw new Fault(`A patch names ${path}, which is not there`);
    return [holder, key];
  };
  const take = (path) => {
    const [holder, key] = place(path);
    if (!(key in holder)) throw new Fault(`A patch names ${path}, which is not there`);
    if (Array.isArray(holder)) return holder.splice(Number(key), 1)[0];
    const value = holder[key];
    delete holder[key];
    return value;
  };
  const put = (path, value) => {
    const [holder, key] = place(path);
    if (Array.isArray(holder)) holder.splice(key === "-" ? holder.length : Number(key), 0, value);
    else holder[key] = value;
  };
  for (const { op, path, from, value } of operations) {
    if (op === "add") put(path, value);
    else if (op === "remove") take(path);
    else if (op === "move") put(path, take(from));
    else if (op === "replace") take(path), put(path, value);
    else throw new Fault(`A patch wants to ${op}`);
  }
  return next;
}

/** What is followed, what was read last, and the context of items by post. */
const fresh = () => ({ followed: null, isLive: false, read: null, contexts: new Map(), terms: new Map(), skew: 0 });
const NAMES = ["freshness", "engagement", "affinity"];
let known = fresh();
const now = () => Date.now() + known.skew;

/** An answer of the feed route as a document like that of the stream. */
function documentOf(read) {
  const terms = read.items[0]?.explain?.terms;
  const weights = terms && Object.fromEntries(NAMES.map((name) => [name, terms[name].weight]));
  // Of another set the terms are as they were read.
  if (weights) weights.arms = read.weight_set !== 1;
  const items = read.items.map(({ explain, ...item }) => ({
    ...item,
    affinity: explain?.terms?.affinity.interactions ?? null,
    rule: explain?.rule ?? "none",
  }));
  return { items, weights, version: read.version, as_of: read.as_of, weight_set: read.weight_set };
}

/** The document to show: the followed one, unless it is not followed, or PostgreSQL answers, which is not ranked. */
function shown() {
  const { followed, read, isLive } = known;
  if (!read || (followed && read.algo !== "timeline" && (isLive || followed.document.as_of >= read.as_of))) return followed?.document;
  return documentOf(read);
}

async function read() {
  const answer = await ask(`feed?explain=1&limit=${ITEMS}`).then((answer) => answer.json());
  const skew = answer.as_of + 500 - Date.now();
  known.skew = Math.abs(skew) > 5_000 ? skew : 0;
  known.read = answer;
  known.contexts = new Map(answer.items.map((item) => [item.post_id, item.ctx]));
  known.terms = new Map(answer.items.map((item) => [item.post_id, item.explain?.terms]));
  draw();
}

function link(is, words) {
  $("link").dataset.is = is;
  $("link-words").textContent = words;
  known.isLive = is === "live";
}

/** Follows the feed for as long as the session lasts, and goes on where it was left. */
async function follow(of) {
  for (let fails = 0; !of.signal.aborted; ) {
    const stalled = new AbortController();
    let timer;
    const alive = () => (clearTimeout(timer), (timer = setTimeout(() => stalled.abort(), SILENCE_MS)));
    try {
      link("off", "connecting");
      const headers = known.followed ? { "last-event-id": known.followed.id } : {};
      const signal = AbortSignal.any([of.signal, stalled.signal]);
      const answer = await ask(`feed/stream?limit=${ITEMS}`, { headers, signal });
      link("live", known.followed ? "live" : "connected");
      trouble("stream", null);
      for await (const event of events(answer.body, alive)) {
        take(event);
        fails = 0;
      }
      throw new Fault("The stream has ended");
    } catch (fault) {
      if (of.signal.aborted) return;
      if (fault.status === 401) return refused();
      const words = fault instanceof Fault ? fault.message : "The stream was cut";
      const pause = pauseAfter((fails += 1), fault);
      link("lost", `connecting again in ${pause} s`);
      if (fails > 1) trouble("stream", words);
      wakeRead();
      await waited(pause, of.signal);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Takes an event of the stream. */
function take({ name, data, id }) {
  const before = known.followed?.document;
  let document = before;
  if (name === "snapshot") document = JSON.parse(data);
  else if (name === "patch") {
    // What does not fit is asked for as a whole.
    known.followed = null;
    document = patched(before, JSON.parse(data));
  }
  known.followed = document ? { document, id } : null;
  // What an item's score is made of by another set only a read tells.
  if (document?.weights?.arms) wakeRead();
  link("live", "live");
  if (document !== before) {
    draw();
    soon("read", 4_000, wakeRead);
  }
}

const timers = new Map();

/** Does something once after a while, however often it is asked to meanwhile. */
function soon(what, ms, work) {
  if (timers.has(what)) return;
  timers.set(what, setTimeout(() => (timers.delete(what), work()), ms));
}

// Names: an application has them, the API does not; a demonstration tells them

const names = new Map();
const unnamed = new Set();
let cast = [];

function called(kind, id) {
  const name = names.get(id);
  if (kind === "face") return (name ?? id).split(/[^\p{L}\p{N}]+/u).map((word) => word[0]).join("").slice(0, 2);
  if (kind === "user") return name ? `@${name}` : `user ${id.slice(0, 8)}`;
  return name ?? `Post ${id}`;
}

/** Writes how somebody or something is called, now and once it is known. */
function named(element, kind, id) {
  Object.assign(element.dataset, { of: id, kind });
  element.textContent = called(kind, id);
  if (kind === "face") element.style.setProperty("--hue", [...id].reduce((hash, of) => (hash * 31 + of.charCodeAt(0)) % 360, 7));
  if (cast.length && !names.has(id)) {
    unnamed.add(id);
    soon("names", 20, learn);
  }
  return element;
}

async function learn() {
  const ids = [...unnamed].slice(0, 80);
  const answer = await fetch(new URL(`page/names.json?of=${ids.join()}`, document.baseURI)).then((answer) => answer.json(), () => null);
  if (!answer) return;
  Object.entries(answer.names).forEach(([id, name]) => names.set(id, name));
  ids.forEach((id) => unnamed.delete(id));
  for (const element of document.querySelectorAll("[data-of]")) element.textContent = called(element.dataset.kind, element.dataset.of);
  if (unnamed.size) soon("names", 20, learn);
}

// The feed as it is drawn

const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
let isHeld = false;
let urgentUntil = 0;
let overSince = null;
let heard = { came: 0, went: 0 };
const list = $("items");
const drawn = () => [...list.querySelectorAll(":scope > .item:not(.gone)")];

/** The terms of an item's score, as the server works them out; none if PostgreSQL answered. */
function termsOf(item, weights) {
  if (!weights || item.affinity === null) return null;
  const { decay_per_hour: decay = 0.1, points = [1, 2, 3] } = weights;
  const { likes, comments, shares, exposures } = item.counts;
  const earned = points[0] * likes + points[1] * comments + points[2] * shares;
  let values = {
    freshness: Math.exp((-decay * Math.max(0, now() - item.created_at)) / HOUR),
    engagement: Math.log1p(earned / Math.max(1, exposures)),
    affinity: Math.log1p(item.affinity),
  };
  let factor = 1;
  if (weights.arms) {
    const read = known.terms.get(item.post_id);
    if (!read) return null;
    values = Object.fromEntries(NAMES.map((name) => [name, read[name].value]));
    factor = read.factor;
  }
  return NAMES.map((name) => {
    const [value, weight] = [values[name], weights[name] * factor];
    return { name, value, weight, part: weight * value };
  });
}

/** Has a list hold an element for each item, by its key, in this order; elements that stay are the same ones. */
function arrange(to, items, key, make) {
  const had = new Map([...to.children].filter((of) => !of.classList.contains("gone")).map((of) => [of.dataset.key, of]));
  const elements = items.map((item) => {
    const element = had.get(item[key]) ?? make(item);
    had.delete(element.dataset.key);
    element.dataset.key = item[key];
    return element;
  });
  had.forEach((element) => leave(element, () => element.remove()));
  elements.forEach((element, place) => {
    const at = to.children[place] ?? null;
    if (at === element) return;
    if (element.isConnected && to.moveBefore) to.moveBefore(element, at);
    else to.insertBefore(element, at);
  });
  return { elements, went: [...had.values()] };
}

/** Nobody likes to press what moves away under the pointer: for a moment the list waits. */
function isAboutToPress() {
  if (Date.now() < urgentUntil || !list.querySelector(".acts:hover")) return false;
  overSince ??= Date.now();
  return Date.now() - overSince < 2_500;
}

function draw() {
  if (isHeld) {
    $("held").hidden = false;
    $("held").textContent = "The feed has moved on. Show it";
    return;
  }
  const of = shown();
  if (!of) return;
  if (isAboutToPress()) return soon("draw", 300, draw);
  overSince = null;
  const before = drawn();
  const tops = new Map(before.map((item) => [item, item.getBoundingClientRect().top]));
  const offsets = new Map(before.map((item) => [item, item.offsetTop]));
  const focus = document.activeElement;
  const { elements, went } = arrange(list, of.items, "post_id", made);
  elements.forEach((element, place) => fill(element, of.items[place], place));
  mark(before, elements);
  if (before.length && !isCalm.matches) {
    elements.forEach((element) => slide(element, tops.get(element)));
    went.forEach((element) => fade(element, offsets.get(element)));
  }
  const place = before.indexOf(focus?.closest?.(".item"));
  const next = elements[Math.min(place, elements.length - 1)]?.firstElementChild ?? list;
  // Whoever goes by keys stays where they are, or goes on with what came there.
  if (place >= 0) (went.includes(before[place]) ? next : focus).focus({ preventScroll: true });
  measure();
  facts(of);
  if (before.length) hear(elements.filter((element) => !tops.has(element)).length, went.length);
}

function made(item) {
  const element = $("item").content.cloneNode(true).firstElementChild;
  named(element.querySelector(".author"), "user", item.author_id);
  named(element.querySelector(".face"), "face", item.author_id);
  named(element.querySelector(".content"), "post", item.post_id);
  return element;
}

function fill(element, item, place) {
  element.item = item;
  const { likes, comments, shares, exposures } = item.counts;
  const counts = [
    likes && count(likes, "like"),
    comments && count(comments, "comment"),
    shares && count(shares, "share"),
    exposures && count(exposures, "view"),
    item.affinity && `you and them: ${count(item.affinity, "interaction")}`,
  ];
  element.querySelector(".number").textContent = place + 1;
  element.querySelector(".sources").textContent = item.sources.join(", ");
  element.querySelector(".counts").textContent = counts.filter(Boolean).join(" · ") || "nobody has done anything with it yet";
  const rule = element.querySelector(".rule");
  const words = RULES[item.rule];
  rule.hidden = !words;
  [rule.textContent, rule.title] = words ?? ["", ""];
}

/** Puts ages, scores and bars right, which the clock changes by itself. */
function measure() {
  const of = shown();
  const all = drawn().map((element) => [element, termsOf(element.item, of?.weights)]);
  const scale = Math.max(0.3, ...all.flatMap(([, terms]) => terms ?? []).map(({ part }) => part));
  for (const [element, terms] of all) {
    const [age, place] = [element.querySelector(".age"), element.querySelector(".number").textContent];
    age.textContent = ago(now() - element.item.created_at);
    element.firstElementChild.ariaLabel = `Number ${place}, by ${called("user", element.item.author_id)}`;
    age.dateTime = new Date(element.item.created_at).toISOString();
    element.querySelector(".terms").hidden = element.querySelector(".score").hidden = !terms;
    for (const { name, value, weight, part } of terms ?? []) {
      const term = element.querySelector(`.${name}`);
      term.querySelector(".bar > span").style.width = `${(100 * part) / scale}%`;
      term.querySelector(".made").textContent = `${weight.toFixed(2)} × ${value.toFixed(3)}`;
      term.querySelector(".part").textContent = part.toFixed(3);
    }
    if (terms) element.querySelector(".sum").textContent = terms.reduce((sum, { part }) => sum + part, 0).toFixed(3);
  }
}

/** Marks for a while what is new, and what climbed past others that were there before. */
function mark(before, elements) {
  if (!before.length) return;
  const stayed = elements.filter((element) => before.includes(element));
  const order = before.filter((element) => elements.includes(element));
  for (const element of elements) {
    const climbed = order.indexOf(element) - stayed.indexOf(element);
    const isNew = !before.includes(element);
    if (!isNew && climbed < 2 && climbed > -3) continue;
    const words = isNew ? "new" : climbed > 0 ? `▲ ${climbed}` : `▼ ${-climbed}`;
    element.querySelector(".moved").textContent = words;
    element.toggleAttribute("data-new", isNew);
    clearTimeout(element.marked);
    element.marked = setTimeout(() => {
      element.querySelector(".moved").textContent = "";
      element.removeAttribute("data-new");
    }, isNew ? 6_000 : 9_000);
  }
}

function slide(element, from) {
  const to = element.getBoundingClientRect().top;
  const isSeen = (top) => top > -400 && top < innerHeight + 400;
  if (from === undefined) element.animate({ opacity: [0, 1] }, { duration: 450 });
  else if (Math.abs(from - to) > 1 && (isSeen(from) || isSeen(to)))
    element.animate({ transform: [`translateY(${from - to}px)`, "none"] }, { duration: 500, easing: "cubic-bezier(.22, .8, .24, 1)" });
}

function fade(element, top) {
  element.classList.add("gone");
  element.inert = true;
  element.style.top = `${top}px`;
  list.append(element);
  const going = { opacity: [1, 0], transform: ["none", "translateX(24px)"] };
  element.animate(going, { duration: 260, fill: "forwards" }).finished.finally(() => element.remove());
}

/** What stands above the feed: who answered, and what is to be known of the answer. */
function facts(of) {
  const said = known.read;
  const words = [
    said && `answered by ${said.source}`,
    of.version !== null && `version ${number(of.version)}`,
    said && (said.algo === "timeline" ? "newest first" : `weight set ${of.weight_set}`),
    `as of ${new Date(of.as_of).toLocaleTimeString("en-GB")}`,
  ];
  const warnings = [
    said?.stale && ["stale", "It may lack what was done lately"],
    said?.fallback && ["fallback", "What was asked for could not be served"],
    (of.cold_start ?? said?.cold_start) && ["cold start", "You follow nobody and did nothing lately: this is what trends"],
    said?.seen === "partial" && ["seen in part", "Not all that you have seen is left out"],
  ];
  const fact = (text) => h("li", {}, text);
  const warning = ([text, title]) => h("li", { className: "warns", title }, text);
  $("facts").replaceChildren(...words.filter(Boolean).map(fact), ...warnings.filter(Boolean).map(warning));
  $("end").hidden = of.items.length < ITEMS;
  $("end").textContent = `These are the first ${ITEMS}.`;
  $("nothing").hidden = of.items.length > 0;
  $("nothing").textContent = "This feed is empty: whoever is followed has posted nothing that is new, and nothing trends.";
}

/** Tells whoever listens what came and went, now and then. */
function hear(came, went) {
  heard = { came: heard.came + came, went: heard.went + went };
  soon("hear", 15_000, () => {
    const words = [heard.came && count(heard.came, "new post"), heard.went && `${number(heard.went)} gone`].filter(Boolean);
    $("live").textContent = words.length ? `${listed(words)}.` : "";
    heard = { came: 0, went: 0 };
  });
}

function hold(is) {
  isHeld = is;
  $("hold").setAttribute("aria-pressed", is);
  $("hold").textContent = is ? "Held" : "Hold";
  $("held").hidden = true;
  if (!is) draw();
}

// What a reader does

const SAID = {
  like: (author) => `Liked. It counts as seen, so it leaves${isHeld ? " once the feed goes on" : ""}; what ${author} wrote climbs.`,
  hide: () => "Hidden for 90 days.",
  less_like_this: (author) => `Less of ${author} for two weeks.`,
};

function toast(words, undo) {
  $("toast-words").textContent = words;
  $("toast").hidden = false;
  $("undo").onclick = undo ?? null;
  leave($("undo"), () => ($("undo").hidden = !undo));
  clearTimeout(timers.get("toast"));
  timers.set("toast", setTimeout(() => leave($("undo"), () => ($("toast").hidden = true)), undo ? 9_000 : 5_000));
}

/** Does what may take an element away; if that had the focus, its neighbour gets it, or else the first post. */
function leave(element, work) {
  const had = element.contains(document.activeElement);
  const beside = element.nextElementSibling ?? element.previousElementSibling;
  work();
  if (!had || element.checkVisibility()) return;
  const next = [beside?.querySelector("button"), drawn()[0]?.firstElementChild, list];
  next.find((of) => of?.checkVisibility())?.focus({ preventScroll: true });
}

const event = (action, { post_id, author_id }, ctx) =>
  tell("events", { events: [{ post_id, author_id, action, event_time: Math.round(now()), app_ver: "feed page", ctx }] });

async function act(element, action) {
  const { item } = element;
  const { signal } = session;
  if (action === "why") return why(item.post_id);
  if (element.dataset.said) return;
  const of = shown();
  // An item that came by the stream has been in no answer yet: it is named by its place and its version.
  const { version, weight_set } = of;
  const ctx = known.contexts.get(item.post_id) ?? { position: drawn().indexOf(element) + 1, version, weight_set };
  const say = (said) => {
    if (said) element.dataset.said = said;
    else delete element.dataset.said;
    // Disabled ones would lose the focus.
    element.querySelectorAll(".acts button:not([data-act=why])").forEach((button) => (button.ariaDisabled = Boolean(said)));
    element.querySelector(".like span").textContent = said === "like" ? "Liked" : "Like";
  };
  say(action);
  urgentUntil = Date.now() + 5_000;
  try {
    await event(action, item, ctx);
    if (signal.aborted) return;
    const undo = async () => {
      await event("undo", item).then(() => toast("Taken back."), (fault) => toast(fault.message));
      say(null);
    };
    toast(SAID[action](called("user", item.author_id)), action === "like" ? null : undo);
    clearTimeout(element.over);
    const over = () => (isHeld ? (element.over = setTimeout(over, 1_000)) : say(null));
    element.over = setTimeout(over, 20_000);
  } catch (fault) {
    // It was another reader's.
    if (signal.aborted) return;
    say(null);
    toast(`${fault.message}. It was not sent; try again.`);
  }
}

// The panels

/** Says that a panel has been asked for. */
const asking = (nothing) => Object.assign($(nothing), { hidden: false, textContent: "Asking…" });

let range = "24h";

async function trends() {
  const asked = range;
  const { items } = await ask(`feed/trending?window=${asked}&limit=12`).then((answer) => answer.json());
  if (asked !== range) return;
  const { elements } = arrange($("trend-list"), items, "post_id", (item) => {
    const element = $("trend").content.cloneNode(true).firstElementChild;
    named(element.querySelector(".author"), "user", item.author_id);
    named(element.querySelector(".content"), "post", item.post_id);
    element.querySelector("[data-why]").onclick = () => why(item.post_id);
    return element;
  });
  const inFeed = new Set(shown()?.items.map((item) => item.post_id));
  elements.forEach((element, place) => {
    const { post_id, score, counts, created_at } = items[place];
    element.querySelector(".number").textContent = place + 1;
    const words = [`${number(score)} points`, count(counts.likes, "like"), ago(now() - created_at)];
    element.querySelector(".counts").textContent = words.join(" · ");
    const button = element.querySelector("[data-why]");
    button.textContent = inFeed.has(post_id) ? "Why?" : "Why not?";
    button.title = inFeed.has(post_id) ? "It is in this feed: why?" : `Why is it not among the first ${ITEMS} of this feed?`;
  });
  $("trend-nothing").hidden = items.length > 0;
  $("trend-nothing").textContent = `Nothing trends within ${WINDOW_WORDS[range]}.`;
}

/** A reason in words, with so many names at most. */
function reason({ source, through = [], more, interactions }, namesMax) {
  const people = through.map(({ user_id, username }) => `@${username ?? user_id.slice(0, 8)}`);
  const others = more + people.splice(namesMax).length;
  const all = listed(others ? [...people, `${number(others)} more`] : people);
  if (source === "friends_of_friends") return `followed by ${all}`;
  if (source === "same_people") return `follows ${all}, as you do`;
  return `you did ${count(interactions, "thing")} with their posts`;
}

async function suggestions() {
  const answer = await ask("discover/suggested-users?limit=6").catch((fault) => {
    if (fault.status !== 404) throw fault;
    $("people").hidden = document.querySelector("button[data-view=people]").hidden = true;
  });
  if (!answer) return "enough";
  const { items, source } = await answer.json();
  items.forEach(({ user_id, username }) => username && names.set(user_id, username));
  const { elements } = arrange($("suggestions"), items, "user_id", ({ user_id }) => {
    const element = $("person").content.cloneNode(true).firstElementChild;
    named(element.querySelector(".author"), "user", user_id);
    named(element.querySelector(".face"), "face", user_id);
    element.querySelector("[data-dismiss]").onclick = async () => {
      const { signal } = session;
      await tell("discover/dismiss", { user_id }).then(
        () => {
          leave(element, () => element.remove());
          toast(`${called("user", user_id)} is not suggested again.`);
          wakeSuggestions();
        },
        (fault) => signal.aborted || toast(`${fault.message}. It was not sent; try again.`),
      );
    };
    return element;
  });
  elements.forEach((element, place) => {
    const { reasons, bio, follower_count } = items[place];
    element.querySelector(".content").textContent = reasons.map((of) => reason(of, reasons.length > 1 ? 1 : 2)).join("; ");
    element.querySelector(".content").title = reasons.map((of) => reason(of, 3)).join("; ");
    element.querySelector(".counts").textContent = [count(follower_count, "follower"), bio].filter(Boolean).join(" · ");
  });
  $("suggestions-nothing").hidden = items.length > 0;
  $("suggestions-nothing").textContent = source ? "Nobody is suggested now." : "Whom to suggest is not known at the moment.";
}

// Why, and why not

let asked = 0;

async function why(post) {
  const mine = (asked += 1);
  const body = $("why-body");
  body.replaceChildren(h("p", { className: "nothing" }, "Asking…"));
  $("why-title").textContent = "Why?";
  const place = drawn().indexOf(document.activeElement?.closest(".item"));
  // The post may leave meanwhile: then what came there has the focus.
  $("why").onclose = () => {
    const all = drawn();
    const isNowhere = document.activeElement === document.body || $("why").contains(document.activeElement);
    if (place >= 0 && isNowhere) all[Math.min(place, all.length - 1)]?.firstElementChild.focus();
  };
  if (!$("why").open) $("why").showModal();
  try {
    const of = await ask(`feed/explain/${post}`).then((answer) => answer.json());
    // Another one was asked about since.
    if (mine !== asked) return;
    $("why-title").textContent = of.in_feed ? "Why it is here" : "Why it is not here";
    const quote = h("p", { className: "quote" }, named(h("span", {}), "post", of.post_id));
    const author = of.author_id && h("p", { className: "author" }, user(of.author_id), ` · ${ago(now() - of.created_at)}`);
    const said = `Said by ${of.source}, as of ${clock(of.as_of)}; version ${number(of.version)}, weight set ${of.weight_set}.`;
    const end = h("p", { className: "hint" }, said);
    body.replaceChildren(...[author, quote, ...(of.in_feed ? placed(of.placed) : dropped(of.dropped)), end].filter(Boolean));
  } catch (fault) {
    if (mine !== asked) return;
    body.replaceChildren(h("p", { className: "verdict" }, `${fault.message}.`));
  }
}

const user = (id) => named(h("span", {}), "user", id);
const row = (...cells) => h("tr", {}, h("th", { scope: "row" }, cells[0]), ...cells.slice(1).map((cell) => h("td", {}, cell)));

function placed({ position, rank, rule, score, terms, sources }) {
  const { freshness, engagement, affinity, factor } = terms;
  const { likes, comments, shares, exposures } = engagement;
  const moved = RULES[rule] ? ` ${RULES[rule][1]}` : "";
  const beyond = position > ITEMS ? `, of which this page shows ${ITEMS}` : "";
  const of = (name, { weight, value }, ...from) =>
    row(name, from.join(", "), `${weight.toFixed(2)} × ${value.toFixed(3)}`, (weight * value).toFixed(4));
  const head = ["Term", "From", "Weight × value", "Part"].map((words) => h("th", { scope: "col" }, words));
  const source = (reason) => {
    const { source, author_id, place, interactions } = reason;
    if (source === "follow") return h("li", {}, "You follow ", user(author_id), ".");
    if (source === "explore") return h("li", {}, "It is new, few have seen it, and ", user(author_id), " came up by chance.");
    if (source === "trending") return h("li", {}, place === null ? "It trends." : `It trends: number ${place} within 24 h.`);
    return h("li", {}, `You did ${count(interactions, "thing")} with posts of `, user(author_id), " within 90 days.");
  };
  return [
    h("p", { className: "verdict" }, `Number ${position} of the feed${beyond}; number ${rank} by score alone.${moved}`),
    h("ul", {}, ...sources.map(source)),
    h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {},
      of("Freshness", freshness, `${span(freshness.age_ms)} old`),
      of("Engagement", engagement, count(likes, "like"), count(comments, "comment"), `${count(shares, "share")} on ${count(exposures, "view")}`),
      of("Affinity", affinity, count(affinity.interactions, "interaction")),
      ...(factor === 1 ? [] : [row("All of it", "passed by, or served unseen", `× ${factor.toFixed(3)}`, "")]),
      row("Score", "", "", score.toFixed(4)))),
  ];
}

/** The numbers of a stage that keeps a post out, by their names. */
const NUMBERS = {
  at: ["When", clock],
  until: ["Until", clock],
  returns_at: ["May be back", clock],
  age_ms: ["Its age", span],
  rank: ["Its place by score", number],
  score: ["Its score", (n) => n.toFixed(4)],
  its_score: ["The other one's score", (n) => n.toFixed(4)],
  floor: ["The last that has a place", (n) => n.toFixed(4)],
  gap: ["What it lacks", (n) => n.toFixed(4)],
  of_author: ["Places of its author", number],
};

function dropped({ words, ...stage }) {
  const known = Object.entries(NUMBERS).filter(([name]) => typeof stage[name] === "number");
  const rows = known.map(([name, [label, write]]) => row(label, write(stage[name])));
  const parts = words.split(/: |; /);
  const verdict = h("p", { className: "verdict" }, `${parts.length > 2 ? parts[0] : words}.`);
  const list = parts.length > 2 && h("ul", {}, ...parts.slice(1).map((part) => h("li", {}, `${part}.`)));
  return [verdict, list, rows.length > 0 && h("table", {}, h("tbody", {}, ...rows))].filter(Boolean);
}

// Keys and buttons

const THEMES = { auto: "light", light: "dark", dark: "auto" };

function theme(to) {
  if (to === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = to;
  $("theme").textContent = `Theme: ${to}`;
  $("theme").dataset.is = to;
  stored(localStorage, "feedmill.theme", to);
}

/** What a storage holds; it may be forbidden. */
function stored(storage, key, value) {
  try {
    if (value === undefined) return storage.getItem(key);
    if (value === null) storage.removeItem(key);
    else storage.setItem(key, value);
  } catch {
    // The page works without, until it is loaded again.
  }
  return null;
}

function step(by) {
  const all = drawn();
  const at = all.indexOf(document.activeElement?.closest(".item"));
  const next = at < 0 ? all[0] : all[Math.min(Math.max(at + by, 0), all.length - 1)];
  next?.firstElementChild.focus();
}

function pressed(key) {
  const item = document.activeElement?.closest(".item:not(.gone)");
  const acts = { l: "like", w: "why", h: "hide", d: "less_like_this" };
  if (key === "j" || (key === "ArrowDown" && item)) step(1);
  else if (key === "k" || (key === "ArrowUp" && item)) step(-1);
  else if (acts[key] && item) act(item, acts[key]);
  else if (key === "u" && $("undo").checkVisibility()) $("undo").click();
  else if (key === "p") hold(!isHeld);
  else if (key === "t") theme(THEMES[$("theme").dataset.is]);
  else if (key === "?") $("help").showModal();
  else return false;
  return true;
}

function view(name) {
  $("main").dataset.view = name;
  for (const of of document.querySelectorAll("button[data-view]")) of.setAttribute("aria-pressed", of.dataset.view === name);
}

function within(tab) {
  range = tab.dataset.window;
  $("trend-list").replaceChildren();
  asking("trend-nothing");
  for (const of of document.querySelectorAll("[data-window]")) {
    of.setAttribute("aria-selected", of === tab);
    of.tabIndex = of === tab ? 0 : -1;
  }
  $("trends").setAttribute("aria-labelledby", tab.id);
  wakeTrends();
}

function listen() {
  addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select");
    if (isTyping || document.querySelector("dialog[open]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!session.signal.aborted && pressed(event.key)) event.preventDefault();
  });
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-act]");
    if (button) act(button.closest(".item"), button.dataset.act);
  });
  document.querySelector("[role=tablist]").addEventListener("keydown", (event) => {
    const tabs = [...document.querySelectorAll("[data-window]")];
    const at = tabs.indexOf(event.target);
    const to = { ArrowRight: at + 1, ArrowLeft: at + tabs.length - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const tab = tabs[to % tabs.length];
    tab.focus();
    within(tab);
  });
  document.querySelectorAll("[data-window]").forEach((tab) => (tab.onclick = () => within(tab)));
  document.querySelectorAll("button[data-view]").forEach((button) => (button.onclick = () => view(button.dataset.view)));
  document.querySelectorAll("[data-close]").forEach((button) => (button.onclick = () => button.closest("dialog").close()));
  document.querySelectorAll("dialog").forEach((dialog) => (dialog.onclick = (event) => event.target === dialog && dialog.close()));
  $("hold").onclick = () => hold(!isHeld);
  $("held").onclick = () => hold(false);
  $("theme").onclick = () => theme(THEMES[$("theme").dataset.is]);
  for (const button of document.querySelectorAll(".more")) {
    button.onclick = () => {
      const isMore = button.previousElementSibling.classList.toggle("few");
      button.textContent = isMore ? "Show more" : "Show fewer";
    };
  }
  $("keys").onclick = () => $("help").showModal();
  $("leave").onclick = () => (brought.clear(), stored(sessionStorage, "feedmill.token", null), door(""));
  $("whynot-form").onsubmit = (event) => (event.preventDefault(), why(encodeURIComponent($("post").value.trim())));
  $("door-form").onsubmit = (event) => (event.preventDefault(), start($("token").value.trim()));
  $("reader").onchange = () => start(tokenOf($("reader").value));
  document.querySelector(".skip").onclick = (event) => {
    event.preventDefault();
    list.scrollIntoView();
    list.focus({ preventScroll: true });
  };
  addEventListener("hashchange", begin);
  setInterval(() => isHeld || document.hidden || measure(), 1_000);
}

// Who reads

let session = { token: "", signal: AbortSignal.abort(), stop() {} };
let [wakeRead, wakeTrends, wakeSuggestions] = [() => {}, () => {}, () => {}];

/** The tokens that were brought along, by the user they name. */
const brought = new Map();
const tokenOf = (user) => cast.find((reader) => reader.user_id === user)?.token ?? brought.get(user);

const offer = (user) => $("reader").prepend(h("option", { value: user }, called("user", user)));

/** The user that a token names, as far as can be read of it. */
function subject(token) {
  try {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return String(JSON.parse(atob(claims)).sub);
  } catch {
    return "somebody";
  }
}

function stop() {
  session.stop();
  [...timers.values()].forEach(clearTimeout);
  timers.clear();
  troubles.clear();
  trouble("", null);
  known = fresh();
  [list, $("trend-list"), $("suggestions"), $("facts")].forEach((of) => of.replaceChildren());
  $("toast").hidden = $("end").hidden = true;
  $("live").textContent = "";
  heard = { came: 0, went: 0 };
  asked += 1;
  $("why").close();
  link("off", "not connected");
}

function show(parts) {
  for (const id of ["door", "feed", "aside", "views", "hold", "leave"]) $(id).hidden = !parts.includes(id);
}

function door(words) {
  stop();
  document.title = "Feedmill";
  $("door-fault").textContent = words;
  $("token").value = "";
  show(["door"]);
  $("token").focus();
}

/** Shows the feed of whom a token names. */
function start(token) {
  stop();
  const control = new AbortController();
  session = { token, signal: control.signal, stop: () => control.abort() };
  stored(sessionStorage, "feedmill.token", token);
  const user = subject(token);
  if (![...$("reader").options].some((option) => option.value === user)) offer(user);
  brought.set(user, token);
  $("reader").value = user;
  document.title = `${called("user", user)} · Feedmill`;
  $("feed-title").replaceChildren("The feed of ", named(h("span", {}), "user", user));
  show(["feed", "aside", "views", "hold", ...(cast.length ? [] : ["leave"])]);
  $("nothing").hidden = false;
  $("nothing").textContent = "Asking for the feed…";
  ["trend-nothing", "suggestions-nothing"].forEach(asking);
  hold(false);
  wakeRead = repeated(session, "read", () => (known.isLive ? 20 : 5), read);
  wakeTrends = repeated(session, "trends", () => 15, trends);
  wakeSuggestions = repeated(session, "suggestions", () => 30, suggestions);
  follow(session);
}

/** A token that is not accepted: a demonstration that was started again has others, a person may have another one. */
async function refused() {
  if (session.signal.aborted) return;
  const { token } = session;
  const user = subject(token);
  stop();
  stored(sessionStorage, "feedmill.token", null);
  brought.delete(user);
  const before = session;
  await gather();
  if (session !== before) return;
  const reader = cast.find((reader) => reader.user_id === user) ?? cast[0];
  if (reader && reader.token !== token) {
    start(reader.token);
    if (reader.user_id !== user) toast(`The token is not accepted. This is the feed of ${called("user", reader.user_id)}.`);
  } else door("The token is not accepted: it may be over, or be signed by another key.");
}

/** Asks whose feeds may be looked at; where no application is played here, nobody's. */
async function gather() {
  const readers = new URL("page/readers.json", document.baseURI);
  const answer = await fetch(readers, { cache: "no-store" }).then((answer) => answer.json(), () => null);
  cast = answer?.readers ?? cast;
  cast.forEach(({ user_id, username }) => names.set(user_id, username));
  const option = ({ user_id, username, favourite }) => h("option", { value: user_id }, `@${username} · ${favourite}`);
  $("reader").replaceChildren(...cast.map(option));
  [...brought.keys()].filter((user) => !cast.some((reader) => reader.user_id === user)).forEach(offer);
  $("chooser").hidden = cast.length === 0;
}

/** Begins with the token that the address brings, that the tab has, or that of the first reader. */
async function begin() {
  const along = new URLSearchParams(location.hash.slice(1)).get("token");
  if (along) history.replaceState(null, "", location.pathname);
  else if (!session.signal.aborted) return;
  const before = session;
  await gather();
  if (session !== before) return;
  const token = along ?? stored(sessionStorage, "feedmill.token") ?? cast[0]?.token;
  if (token) start(token);
  else door("");
}

theme(stored(localStorage, "feedmill.theme") in THEMES ? stored(localStorage, "feedmill.theme") : "auto");
listen();
begin();
