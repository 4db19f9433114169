// The demonstration's clock: what day it is, and letting it pass.

import { byId } from "./nodes.js";
import { say, showDay, timeOf } from "./words.js";

const TICK = 5000;

export class Clock {
  // onMove(step) answers {clock, moved} or a problem
  constructor(onMove, tell) {
    this.onMove = onMove;
    this.tell = tell;
    this.buttons = [...document.querySelectorAll("[data-step]")];
    for (const button of this.buttons) button.addEventListener("click", () => this.move(button));
    setInterval(() => this.draw(), TICK);
  }

  set(clock) {
    this.clock = clock;
    this.heard = performance.now();
    this.draw();
  }

  // The simulated clock runs on between two answers; its digits are counted on in the server's zone.
  now() {
    const told = Date.parse(`${this.clock.now.slice(0, 19)}Z`);
    return new Date(told + performance.now() - this.heard).toISOString();
  }

  draw() {
    if (!this.clock) return;
    const { workday } = this.clock;
    const now = this.now();
    byId("moment").textContent = `${showDay(now)} ${timeOf(now)}`;
    byId("moment").setAttribute("datetime", now.slice(0, 16));
    byId("day-kind").textContent = say(workday ? "web-clock-workday" : "web-clock-restday");
    byId("day-kind").classList.toggle("rest", !workday);
    byId("day-kind").hidden = false;
  }

  async move(button) {
    if (this.moving) return;
    this.moving = true;
    // Not `disabled`: a disabled button loses the focus, and the next press of the same key goes nowhere.
    for (const one of this.buttons) one.setAttribute("aria-disabled", "true");
    button.setAttribute("aria-busy", "true");
    const { data, problem } = await this.onMove(button.dataset.step);
    button.removeAttribute("aria-busy");
    for (const one of this.buttons) one.removeAttribute("aria-disabled");
    this.moving = false;
    if (problem) return this.tell(problem);
    this.set(data.clock);
    byId("moved-to").textContent = byId("moment").textContent;
    if (!data.moved) this.tell(say("web-clock-still"));
    return undefined;
  }
}
