// Whom the demonstration can play: grouped by unit, with what each has not read.

import { byId, make } from "./nodes.js";
import { say } from "./words.js";

const NARROW = matchMedia("(max-width: 859px)");

export class People {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.players = [];
    this.chosen = "";
    this.panel = byId("people");
    byId("find").addEventListener("input", () => this.filter());
    byId("unread-only").addEventListener("click", (event) => {
      const button = event.currentTarget;
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      this.filter();
    });
    byId("people-open").addEventListener("click", () => this.open());
    byId("welcome-choose").addEventListener("click", () => this.open());
    byId("people-close").addEventListener("click", () => this.close());
    byId("scrim").addEventListener("click", () => this.close());
    this.panel.addEventListener("keydown", (event) => this.onKey(event));
    NARROW.addEventListener("change", () => this.close({ focus: false }));
  }

  find(address) {
    return this.players.find((player) => player.address === address);
  }

  set(players) {
    this.players = players;
    this.draw();
  }

  choose(address) {
    this.chosen = address;
    this.count(address, 0);
    this.draw();
    this.close({ focus: false });
  }

  count(address, unread) {
    const player = this.find(address);
    if (!player) return;
    player.unread = address === this.chosen ? 0 : unread;
    const button = this.buttons().find((one) => one.dataset.address === address);
    button?.querySelector(".badge")?.replaceWith(this.badge(player));
    this.filter();
  }

  draw() {
    const held = document.activeElement?.dataset?.address;
    const units = Map.groupBy ? Map.groupBy(this.players, (player) => player.unit) : group(this.players);
    const sections = [...units].map(([unit, players], at) => make(
      "section", { "aria-labelledby": `unit-${at}` },
      make("h2", { id: `unit-${at}` }, unit),
      ...players.map((player) => this.entry(player)),
    ));
    byId("roster").replaceChildren(...sections);
    this.buttons().find((button) => button.dataset.address === held)?.focus();
    this.filter();
  }

  entry(player) {
    return make(
      "button",
      {
        type: "button",
        class: "player",
        "data-address": player.address,
        "aria-current": player.address === this.chosen ? "true" : false,
        onclick: () => this.onChoose(player.address),
      },
      make("span", { class: "name" }, player.name),
      make("span", { class: `role ${player.role}` }, roleOf(player)),
      this.badge(player),
    );
  }

  badge(player) {
    const label = say("web-unread", { count: player.unread });
    return make("span", { class: "badge", hidden: !player.unread, "aria-label": label }, String(player.unread));
  }

  filter() {
    const wanted = byId("find").value.trim().toLowerCase();
    const unreadOnly = byId("unread-only").getAttribute("aria-pressed") === "true";
    for (const button of this.buttons()) {
      const player = this.find(button.dataset.address);
      const named = `${player.name} ${player.unit} ${roleOf(player)}`.toLowerCase().includes(wanted);
      button.hidden = !named || (unreadOnly && !player.unread);
    }
    for (const section of byId("roster").children) section.hidden = !section.querySelector(".player:not([hidden])");
    this.setTabStop();
    byId("nobody").hidden = this.buttons().some((button) => !button.hidden);
    const total = this.players.reduce((sum, player) => sum + player.unread, 0);
    byId("unread-total").textContent = String(total);
    byId("unread-total").hidden = !total;
    byId("people-open").setAttribute("aria-label", `${say("web-people-open")} · ${say("web-unread", { count: total })}`);
  }

  // The list is one stop of the Tab key, at the person played; the arrows walk inside it.
  setTabStop() {
    const shown = this.buttons().filter((button) => !button.hidden);
    const stop = shown.find((button) => button.hasAttribute("aria-current")) ?? shown[0];
    for (const button of shown) button.tabIndex = button === stop ? 0 : -1;
  }

  buttons() {
    return [...byId("roster").querySelectorAll(".player")];
  }

  onKey(event) {
    if (event.key === "Escape") return this.close();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return undefined;
    event.preventDefault();
    const shown = this.buttons().filter((button) => !button.hidden);
    const at = shown.indexOf(document.activeElement);
    return shown.at(at < 0 ? 0 : (at + step) % shown.length)?.focus();
  }

  open() {
    this.panel.classList.add("open");
    byId("scrim").hidden = !NARROW.matches;
    byId("people-open").setAttribute("aria-expanded", "true");
    document.querySelector("main").inert = NARROW.matches;
    // Not the field: focusing it would open a phone's keyboard over the list.
    (this.panel.querySelector('.player[tabindex="0"]') ?? byId("find")).focus();
  }

  close({ focus = true } = {}) {
    const wasOpen = this.panel.classList.contains("open");
    this.panel.classList.remove("open");
    byId("scrim").hidden = true;
    byId("people-open").setAttribute("aria-expanded", "false");
    document.querySelector("main").inert = false;
    if (focus && wasOpen) byId("people-open").focus();
  }
}

export function roleOf(player) {
  const key = `web-role-${player.role}`;
  const role = say(key);
  return role === key ? player.role : role;
}

function group(players) {
  const units = new Map();
  for (const player of players) units.set(player.unit, [...(units.get(player.unit) ?? []), player]);
  return units;
}
