// What an order will do, in plain words and in figures, before it is sent. Pure: amounts
// are base units in BigInt, `data` is the ticket's own (data-* of its form).

import { ceilDiv, formatUnits, grouped } from "./money.js";

const MILLION = 1000000n;
const ONE_TOKEN = 10n ** 8n;

const STAYS = {
  gtc: "Until you cancel it",
  day: "Until the trading day ends in New York",
  ioc: "What does not fill at once is canceled",
  fok: "All at once or nothing",
};

export const money = (units) => grouped(formatUnits(units, 6, 2));
export const tokens = (units) => formatUnits(units, 8);

export const isConditional = (type) => ["stop_loss", "take_profit", "trailing_stop"].includes(type);

/** Whether the order fires when the price rises to its trigger; otherwise when it falls. */
export const firesAbove = (type, side) => (type === "take_profit") === (side === "sell");

/** What a budget buys at a price, with the fee inside it. */
export function tokensFor(order, data) {
  const rate = order.side === "buy" ? BigInt(data.taker) : 0n;
  const spendable = (order.cash * MILLION) / (MILLION + rate);
  const lot = BigInt(data.lot);
  return ((spendable * ONE_TOKEN) / order.price / lot) * lot;
}

/** What a market order takes from the book: by budget or by quantity, both in base units. */
export function walkBook(levels, budget, quantity) {
  let left = quantity ?? budget;
  const walk = { tokens: 0n, value: 0n, worst: levels[0][0], isShort: false };
  for (const [price, units] of levels) {
    walk.worst = price;
    const wanted = quantity !== null && quantity !== undefined ? left : (left * ONE_TOKEN) / price;
    const taken = wanted < units ? wanted : units;
    const value = (taken * price) / ONE_TOKEN;
    walk.tokens += taken;
    walk.value += value;
    left -= quantity ? taken : value;
    if (wanted <= units) return walk;
  }
  walk.isShort = true;
  return walk;
}

/** The fee of a value, rounded up as the engine does. */
export function feeOf(value, data) {
  return ceilDiv(value * BigInt(data.taker), MILLION);
}

/** The worst that a conditional order can pay per token; null where nobody can know yet. */
export function worstPrice(order, data) {
  if (order.price) return order.price;
  if (!order.trigger) return null;
  const slack = (order.trigger * BigInt(data.protection)) / MILLION;
  return order.side === "buy" ? order.trigger + slack : order.trigger - slack;
}

/** What is set aside until the order is through, in words. */
export function holdWords(order, data) {
  const quantity = order.quantity || tokensFor(order, data);
  if (order.side === "sell") return `${tokens(quantity)} ${data.base}`;
  const worst = worstPrice(order, data);
  if (!worst) return `the price at its worst, in ${data.quote}`;
  const value = ceilDiv(quantity * worst, ONE_TOKEN);
  return `${money(value + feeOf(value, data))} ${data.quote}`;
}

export function feeWords(order, data) {
  const worst = worstPrice(order, data);
  const quantity = order.quantity || (order.price ? tokensFor(order, data) : null);
  if (!worst || !quantity) return `${formatUnits(BigInt(data.taker), 4)} % of what it trades`;
  const fee = `${money(feeOf(ceilDiv(quantity * worst, ONE_TOKEN), data))} ${data.quote}`;
  return order.side === "buy" || order.type === "limit" ? `at most ${fee}` : `about ${fee}`;
}

export function lifeWords(order) {
  if (order.tif === "gtd") return order.until ? `Until ${order.untilWords}` : "Until a moment";
  return STAYS[order.tif] || STAYS.gtc;
}

function stayWords(order) {
  if (order.tif === "ioc") return "What is not filled at once is canceled.";
  if (order.tif === "fok") return "It fills all at once or not at all.";
  const end = lifeWords(order);
  return `What is not filled at once rests ${end[0].toLowerCase()}${end.slice(1)}.`;
}

