// Building the page without ever writing HTML: what people wrote stays text.

// Addresses, and the downloads of this very page.
const LINK = /https?:\/\/[^\s<>"'\u3000-\u303f\uff00-\uffef]+|\/export\/\d+-\d+-\d+-[\w-]{43}/g;

export const byId = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function link(address) {
  try {
    const { protocol } = new URL(address, location.href);
    if (protocol !== "http:" && protocol !== "https:") return address;
  } catch {
    return address;
  }
  return make("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, address);
}

// A text as nodes: its addresses become links, everything else stays as written.
export function withLinks(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(LINK)) {
    const address = found[0].replace(/[.,;:!?)\]]+$/, "");
    parts.push(text.slice(end, found.index), link(address));
    end = found.index + address.length;
  }
  return [...parts, text.slice(end)];
}
