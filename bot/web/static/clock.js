// The demonstration's clock: what day it is, and letting it pass.

import { byId } from "./nodes.js";
import { say, showDay, timeOf } from "./words.js";

export class Clock {
  // onMove(step) answers {clock, moved} or a problem
  constructor(onMove, tell) {
    this.onMove = onMove;
    this.tell = tell;
    this.buttons = [...document.querySelectorAll("[data-step]")];
    for (const button of this.buttons) button.addEventListener("click", () => this.move(button));
  }

  set(clock) {
    this.clock = clock;
    this.draw();
  }

  draw() {
    if (!this.clock) return;
    const { now, workday } = this.clock;
    byId("moment").textContent = `${showDay(now)} ${timeOf(now)}`;
    byId("moment").setAttribute("datetime", now);
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
    return data.moved ? undefined : this.tell(say("web-clock-still"));
  }
}
