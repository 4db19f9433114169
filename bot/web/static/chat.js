// The page: joins the conversation, the people, the clock and the server.

import { Clock } from "./clock.js";
import { Composer } from "./composer.js";
import { Log } from "./log.js";
import { byId } from "./nodes.js";
import { People, roleOf } from "./people.js";
import { as, call, Live, newId } from "./server.js";
import { say, toggleLanguage, translate } from "./words.js";

const DEMO = document.body.dataset.mode === "demo";
const TOAST = 5000;
const AGAIN = new Set([0, 429]);

let address = "";
let me = null;
const unsent = new Map();

const log = new Log({ reply: (message) => composer.reply(message), press, retry: deliver });
const composer = new Composer((text, replyTo) => speak(text, { replyTo }), toast);
const people = DEMO ? new People((chosen) => { location.hash = new URLSearchParams({ as: chosen }); }) : null;
const clock = DEMO ? new Clock((step) => call("POST", "api/clock", { step }), toast) : null;
const live = new Live(
  {
    message: (message) => log.put(arrived(message)),
    unread: ({ address: whose, count }) => people?.count(whose, count),
    clock: (now) => clock?.set(now),
    reload: () => loadLatest({ anew: true }),
  },
  (state) => {
    showConnection(state);
    if (state === "online") catchUp();
    if (state === "offline" && !DEMO) askWhoIAm();
  },
);

let toastTimer = 0;
function toast(sentence) {
  byId("toast").textContent = sentence;
  byId("toast").classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => byId("toast").classList.remove("shown"), TOAST);
}

function showConnection(state) {
  const node = byId("connection");
  node.dataset.state = state;
  node.querySelector(".state").dataset.say = `web-${state}`;
  node.querySelector(".state").textContent = say(`web-${state}`);
}

// ── The conversation

const arrived = (message) => ({ ...message, status: undefined, problem: undefined });

// The newest stretch of the conversation, joined with what is shown: before it what was loaded earlier (unless there is
// a gap), after it what arrived live while it was on its way, and what could not be sent.
async function loadLatest({ anew = false } = {}) {
  const asked = address;
  const earlier = [...log.messages];
  const { status, data, problem } = await call("GET", as("api/messages", DEMO ? address : ""));
  if (asked !== address) return;
  if (status !== 200) return void toast(problem);
  const known = new Set(earlier.map((message) => message.id));
  const latest = new Set(data.messages.map((message) => message.id));
  const first = anew || !data.messages.some((message) => known.has(message.id));
  for (const id of latest) unsent.delete(id);
  const isNew = (message) => !latest.has(message.id) && !message.status;
  const kept = first ? [] : earlier.filter(isNew);
  const since = log.messages.filter((message) => isNew(message) && !known.has(message.id));
  const waiting = [...unsent.values()].filter((message) => message.address === address);
  log.replace([...kept, ...data.messages, ...since, ...waiting], { toEnd: first });
  if (first) byId("older").hidden = !data.more;
}

async function loadOlder() {
  const asked = address;
  const path = as("api/messages", DEMO ? address : "", { before: log.oldestOrder() });
  const { status, data, problem } = await call("GET", path);
  if (asked !== address) return;
  if (status !== 200) return void toast(problem);
  byId("older").hidden = !data.more;
  log.prepend(data.messages);
}

// What came while nobody listened: the stream tells what it knows, the store knows the rest.
async function catchUp() {
  if (address) await loadLatest();
  if (DEMO) await loadPeople();
}

function speak(text, { action = "", replyTo = "" } = {}) {
  deliver({ id: newId(), address, side: "me", text, action, reply_to: replyTo, buttons: [] });
}

function press(message, button) {
  speak(button.label, { action: button.value, replyTo: message.id });
}

async function deliver(message) {
  const show = (news) => {
    unsent.set(message.id, { ...message, ...news });
    if (message.address === address) log.put(unsent.get(message.id));
  };
  show({ status: "sending" });
  const { id, text, action, reply_to } = message;
  const path = as("api/messages", DEMO ? message.address : "");
  const { status, data, problem } = await call("POST", path, { id, text, action, reply_to });
  if (status === 202) {
    show({ status: undefined, at: data.at });
    unsent.delete(id);
  } else {
    show({ status: "failed", problem, again: AGAIN.has(status) || status >= 500 });
    if (status === 401) askWhoIAm();
  }
}

// ── Who is speaking

// A stranger's name gives way to the words it replaced.
function forgetMe() {
  me = null;
  byId("my-name").dataset.say = DEMO ? "web-people-choose" : "web-title";
  if (DEMO) byId("my-unit").textContent = "";
  else byId("my-unit").dataset.say = "web-subtitle";
  translate();
}

function turnTo(chosen, person) {
  address = chosen;
  me = person;
  composer.turnTo(chosen);
  log.clear();
  byId("older").hidden = true;
  byId("empty").hidden = true;
  byId("composer").hidden = !chosen;
  if (me) showMe();
  else forgetMe();
  if (chosen) loadLatest();
  live.open(DEMO ? chosen : "");
}

function showMe() {
  for (const id of ["my-name", "my-unit"]) delete byId(id).dataset.say;
  byId("my-name").textContent = me.name;
  byId("my-unit").textContent = `${roleOf(me)} · ${me.unit}`;
}

async function loadPeople() {
  const { status, data, problem } = await call("GET", "api/state");
  if (status !== 200) return void toast(problem);
  people.set(data.people);
  clock.set(data.clock);
}

// Whom to play stands in the address of the page: several tabs can be several people, and a reload keeps them.
function playFromHash() {
  const player = people.find(new URLSearchParams(location.hash.slice(1)).get("as"));
  byId("welcome").hidden = Boolean(player);
  people.choose(player?.address ?? "");
  turnTo(player?.address ?? "", player);
}

async function askWhoIAm() {
  const { status, data, problem } = await call("GET", "api/state");
  if (status !== 200) return void toast(problem);
  byId("bind").hidden = Boolean(data.me);
  byId("leave").hidden = !data.me;
  byId("connection").hidden = !data.me;
  if (data.me && data.me.address !== address) turnTo(data.me.address, data.me);
  if (!data.me) signedOut();
}

function signedOut() {
  live.close();
  address = "";
  log.clear();
  byId("empty").hidden = byId("composer").hidden = byId("older").hidden = true;
  forgetMe();
  byId("code").focus();
}

async function bind(event) {
  event.preventDefault();
  const { status, problem } = await call("POST", "api/bind", { code: byId("code").value });
  byId("bind-problem").textContent = problem;
  if (status !== 200) return byId("code").select();
  byId("bind").reset();
  await askWhoIAm();
  return byId("text").focus();
}

// ── Start

byId("older").addEventListener("click", loadOlder);
document.querySelector(".skip").addEventListener("click", (event) => {
  // The address of the page names the person played; it must not become "#text".
  event.preventDefault();
  (address ? byId("text") : byId("conversation")).focus();
});
byId("language").addEventListener("click", () => {
  toggleLanguage();
  byId("toast").classList.remove("shown");
  translate();
  if (me) showMe();
  log.draw();
  people?.draw();
  clock?.draw();
});
translate();

if (DEMO) {
  await loadPeople();
  addEventListener("hashchange", playFromHash);
  playFromHash();
} else {
  byId("bind").addEventListener("submit", bind);
  byId("leave").addEventListener("click", async () => {
    await call("POST", "api/leave", {});
    askWhoIAm();
  });
  await askWhoIAm();
}
