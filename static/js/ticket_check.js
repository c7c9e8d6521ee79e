// What keeps an order from being sent, in words, before the engine says it in codes.

import { formatUnits } from "./money.js";
import { money } from "./ticket_words.js";

const PLAIN = "Write the amount in plain digits, like 12 or 12.50.";

/** The first thing that is wrong; empty when nothing is. */
export function check(ticket, order) {
  return (
    checkAmounts(ticket, order) ||
    checkPrices(ticket, order) ||
    checkSize(ticket, order) ||
    checkFunds(ticket, order)
  );
}

function checkAmounts(ticket, order) {
  const typed = [
    [ticket.namesCash, ticket.cash, order.cash],
    [true, ticket.quantity, order.quantity],
    [ticket.hasPrice, ticket.price, order.price],
    [ticket.hasTrigger, ticket.trigger, order.trigger],
    [ticket.hasTrail, ticket.trail, order.trail],
    [ticket.isLimit, ticket.display, order.display],
    [ticket.namesCash, ticket.takeProfit, order.takeProfit],
    [ticket.namesCash, ticket.stopLoss, order.stopLoss],
  ];
  if (typed.some(([isShown, text, units]) => isShown && text && units === null)) return PLAIN;
  if (!order.cash && !order.quantity) return "Enter how much.";
  if (order.side === "buy" && ticket.data.buying === "no") {
    return "The note above has to be settled before you can buy.";
  }
  return "";
}

function checkPrices(ticket, order) {
  if (ticket.isLimit && !order.price) return "A limit order needs a price.";
  if (ticket.hasTrigger && !order.trigger) return "Enter the price at which it is triggered.";
  if (ticket.hasTrail && !order.trail) return "Enter how far the trigger stays behind the price.";
  const tick = BigInt(ticket.data.tick);
  const prices = [order.price, order.trigger, order.takeProfit, order.stopLoss];
  if (prices.some((price) => price && price % tick !== 0n)) {
    return `Prices move in steps of ${formatUnits(tick, 6)} ${ticket.data.quote}.`;
  }
  if (ticket.hasEnd && !ticket.until) return "Enter until when it is good.";
  if (ticket.hasEnd && new Date(ticket.until) <= new Date()) return "That moment is past.";
  return "";
}

function checkSize(ticket, order) {
  const lot = BigInt(ticket.data.lot);
  if ([order.quantity, order.display].some((units) => units && units % lot !== 0n)) {
    return `Quantities move in steps of ${formatUnits(lot, 8)} ${ticket.data.base}.`;
  }
  const price = order.price || order.trigger;
  const worth = order.cash || (price ? (order.quantity * price) / 10n ** 8n : null);
  if (worth !== null && worth < BigInt(ticket.data.minimum)) {
    return `The smallest order is ${money(BigInt(ticket.data.minimum))} ${ticket.data.quote}.`;
  }
  return "";
}

function checkFunds(ticket, order) {
  const { cash, tokens } = ticket.available;
  if (order.side === "buy" && order.cash && order.cash > cash) {
    return `You have ${money(cash)} ${ticket.data.quote} available.`;
  }
  const isReduced = ticket.reduceOnly; // the engine cuts it down to what there is
  if (order.side === "sell" && order.quantity && order.quantity > tokens && !isReduced) {
    return `You have ${formatUnits(tokens, 8)} ${ticket.data.base} available.`;
  }
  return "";
}
