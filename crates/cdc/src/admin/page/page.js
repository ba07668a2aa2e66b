
"use strict";
// What the server said last, and what is made of it. Every second it says what changed; a page that comes back, or that
// fell behind, is told everything.
const $ = id => document.getElementById(id);
const ROWS = 50, HISTORY = 300, SILENCE_MS = 5000;
// Operations that tell of no row: people count rows.
const NO_ROWS = ["schema", "load_begin", "load_end", "heartbeat"];
let report = null, config = "", history = [], errors = [], tables = new Map();
let heardAt = 0, endedAt = 0, lostSince = 0, stream = null;

// Numbers, for people.
const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const count = n => grouped.format(n);
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;
const rate = n => n < .05 ? "0" : n < 9.95 ? n.toFixed(1) : n < 99950 ? count(n) : n < 9.995e6 ? `${(n / 1e3).toFixed(0)} k` : `${(n / 1e6).toFixed(1)} M`;
function size(n) {
  if (n < 1024) return `${Math.round(n)} B`;
  let unit = -1;
  do { n /= 1024; unit++; } while (n >= 1023.95 && unit < 4);
  return `${n < 99.95 ? n.toFixed(1) : Math.round(n)} ${["KiB", "MiB", "GiB", "TiB", "PiB"][unit]}`;
}
function time(s) {
  s = Math.max(0, Math.floor(s));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s < 600 && s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s % 86400 / 3600)} h`;
}
const sentenceOf = text => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

// The document is touched only where it changes.
function say(element, text) { if (element.textContent !== text) element.textContent = text; }
function sayBig(element, value, unit) {
  const key = `${value}|${unit || ""}`;
  if (element.dataset.said === key) return;
  element.dataset.said = key;
  element.textContent = value;
  if (unit) { const small = document.createElement("small"); small.textContent = ` ${unit}`; element.append(small); }
}
function tone(element, base, name) { const all = name ? `${base} ${name}`.trim() : base; if (element.className !== all) element.className = all; }
function fill(bar, share, name) { bar.firstElementChild.style.width = `${Math.min(100, Math.max(0, share * 100)).toFixed(1)}%`; tone(bar, bar.classList.contains("wide") ? "bar wide" : "bar", name); }

function take(news, isWhole) {
  const now = Date.now(), before = heardAt;
  heardAt = now;
  report = news;
  if (isWhole) { config = news.config; history = news.history; errors = []; tables = new Map(); showConfig(); }
  else { history.push({ events_per_second: news.rates.delivered.events_per_second, lag_bytes: news.lag_bytes }); if (history.length > HISTORY) history.shift(); }
  if (news.last_errors.length) errors = news.last_errors.map(error => ({ ...error, at: now - error.seconds_ago * 1000 })).reverse();
  const seconds = isWhole || !before ? 0 : Math.max(.2, (now - before) / 1000);
  const changed = new Set();
  for (const each of news.tables) {
    const old = tables.get(each.table);
    let total = 0;
    for (const op in each.events) if (!NO_ROWS.includes(op)) total += each.events[op];
    // Schemas, for consumers that look them up: no table's, and no news to people.
    if (each.table === "none" && !total) continue;
    const now = old && seconds ? Math.max(0, total - old.total) / seconds : 0;
    tables.set(each.table, { ...each, total, rate: old ? old.rate * .5 + now * .5 : 0 });
    changed.add(each.table);
  }
  if (!isWhole) for (const table of tables.values()) if (table.rate && !changed.has(table.table)) table.rate = table.rate < .05 ? 0 : table.rate * .5;
  show();
}

function show() {
  if (!report) return;
  const r = report, slot = r.source.slot;
  $("main").setAttribute("aria-busy", "false");
  say($("name"), r.pipeline);
  const [label, name] = condition(r);
  say($("state"), label); tone($("state"), "pill", name);
  if (!lostSince && !endedAt) document.title = `${r.pipeline} · ${label}`;
  say($("about"), `up ${time(r.uptime_seconds)}`);
  say($("sentence"), sentence(r));
  say($("version"), `cdc ${r.version}`);

  const { read, delivered } = r.rates;
  flow($("read"), read); flow($("delivered"), delivered);
  sayBig($("in-flight"), plural(r.in_flight.events, "event"), "on the way");
  say($("in-flight-bytes"), r.in_flight.batches ? `${size(r.in_flight.bytes)} in ${plural(r.in_flight.batches, "batch").replace("batchs", "batches")}` : "nothing waits for the sink");
  const isStalled = r.not_ready_because && (r.state.name === "streaming" || /CDC-(SINK|RUN)/.test(r.not_ready_because));
  tone($("sink").parentElement, "node", isStalled ? "is-bad" : "");
  tone($("source").parentElement, "node", isSlotLost(r) || r.source.is_reachable === false ? "is-bad" : "");

  sayBig($("rate"), rate(delivered.events_per_second), "events/s");
  say($("rate-note"), `${size(delivered.bytes_per_second)}/s`);
  chart($("rate-chart"), history.map(each => each.events_per_second));
  if (r.lag_bytes == null) { sayBig($("lag"), "–"); say($("lag-note"), "not known yet"); }
  else {
    sayBig($("lag"), size(r.lag_bytes));
    say($("lag-note"), r.lag_bytes === 0 ? "the sink has everything" : r.lag_seconds < 1 ? "for less than a second" : `for ${time(r.lag_seconds)}`);
    tone($("lag"), "big", r.lag_seconds > 300 ? "is-bad" : r.lag_seconds > 60 ? "is-warn" : "");
  }
  chart($("lag-chart"), history.map(each => each.lag_bytes || 0));
  if (isBinlog(r)) binlog(r.source); else wal(slot, r.source.is_reachable);
  const saved = r.checkpoint;
  sayBig($("checkpoint"), saved && saved.age_seconds != null ? time(saved.age_seconds) : "none", saved ? "ago" : "yet");
  say($("checkpoint-note"), saved ? `at ${place(saved.position)}, after ${r.retries === 0 ? "no retries" : plural(r.retries, "retry").replace("retrys", "retries")}` : "");
  showLoad(r.load);
  showErrors();
  showTables();
}

// Graver than whatever else is the matter: what the sink lacks is gone.
const isSlotLost = r => r.source.slot && r.source.slot.wal_status === "lost";

function condition(r) {
  if (isSlotLost(r) && r.state.name !== "stopped") return ["slot lost", "bad"];
  switch (r.state.name) {
    case "streaming": return r.is_ready ? ["streaming", "good"] : ["the sink stands still", "bad"];
    case "loading": return ["loading", "calm"];
    case "starting": return ["starting", "calm"];
    case "waiting": return ["waiting", "warn"];
    default: return r.state.code ? ["stopped by an error", "bad"] : ["stopped", ""];
  }
}

function sentence(r) {
  if (isSlotLost(r) && r.state.name !== "stopped")
    return "The server removed WAL that the slot needed, so changes are gone from the log: `cdc snapshot --new-epoch` loads all tables again.";
  switch (r.state.name) {
    case "streaming":
      if (!r.is_ready) return sentenceOf(r.not_ready_because) + " What it was given is kept, and sent again if need be.";
      return r.lag_bytes ? `Changes arrive in the sink; ${size(r.lag_bytes)} of the log are on their way.` : "Everything that the database committed is in the sink.";
    case "loading": return `Reading tables as they stand${r.state.table ? `; now ${r.state.table}` : ""}. Changes follow when all are read.`;
    case "starting": return "Opening source and sink.";
    case "waiting": return sentenceOf(r.state.reason);
    default: return r.state.message ? sentenceOf(r.state.message) : "Stopped as it was told to; everything that was delivered is saved.";
  }
}

function flow(element, { events_per_second, bytes_per_second }) {
  say(element.children[0], `${rate(events_per_second)} events/s`);
  say(element.children[1], `${size(bytes_per_second)}/s`);
  element.classList.toggle("on", events_per_second > 0);
}

// Of MySQL and MariaDB there is no slot: the server keeps its log for a time, whoever reads it.
const isBinlog = r => [r.position, r.checkpoint && r.checkpoint.position].some(position => position && position.binlog);
const place = position => position.binlog ? position.binlog.offset : position.postgres;

function binlog(source) {
  const left = source.purge_left_seconds;
  say($("wal-title"), "Log kept by the server");
  $("wal-bar").hidden = true;
  tone($("wal"), "big", left != null && left < 3600 ? "is-bad" : "");
  sayBig($("wal"), left == null ? "–" : time(left));
  say($("wal-note"), source.is_reachable === false ? "the database can't be reached" : left == null ? "nothing that is needed will be purged" : "until it may purge what is still needed");
}

function wal(slot, isReachable) {
  const bar = $("wal-bar");
  tone($("wal"), "big", "");
  if (!slot) {
    sayBig($("wal"), "–"); say($("wal-note"), isReachable === false ? "the database can't be reached" : "no slot yet");
    bar.hidden = true;
    return;
  }
  if (slot.wal_status === "lost") {
    sayBig($("wal"), "lost"); tone($("wal"), "big", "is-bad");
    say($("wal-note"), `the server removed WAL that ${slot.name} needed`);
    bar.hidden = false; fill(bar, 1, "bad");
    return;
  }
  sayBig($("wal"), slot.wal_bytes == null ? "–" : size(slot.wal_bytes));
  bar.hidden = slot.wal_left_bytes == null;
  if (slot.wal_left_bytes == null) { say($("wal-note"), "no limit is set"); return; }
  const limit = (slot.wal_bytes || 0) + slot.wal_left_bytes, share = limit ? (slot.wal_bytes || 0) / limit : 1;
  const name = share > .9 ? "bad" : share > .6 ? "warn" : "";
  say($("wal-note"), `${size(slot.wal_left_bytes)} more until it is lost`);
  tone($("wal"), "big", name && `is-${name}`);
  fill(bar, share, name);
}

function chart(svg, values) {
  const most = Math.max(...values, 1), last = HISTORY - 1, from = HISTORY - values.length;
  let line = "";
  values.forEach((value, at) => { line += `${at ? "L" : "M"}${((from + at) / last * 300).toFixed(1)} ${(39 - value / most * 37).toFixed(1)}`; });
  svg.children[1].setAttribute("d", line);
  svg.children[0].setAttribute("d", line && `${line}L300 40L${(from / last * 300).toFixed(1)} 40Z`);
}

function showLoad(load) {
  const isDue = load && load.tables_done < load.tables;
  $("load").hidden = !isDue;
  if (!isDue) return;
  say($("load-tables"), `${count(load.tables_done)} of ${plural(load.tables, "table")}`);
  const expected = load.rows_expected;
  say($("load-rows"), expected ? `${count(load.rows)} of about ${plural(Math.max(expected, load.rows), "row")}` : plural(load.rows, "row"));
  fill($("load-bar"), expected ? load.rows / Math.max(expected, load.rows) : load.tables_done / load.tables, "");
}

function showErrors() {
  const list = $("errors").lastElementChild;
  $("errors").hidden = !errors.length;
  while (list.children.length > errors.length) list.lastElementChild.remove();
  errors.forEach((error, at) => {
    let item = list.children[at];
    if (!item) {
      item = document.createElement("li");
      for (const [kind, name] of [["code", ""], ["p", "message"], ["time", ""], ["p", "remedy"]]) { const part = document.createElement(kind); part.className = name; item.append(part); }
      list.append(item);
    }
    const [code, message, when, remedy] = item.children;
    say(code, error.code); say(message, error.message);
    say(when, `${time((Date.now() - error.at) / 1000)} ago${error.times > 1 ? `, ${count(error.times)} times` : ""}`);
    say(remedy, error.remedy || ""); remedy.hidden = !error.remedy;
  });
}

// Tables: filtered, sorted, and only one page of them in the document.
let filter = "", sort = { by: null, down: false }, page = 0, order = [], orderedAt = 0;
const loadRank = table => !table.load ? 3 : table.load.is_done ? 2 : isLoading(table) ? 0 : 1;
const isLoading = table => table.load && !table.load.is_done && (table.load.rows > 0 || report.state.table === table.table);
const byName = (a, b) => a.table < b.table ? -1 : a.table > b.table ? 1 : 0;
const keys = {
  name: byName,
  load: (a, b) => loadRank(a) - loadRank(b) || byName(a, b),
  events: (a, b) => a.total - b.total || byName(b, a),
  rate: (a, b) => a.rate - b.rate || a.total - b.total || byName(b, a),
  bytes: (a, b) => a.bytes - b.bytes || byName(b, a),
};

function arrange(force) {
  // Rows that jump every second can't be read.
  if (!force && Date.now() - orderedAt < 3000 && order.length) return;
  orderedAt = Date.now();
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = [...tables.values()].filter(table => words.every(word => table.table.toLowerCase().includes(word)));
  const by = sort.by || (report.load && report.load.tables_done < report.load.tables ? "load" : "name");
  wanted.sort(keys[by]);
  if (sort.down) wanted.reverse();
  order = wanted.map(table => table.table);
}

function showTables(force) {
  arrange(force);
  const pages = Math.max(1, Math.ceil(order.length / ROWS));
  page = Math.min(page, pages - 1);
  const first = page * ROWS, shown = order.slice(first, first + ROWS);
  const named = tables.size - tables.has("none") - tables.has("other");
  say($("table-count"), named ? count(named) : "");
  say($("page"), order.length ? `${count(first + 1)}–${count(first + shown.length)} of ${count(order.length)}` : "none");
  $("previous").disabled = page === 0;
  $("next").disabled = page >= pages - 1;
  $("pages").hidden = pages === 1 && !filter;
  $("no-tables").hidden = order.length > 0;
  say($("no-tables"), tables.size ? "No table has such a name." : "Nothing was loaded or delivered yet.");
  const body = $("tables").querySelector("tbody");
  while (body.children.length > shown.length) body.lastElementChild.remove();
  shown.forEach((name, at) => showRow(body.children[at] || body.appendChild(row()), tables.get(name)));
}

function row() {
  const tr = document.createElement("tr");
  for (let at = 0; at < 5; at++) { const td = document.createElement("td"); if (at > 1) td.className = "number"; tr.append(td); }
  const schema = document.createElement("span"), progress = document.createElement("div"), bar = document.createElement("div"), text = document.createElement("span");
  tr.children[0].append(schema, "");
  bar.className = "bar"; bar.append(document.createElement("i"));
  progress.append(bar, text);
  tr.children[1].append(progress);
  return tr;
}

function showRow(tr, table) {
  const [name, load, events, speed, bytes] = tr.children;
  const dot = table.table.indexOf(".") + 1;
  if (name.title !== table.table) {
    name.title = table.table;
    name.firstChild.textContent = table.table.slice(0, dot);
    name.lastChild.textContent = dot ? table.table.slice(dot) : table.table === "other" ? "(other tables)" : "(no table)";
  }
  const progress = load.firstElementChild, [bar, text] = progress.children;
  if (!table.load) { tone(progress, "progress done", ""); say(text, "–"); }
  else if (table.load.is_done) { tone(progress, "progress done", ""); say(text, "loaded"); }
  else if (!isLoading(table)) { tone(progress, "progress waiting", ""); say(text, "waits"); }
  else {
    tone(progress, "progress", "");
    const { rows, rows_expected } = table.load;
    const share = rows_expected ? Math.min(rows / rows_expected, .99) : 0;
    say(text, rows_expected ? `${Math.floor(share * 100)} %` : `${rate(rows)} rows`);
    fill(bar, share, ""); bar.hidden = !rows_expected;
  }
  say(events, count(table.total));
  events.title = Object.entries(table.events).map(([op, n]) => `${op} ${count(n)}`).join(", ");
  say(speed, rate(table.rate));
  say(bytes, size(table.bytes));
  tone(events, "number", table.total ? "" : "zero"); tone(speed, "number", table.rate ? "" : "zero"); tone(bytes, "number", table.bytes ? "" : "zero");
}

function showSort() {
  for (const th of document.querySelectorAll("th")) {
    if (th.dataset.sort === sort.by) th.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
    else th.removeAttribute("aria-sort");
  }
}

for (const th of document.querySelectorAll("th")) {
  th.firstElementChild.addEventListener("click", () => {
    const by = th.dataset.sort, isNumber = th.classList.contains("number");
    sort = sort.by === by ? { by, down: !sort.down } : { by, down: isNumber };
    page = 0; showSort(); if (report) showTables(true);
  });
}
$("filter").addEventListener("input", () => { filter = $("filter").value; page = 0; if (report) showTables(true); });
$("previous").addEventListener("click", () => { page--; showTables(true); });
$("next").addEventListener("click", () => { page++; showTables(true); });

function showConfig() {
  say($("config"), config.trim());
  const kind = what => (config.match(new RegExp(`^\\[${what}\\.(\\w+)`, "m")) || [, ""])[1];
  const names = { postgres: "PostgreSQL", kafka: "Kafka", nats: "NATS JetStream", file: "File", stdout: "Standard output", null: "Null" };
  const value = key => { const found = config.match(new RegExp(`^${key} = (.*?)(?:  # from .*)?$`, "m")); return found ? found[1].replace(/[\["\]]/g, "") : ""; };
  say($("source"), names[kind("source")] || kind("source"));
  say($("source-where"), value("url").replace(/^\w+:\/\/(?:[^@/]*@)?/, "").replace(/\?.*/, ""));
  say($("sink"), names[kind("sink")] || kind("sink"));
  const sink = config.slice(config.search(/^\[sink\./m));
  const place = sink.match(/^(?:brokers|servers|path) = (.*?)(?:  # from .*)?$/m);
  say($("sink-where"), place ? place[1].replace(/[\["\]]/g, "").replace(/\w+:\/\/(?:[^@/]*@)?/g, "").trim() : "");
  $("source-where").title = $("source-where").textContent; $("sink-where").title = $("sink-where").textContent;
}

// Whether the program is still there is said as plainly as what it says.
function showConnection() {
  const isSilent = Date.now() - heardAt > SILENCE_MS && heardAt;
  if (isSilent && !lostSince && !endedAt) lostSince = heardAt;
  const isGone = Boolean(lostSince || endedAt);
  document.body.classList.toggle("lost", isGone);
  $("banner").hidden = !isGone;
  if (!isGone) { say($("updated"), heardAt ? `updated ${new Date(heardAt).toLocaleTimeString()}` : ""); return; }
  const name = report ? report.pipeline : "cdc";
  document.title = `✕ ${name} · ${endedAt ? "ended" : "no connection"}`;
  const since = `${time((Date.now() - (endedAt || lostSince)) / 1000)} ago`;
  const code = report && report.state.name === "stopped" && report.state.code;
  say($("banner"), endedAt
    ? `The program ended ${since}${code ? `, stopped by ${code}: see the last errors` : ""}. Below is how it was then.`
    : report ? `No connection since ${since.replace(" ago", "")}: the program has ended, or can't be reached. Below is how it was then.`
      : "No connection: the program has ended, or can't be reached.");
}

function connect() {
  stream = new EventSource(new URL("events", location.origin + location.pathname));
  const heard = isWhole => message => { lostSince = endedAt = 0; take(JSON.parse(message.data), isWhole); showConnection(); };
  stream.addEventListener("whole", heard(true));
  stream.addEventListener("update", heard(false));
  stream.addEventListener("end", message => { take(JSON.parse(message.data), false); endedAt = Date.now(); showConnection(); });
  stream.addEventListener("error", () => {
    if (!lostSince && !endedAt) lostSince = Date.now();
    showConnection();
    // Refused, not broken off: the browser gives up for good then.
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  });
}
setInterval(() => { showConnection(); if (report) showErrors(); }, 1000);
connect();
