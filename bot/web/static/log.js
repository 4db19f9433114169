// The conversation on the page: bubbles in order, days between them.

import { byId, make, withLinks } from "./nodes.js";
import { dayOf, say, showDay, timeOf } from "./words.js";

const NEAR = 80;
const firstLine = (text) => text.trim().split("\n")[0].slice(0, 60);
const stamp = (message) => `${message.id} ${message.status ?? ""}`;

export class Log {
  // hooks: reply(message), press(message, button), retry(message)
  constructor(hooks) {
    this.hooks = hooks;
    this.list = byId("log");
    this.scroller = byId("conversation");
    this.clear();
    this.scroller.addEventListener("scroll", () => {
      this.pinned = this.isAtEnd();
      if (this.pinned) this.hideNewer();
    });
    // A growing message box or a phone's keyboard must not cover the last message.
    new ResizeObserver(() => this.pinned && this.toEnd()).observe(this.scroller);
    byId("newer").addEventListener("click", () => this.toEnd());
  }

  clear() {
    this.messages = [];
    this.draw();
    this.hideNewer();
  }

  find(id) {
    return this.messages.find((message) => message.id === id);
  }

  oldestOrder() {
    return this.messages.find((message) => message.order !== undefined)?.order;
  }

  // Add a message, or replace the one of the same id; the reader keeps their place unless they were at the end.
  put(message) {
    const stay = !this.isAtEnd() && message.status === undefined;
    const known = this.messages.findIndex((one) => one.id === message.id);
    if (known >= 0) {
      this.messages[known] = { ...this.messages[known], ...message };
      const row = this.row(this.messages[known]);
      this.nodeOf(message.id)?.replaceWith(row);
      this.dated(row, this.messages[known]);
    } else {
      this.messages.push(message);
      this.append(message);
      this.list.lastElementChild.classList.add("new");
    }
    this.markPressed(message.reply_to);
    byId("empty").hidden = true;
    if (!stay) this.toEnd();
    else if (known < 0 && message.side === "bot") byId("newer").hidden = false;
  }

  // Show exactly these. What is shown already stays untouched, and with it the reader's focus.
  replace(messages, { toEnd }) {
    const same = messages.map(stamp).join() === this.messages.map(stamp).join();
    const end = toEnd || this.isAtEnd();
    this.messages = messages;
    if (!same) this.draw();
    if (end) this.toEnd();
    byId("empty").hidden = messages.length > 0;
  }

  // Put what lies further back in front, without moving what is being read.
  prepend(messages) {
    const below = this.scroller.scrollHeight - this.scroller.scrollTop;
    this.messages = [...messages.filter((one) => !this.find(one.id)), ...this.messages];
    this.draw();
    this.scroller.scrollTop = this.scroller.scrollHeight - below;
  }

  draw() {
    this.list.setAttribute("aria-busy", "true");
    this.list.replaceChildren();
    this.lastDay = "";
    for (const message of this.messages) this.append(message);
    this.list.removeAttribute("aria-busy");
  }

  append(message) {
    this.list.append(...this.newDay(message), this.row(message));
  }

  // The line of a day that begins with this message; none while the same day goes on.
  newDay(message) {
    const day = message.at ? dayOf(message.at) : this.lastDay;
    if (!day || day === this.lastDay) return [];
    this.lastDay = day;
    return [make("li", { class: "day" }, make("time", { datetime: day }, showDay(message.at)))];
  }

  // What was written here learns its time only now: the line of its day stands above it, not above the answer.
  dated(row, message) {
    const next = row.nextElementSibling;
    const drawn = message.at && next?.querySelector(`:scope > time[datetime="${dayOf(message.at)}"]`);
    if (drawn) row.before(next);
    else if (!next) row.before(...this.newDay(message));
  }

  row(message) {
    const bubble = make("div", { class: "bubble" });
    bubble.append(make("span", { class: "unseen" }, say(message.side === "bot" ? "web-bot" : "web-me"), ": "));
    bubble.append(...this.quote(message));
    const text = message.side === "bot" ? withLinks(message.text) : [message.text];
    bubble.append(make("p", { class: "text" }, ...text));
    if (message.buttons?.length) bubble.append(this.buttons(message));
    bubble.append(this.meta(message));
    if (message.side === "bot") bubble.addEventListener("click", (event) => this.replyByClick(event, message));
    const mark = message.side === "bot" ? [make("span", { class: "mark", "aria-hidden": "true" })] : [];
    return make("li", { class: `row ${message.side} ${message.status ?? ""}`, "data-id": message.id }, ...mark, bubble);
  }

  quote(message) {
    const quoted = message.reply_to && this.find(message.reply_to);
    return quoted ? [make("span", { class: "quote" }, firstLine(quoted.text))] : [];
  }

  buttons(message) {
    const row = make("div", { class: "buttons", role: "group" });
    for (const button of message.buttons) {
      const pressed = this.isPressed(message, button);
      const name = pressed ? [make("span", { class: "unseen" }, say("web-pressed"), " ")] : [];
      const style = ["primary", "danger"].includes(button.style) ? button.style : "plain";
      const onclick = () => this.hooks.press(message, button);
      row.append(make("button", { type: "button", class: `${style}${pressed ? " pressed" : ""}`, onclick }, ...name, button.label));
    }
    return row;
  }

  meta(message) {
    const meta = make("div", { class: "meta" });
    if (message.at) meta.append(make("time", { datetime: message.at }, timeOf(message.at)));
    if (message.status === "sending") meta.append(make("span", {}, say("web-sending")));
    if (message.status === "failed") {
      meta.append(make("span", { class: "problem", role: "alert" }, message.problem || say("web-failed")));
      const retry = make("button", { type: "button", class: "link retry", onclick: () => this.hooks.retry(message) }, say("web-retry"));
      if (message.again) meta.append(retry);
    }
    if (message.side === "bot") {
      const label = say("web-reply-label", { text: firstLine(message.text) });
      const onclick = () => this.hooks.reply(message);
      meta.append(make("button", { type: "button", class: "link", "aria-label": label, onclick }, say("web-reply")));
    }
    return meta;
  }

  isPressed(message, button) {
    return this.messages.some((one) => one.reply_to === message.id && one.text === button.label && !one.status);
  }

  markPressed(id) {
    const message = id && this.find(id);
    const old = message?.buttons?.length && this.nodeOf(id)?.querySelector(".buttons");
    if (!old) return;
    const held = [...old.children].indexOf(document.activeElement);
    const fresh = this.buttons(message);
    old.replaceWith(fresh);
    fresh.children[held]?.focus({ preventScroll: true });
  }

  // A click that selects text, follows a link or presses a button is not meant as a reply.
  replyByClick(event, message) {
    if (event.target.closest("a, button") || String(getSelection())) return;
    this.hooks.reply(message);
  }

  nodeOf(id) {
    return this.list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  isAtEnd() {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < NEAR;
  }

  toEnd() {
    this.pinned = true;
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.hideNewer();
  }

  hideNewer() {
    byId("newer").hidden = true;
  }
}
