// The tape: the latest trades, newest on top.

import { grouped } from "./money.js";
import { subscribe } from "./socket.js";
import { localTime } from "./times.js";

const ROWS_MAX = 40;

function rowOf(trade) {
  const row = document.createElement("div");
  row.className = "book-row";
  const isBuy = trade.taker_side === "buy";
  const price = document.createElement("span");
  price.className = isBuy ? "up" : "down";
  price.textContent = `${isBuy ? "▲" : "▼"} ${grouped(trade.price)}`;
  const quantity = document.createElement("span");
  quantity.textContent = grouped(trade.quantity);
  const time = document.createElement("span");
  time.className = "muted";
  time.textContent = localTime(trade.traded_at, "clock");
  time.title = trade.traded_at;
  row.append(price, quantity, time);
  return row;
}

export function start(selector) {
  for (const box of document.querySelectorAll(selector)) {
    const tape = box.querySelector("[data-tape]");
    let newest = 0;
    subscribe("trades", box.dataset.listing, (message) => {
      const trades = message.trades || [];
      if (message.type === "snapshot") {
        if (trades.length) tape.replaceChildren();
        newest = 0;
      }
      for (const trade of trades) {
        if (trade.trade_no <= newest) continue;
        newest = trade.trade_no;
        tape.querySelector(".tape-empty")?.remove();
        tape.prepend(rowOf(trade));
      }
      while (tape.children.length > ROWS_MAX) tape.lastChild.remove();
    });
  }
}
