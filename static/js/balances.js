// What is available, wherever the page shows it.

import { grouped } from "./money.js";
import { subscribe } from "./socket.js";

export function start(selector) {
  if (document.body.dataset.signedIn !== "true") return;
  subscribe("balances", "", (message) => {
    for (const balance of message.balances || []) {
      for (const row of document.querySelectorAll(`${selector} [data-asset="${balance.asset}"]`)) {
        row.querySelector("[data-available]").textContent = grouped(balance.available);
      }
    }
  });
}
