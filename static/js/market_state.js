// What the listing takes now: a halt shows when it begins, and goes by itself when it ends.

import { grouped } from "./money.js";
import { localTime } from "./times.js";
import { toast } from "./toast.js";

let shown = ""; // the state on the page, as text to compare

function untilWords(message) {
  if (!message.limited_until) return "";
  return `Expected until ${localTime(message.limited_until, "full")}.`;
}

/** What an auction that gathers orders would come to now. */
function auctionWords(message, quote, base) {
  if (!message.auction_price) return "";
  const quantity = grouped(message.auction_quantity || "0");
  return `Now it would match ${quantity} ${base} at ${grouped(message.auction_price)} ${quote}.`;
}

function reasonWords(message) {
  if (message.limited_by === "share_halted") {
    const reason = message.share_halt_reason;
    return reason ? `${reason[0].toUpperCase()}${reason.slice(1)}.` : "";
  }
  return message.limited_by === message.state ? message.state_reason : "";
}

function paint(message, limit) {
  const badge = document.querySelector("[data-state-badge]");
  badge.className = `badge badge-${limit ? limit.tone : "good"}`;
  badge.querySelector("[data-state-words]").textContent = limit ? limit.title : "Open";
  const notice = document.querySelector("[data-state-notice]");
  notice.hidden = !limit;
  if (!limit) return;
  notice.className = `notice notice-${limit.tone}`;
  notice.querySelector("[data-state-title]").textContent = limit.title;
  notice.querySelector("[data-state-reason]").textContent = reasonWords(message);
  notice.querySelector("[data-state-help]").textContent = limit.help;
  const [base, quote] = document.querySelector("h1").textContent.split("/");
  notice.querySelector("[data-state-auction]").textContent = auctionWords(message, quote, base);
  notice.querySelector("[data-state-until]").textContent = untilWords(message);
}

/** Take over the state that a ticker message carries, where the page shows one. */
export function showState(message) {
  const table = document.querySelector("#market-limits");
  if (!table || message.limited_by === undefined) return;
  const limit = JSON.parse(table.textContent)[message.limited_by];
  const seen = JSON.stringify([
    message.limited_by, message.state_reason, message.limited_until, message.share_halt_reason,
    message.auction_price, message.auction_quantity,
  ]);
  if (seen === shown) return;
  const wasClosed = document.querySelector("[data-state-notice].notice-bad:not([hidden])");
  shown = seen;
  paint(message, limit);
  if (wasClosed && message.takes_orders) toast("Trading goes on.", "good");
  const takes = {
    orders: message.takes_orders,
    market: message.takes_market_orders,
    buys: message.takes_buys,
  };
  document.dispatchEvent(
    new CustomEvent("market-state", { detail: { takes, title: limit ? limit.title : "" } }),
  );
}
