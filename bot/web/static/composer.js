// Where a message is written: drafts, replies, quick commands.

import { byId } from "./nodes.js";
import { say } from "./words.js";

const LONGEST = Number(document.body.dataset.maxText);

export class Composer {
  // onSend(text, replyTo), onProblem(sentence)
  constructor(onSend, onProblem) {
    this.onSend = onSend;
    this.onProblem = onProblem;
    this.drafts = new Map();
    this.address = "";
    this.target = null;
    this.field = byId("text");
    this.field.addEventListener("input", () => this.fit());
    this.field.addEventListener("keydown", (event) => this.onKey(event));
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    byId("replying-cancel").addEventListener("click", () => this.reply(null));
    byId("chips").addEventListener("click", (event) => {
      const chip = event.target.closest(".chip");
      if (chip) this.onSend(chip.textContent, "");
    });
  }

  // Another person is played: what was begun waits for their return.
  turnTo(address) {
    this.drafts.set(this.address, { text: this.field.value, target: this.target });
    const { text, target } = this.drafts.get(address) ?? { text: "", target: null };
    this.address = address;
    this.field.value = text;
    this.fit();
    this.show(target);
  }

  reply(message) {
    this.show(message);
    this.field.focus();
  }

  show(message) {
    this.target = message;
    byId("replying").hidden = !message;
    byId("replying-text").textContent = message ? message.text.trim().split("\n")[0] : "";
  }

  send() {
    const text = this.field.value.trim();
    if (!text) return;
    // Counted in characters as the server counts them, not in UTF-16 halves.
    if (Array.from(text).length > LONGEST) {
      this.onProblem(say("web-error-long"));
      return;
    }
    const replyTo = this.target?.id ?? "";
    this.field.value = "";
    this.fit();
    this.show(null);
    this.onSend(text, replyTo);
  }

  onKey(event) {
    // While an input method is composing, Enter chooses a character; 229 is how older browsers say so.
    const composing = event.isComposing || event.keyCode === 229;
    if (event.key === "Escape" && this.target && !composing) this.show(null);
    if (event.key !== "Enter" || event.shiftKey || composing) return;
    event.preventDefault();
    this.send();
  }

  fit() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight + 2}px`;
  }
}
