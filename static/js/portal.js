// The page's own manners: copy, local times, colours, search, amounts.
// Live widgets are modules of their own, loaded where a page has them.

import Alpine from "../vendor/alpine-csp.mjs";
import { ask, isConfirmed } from "./confirm.js";
import { plainDigits } from "./money.js";
import { toast } from "./toast.js";
import { showLocalTimes } from "./times.js";
import { ticket } from "./ticket.js";
import { countdown } from "./countdown.js";
import { watchConnection } from "./socket.js";

const WIDGETS = {
  "[data-chart]": () => import("./chart.js"),
  "[data-book]": () => import("./book.js"),
  "[data-trades]": () => import("./trades.js"),
  "[data-ticker]": () => import("./ticker.js"),
  "[data-own-orders]": () => import("./orders.js"),
  "[data-balances]": () => import("./balances.js"),
};

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    toast("Copied.", "good");
  } catch {
    toast("Your browser did not let us copy. Select the text and copy it yourself.", "bad");
  }
}

function onClick(event) {
  const button = event.target.closest("button, a");
  if (!button) return;
  if (button.dataset.copy !== undefined) copy(button);
  if (button.dataset.fill !== undefined) fill(button);
}

function fill(button) {
  const input = button.closest("[data-amount]").querySelector("input");
  input.value = button.dataset.fill;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  input.focus();
}

function onKey(event) {
  const isTyping = event.target.matches("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !isTyping) {
    const search = document.querySelector("[data-search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
  if (event.key === "Escape") {
    document.querySelectorAll("details.menu[open]").forEach((menu) => (menu.open = false));
  }
}

// The server keeps the choice in a cookie; the page shows it without a reload.
async function prefer(event) {
  const form = event.target.closest("[data-preferences]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const { name, value } = event.submitter;
  form.querySelectorAll("button").forEach((button) => {
    button.setAttribute("aria-pressed", String(button === event.submitter));
  });
  if (value === "auto") delete document.documentElement.dataset[name];
  else document.documentElement.dataset[name] = value;
  document.dispatchEvent(new CustomEvent("colours"));
  await fetch(form.action, { method: "POST", body: new FormData(form, event.submitter) });
}

// What cannot be taken back is asked about once more.
function askFirst(event) {
  if (event.defaultPrevented || isConfirmed(event.target)) return;
  event.preventDefault();
  ask(event.target, event.submitter);
}

// A double click must not send twice; the server refuses a second one anyway.
function guardTwice(event) {
  const form = event.target;
  if (event.defaultPrevented || form.dataset.once === undefined) return;
  if (form.dataset.sent !== undefined) event.preventDefault();
  form.dataset.sent = "";
}

// A page that comes back by the back button may be sent again.
function forgetSent(event) {
  if (!event.persisted) return;
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
  document.querySelectorAll("form[data-confirm] input[name=confirmed]").forEach((each) => each.remove());
}

document.addEventListener("click", onClick);
document.addEventListener("keydown", onKey);
document.addEventListener("submit", prefer);
document.addEventListener("submit", askFirst);
document.addEventListener("submit", guardTwice);
window.addEventListener("pageshow", forgetSent);
document.addEventListener("change", (event) => {
  if (event.target.closest("[data-amount]")) event.target.value = plainDigits(event.target.value);
  if (event.target.matches("[data-auto-submit]")) event.target.form.requestSubmit();
});
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
});
document.addEventListener("htmx:afterSwap", (event) => showLocalTimes(event.target));

// Shown only after a break: a page that was never connected has nothing to lose.
let wasConnected = false;
watchConnection((isConnected) => {
  wasConnected = wasConnected || isConnected;
  const banner = document.querySelector("[data-connection]");
  if (banner) banner.hidden = isConnected || !wasConnected;
});

showLocalTimes(document);
Alpine.data("ticket", ticket);
Alpine.data("countdown", countdown);
Alpine.start();
for (const [selector, load] of Object.entries(WIDGETS)) {
  if (document.querySelector(selector)) load().then((widget) => widget.start(selector));
}
