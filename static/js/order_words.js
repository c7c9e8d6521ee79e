// An order of the feed in words: what kind it is, what it waits for.

import { grouped } from "./money.js";

const KINDS = {
  limit: "limit",
  market: "market",
  stop_loss: "stop loss",
  stop_loss_limit: "stop loss",
  take_profit: "take profit",
  take_profit_limit: "take profit",
  trailing_stop: "trailing stop",
  trailing_stop_limit: "trailing stop",
};

export const isLive = (order) => ["open", "untriggered"].includes(order.status);

export function kindWords(order) {
  return order.terms?.display ? "iceberg" : KINDS[order.order_type] || order.order_type;
}

const firesAbove = (order) =>
  order.order_type.startsWith("take_profit") === (order.side === "sell");

/** What an order that is not in the book waits for; empty for one that is. */
export function triggerWords(order, quote) {
  if (order.status !== "untriggered") return "";
  const { terms } = order;
  if (terms.trail || terms.trail_percent) {
    const distance = terms.trail ? `${grouped(terms.trail)} ${quote}` : `${terms.trail_percent} %`;
    const side = order.side === "sell" ? "below the highest" : "above the lowest";
    return `${distance} ${side} price, now ${grouped(terms.trigger_price)} ${quote}`;
  }
  const turn = firesAbove(order) ? "rises" : "falls";
  return `when it ${turn} to ${grouped(terms.trigger_price)} ${quote}`;
}

/** The price at which it stands in the book, or would. */
export function priceWords(order, quote) {
  const limit = order.price ? `${grouped(order.price)} ${quote}` : "";
  const trigger = triggerWords(order, quote);
  if (trigger) return limit ? `${trigger}, at ${limit}` : `${trigger}, at market`;
  return limit || "–";
}
