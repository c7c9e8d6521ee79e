// Prices on the markets page and in the trade page's head.

import { grouped } from "./money.js";
import { showState } from "./market_state.js";
import { subscribe } from "./socket.js";

const MICROS = 1e6;

function priceOf(message) {
  if (message.last) return Number(message.last);
  if (message.bid && message.ask) return (Number(message.bid) + Number(message.ask)) / 2;
  return null;
}

function showChange(box, ratio, suffix = "") {
  const percent = Math.trunc(Math.abs(ratio) * 10000) / 100;
  const change = document.createElement("span");
  const isFlat = percent === 0;
  change.className = `change ${isFlat ? "muted" : ratio > 0 ? "up" : "down"}`;
  const words = `${percent.toFixed(2)} %`;
  change.textContent = isFlat ? words : `${ratio > 0 ? "▲ +" : "▼ −"}${words}`;
  box.replaceChildren(change);
  if (suffix) {
    const more = document.createElement("span");
    more.className = "muted";
    more.textContent = ` ${suffix}`;
    box.append(more);
  }
}

function show(box, message) {
  const price = priceOf(message);
  if (price === null) return;
  const digits = message.last || price.toFixed(2);
  const target = box.querySelector("[data-price]");
  if (target) target.textContent = grouped(digits);
  const change = box.querySelector("[data-change]");
  if (change && message.last && message.open_24h) {
    showChange(change, Number(message.last) / Number(message.open_24h) - 1, "24 h");
  }
  const premium = box.querySelector("[data-premium]");
  if (premium && premium.dataset.reference) {
    showChange(premium, (price * MICROS) / Number(premium.dataset.reference) - 1);
  }
}

export function start(selector) {
  for (const box of document.querySelectorAll(selector)) {
    if (box.dataset.listing) {
      subscribe("ticker", box.dataset.listing, (message) => {
        show(box, message);
        showState(message);
      });
    } else {
      // Every listing at once; rows are looked up anew, because htmx may have swapped them.
      subscribe("ticker", "*", (message) => {
        const row = document.querySelector(`tr[data-listing="${message.listing}"]`);
        if (row) show(row, message);
      });
    }
  }
}