/** "the price falls to 90.00 USDC", or how a trailing stop follows it. */
export function triggerWords(order, data) {
  const watched = order.triggerBy === "index" ? "the share's price per token" : "the price";
  if (order.type === "trailing_stop") {
    const [turn, best] = order.side === "sell" ? ["falls back", "highest"] : ["rises", "lowest"];
    const distance = order.trailPercent
      ? `${formatUnits(order.trail, 4)} %`
      : `${money(order.trail)} ${data.quote}`;
    return `${watched} ${turn} by ${distance} from its ${best} from now on`;
  }
  const turn = firesAbove(order.type, order.side) ? "rises" : "falls";
  return `${watched} ${turn} to ${money(order.trigger)} ${data.quote}`;
}

/** "sell 1 AAPLx at market", "buy 1 AAPLx at 90.00 USDC or less". */
export function actionWords(order, data) {
  const what = order.quantity
    ? `${tokens(order.quantity)} ${data.base}`
    : `${data.base} for ${money(order.cash)} ${data.quote}`;
  const better = order.side === "buy" ? "or less" : "or more";
  const how = order.price ? `at ${money(order.price)} ${data.quote} ${better}` : "at market";
  return `${order.side} ${what} ${how}`;
}

/** What is attached to what fills; empty when nothing is. */
export function closeWords(order, data) {
  const parts = [];
  if (order.takeProfit) parts.push(`a take profit at ${money(order.takeProfit)} ${data.quote}`);
  if (order.stopLoss) parts.push(`a stop loss at ${money(order.stopLoss)} ${data.quote}`);
  if (!parts.length) return "";
  const both = parts.length === 2 ? "; when one goes, the other is canceled" : "";
  return `What fills gets ${parts.join(" and ")}${both}.`;
}

export function conditionalWords(order, data) {
  if (!order.quantity || !(order.trigger || order.trail)) return "";
  const protection = order.price
    ? ""
    : ` At market means at most ${formatUnits(BigInt(data.protection), 4)} % from the best price then.`;
  return `When ${triggerWords(order, data)}, we ${actionWords(order, data)}.${protection} Until then we hold ${holdWords(order, data)}.`;
}

export function limitWords(order, data) {
  if (!order.price) return "";
  const quantity = order.quantity || tokensFor(order, data);
  const value = ceilDiv(quantity * order.price, ONE_TOKEN);
  const fee = feeOf(value, data);
  const total =
    order.side === "buy"
      ? `At most ${money(value + fee)} ${data.quote} with the fee`
      : `At least ${money(value - fee)} ${data.quote} after the fee`;
  const hidden = order.display ? ` The book shows ${tokens(order.display)} at a time.` : "";
  const sized = { ...order, quantity };
  return `${capital(actionWords(sized, data))} per token. ${total} (fee at most ${money(fee)}). ${stayWords(order)}${hidden}`;
}

export function marketWords(order, data, levels) {
  if (!levels.length) return "Nobody offers right now. A limit order can wait for somebody.";
  const rate = BigInt(data.taker);
  const budget =
    order.cash && order.side === "buy" ? (order.cash * MILLION) / (MILLION + rate) : order.cash;
  const walk = walkBook(levels, budget, order.quantity);
  const short = walk.isShort ? "The book holds less than that. " : "";
  return `${short}${capital(order.side)} about ${tokens(walk.tokens)} ${data.base} for about ${money(walk.value)} ${data.quote}. Fee about ${money(feeOf(walk.value, data))} ${data.quote}. Worst price ${money(walk.worst)} ${data.quote} per token.`;
}

/** What the sheet asks to confirm: pairs of a name and its words. */
export function facts(order, data) {
  const found = [];
  if (isConditional(order.type)) found.push(["When", triggerWords(order, data)]);
  const close = closeWords(order, data);
  if (close) found.push(["Attached", close]);
  if (order.price || isConditional(order.type)) found.push(["Held for it", holdWords(order, data)]);
  found.push(["Fee", feeWords(order, data)]);
  if (order.type !== "market") found.push(["How long", lifeWords(order)]);
  return found;
}

export const capital = (text) => text[0].toUpperCase() + text.slice(1);
