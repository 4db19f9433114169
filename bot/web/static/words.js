// The page's sentences: all of them come from the catalogues, in the element #words.

const words = JSON.parse(document.getElementById("words").textContent);
const LOCALES = { zh: "zh-CN", en: "en-GB" };

export const memory = {
  // A browser may refuse storage; the page then simply forgets.
  get(key) {
    try { return localStorage.getItem(`duban.${key}`) ?? ""; } catch { return ""; }
  },
  put(key, value) {
    try { localStorage.setItem(`duban.${key}`, value); } catch { /* forgotten */ }
  },
};

let language = memory.get("language") === "en" ? "en" : "zh";

export function say(key, facts = {}) {
  const sentence = words[language][key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (all, name) => (name in facts ? String(facts[name]) : all));
}

// Which sentence of a refusal ({zh, en}) this reader understands.
export const choose = (sentences) => sentences?.[language] ?? say("web-error-internal");

export function toggleLanguage() {
  language = language === "zh" ? "en" : "zh";
  memory.put("language", language);
}

export function translate() {
  document.documentElement.lang = LOCALES[language];
  document.title = say("web-title");
  for (const node of document.querySelectorAll("[data-say]")) node.textContent = say(node.dataset.say);
  for (const node of document.querySelectorAll("[data-say-label]")) {
    node.setAttribute("aria-label", say(node.dataset.sayLabel));
  }
  for (const node of document.querySelectorAll("[data-say-hint]")) node.placeholder = say(node.dataset.sayHint);
}

// Instants arrive written in the server's zone ("2027-01-29T10:00:00+08:00"): the digits are shown as they stand,
// so that a reader's own zone can never move a deadline.
export const dayOf = (at) => at.slice(0, 10);
export const timeOf = (at) => at.slice(11, 16);

export function showDay(at) {
  const day = new Date(`${dayOf(at)}T00:00:00Z`);
  const write = (options) => new Intl.DateTimeFormat(LOCALES[language], { timeZone: "UTC", ...options }).format(day);
  const date = write({ year: "numeric", month: language === "zh" ? "long" : "short", day: "numeric" });
  const weekday = write({ weekday: "short" });
  return language === "zh" ? `${date} ${weekday}` : `${weekday} ${date}`;
}
