// The live book: a snapshot, then the prices that moved. A gap in `seq` asks for a new
// snapshot. Rows are kept and reused, so that nothing on the page jumps.

import { formatUnits, grouped, parseUnits } from "./money.js";
import { resubscribe, subscribe } from "./socket.js";

const LEVELS = 10;
const QUOTE_DECIMALS = 6;
const BASE_DECIMALS = 8;
const SVG = "http://www.w3.org/2000/svg";

class Book {
  constructor(box) {
    this.box = box;
    this.listing = box.dataset.listing;
    this.seq = null;
    this.sides = { bids: new Map(), asks: new Map() };
    this.own = new Set();
    this.rows = {
      bids: makeRows(box.querySelector("[data-bids]"), "up"),
      asks: makeRows(box.querySelector("[data-asks]"), "down"),
    };
    this.isPainting = false;
  }

  take(message) {
    if (message.type === "snapshot") {
      this.sides = { bids: new Map(), asks: new Map() };
    } else if (this.seq === null || message.seq !== this.seq + 1) {
      this.seq = null;
      resubscribe("book", this.listing);
      return;
    }
    this.seq = message.seq;
    for (const side of ["bids", "asks"]) {
      for (const [price, quantity] of message[side]) {
        const units = parseUnits(quantity, BASE_DECIMALS);
        if (units) this.sides[side].set(parseUnits(price, QUOTE_DECIMALS), units);
        else this.sides[side].delete(parseUnits(price, QUOTE_DECIMALS));
      }
    }
    this.schedule();
  }

  best(side, count) {
    const sign = side === "bids" ? -1 : 1;
    const prices = [...this.sides[side].keys()].sort((a, b) => (a < b ? -sign : a > b ? sign : 0));
    return prices.slice(0, count).map((price) => [price, this.sides[side].get(price)]);
  }

  schedule() {
    if (this.isPainting) return;
    this.isPainting = true;
    requestAnimationFrame(() => {
      this.isPainting = false;
      this.paint();
    });
  }

  paint() {
    const bids = this.best("bids", LEVELS);
    const asks = this.best("asks", LEVELS);
    const sums = [bids, asks].map((levels) => levels.reduce((sum, [, units]) => sum + units, 0n));
    const largest = sums[0] > sums[1] ? sums[0] : sums[1];
    this.paintSide("bids", bids, largest);
    this.paintSide("asks", asks, largest);
    this.paintMiddle(bids, asks);
    document.dispatchEvent(
      new CustomEvent("book", {
        detail: { listing: this.listing, bids: this.best("bids", 200), asks: this.best("asks", 200) },
      }),
    );
  }

  paintSide(side, levels, largest) {
    let sum = 0n;
    const rows = this.rows[side];
    rows.forEach((row, index) => {
      const level = levels[index];
      row.box.hidden = !level;
      if (!level) return;
      sum += level[1];
      row.price.textContent = grouped(formatUnits(level[0], QUOTE_DECIMALS, 2));
      row.quantity.textContent = short(level[1]);
      row.sum.textContent = short(sum);
      row.depth.setAttribute("x", String(100 - Number((sum * 100n) / (largest || 1n))));
      row.box.classList.toggle("own", this.own.has(`${side} ${level[0]}`));
    });
  }

  paintMiddle(bids, asks) {
    const box = this.box.querySelector("[data-mid]");
    if (!bids.length || !asks.length) {
      box.textContent = bids.length || asks.length ? "One side is empty" : "No orders yet";
      return;
    }
    const middle = (bids[0][0] + asks[0][0]) / 2n;
    const spread = asks[0][0] - bids[0][0];
    const price = document.createElement("span");
    price.textContent = grouped(formatUnits(middle, QUOTE_DECIMALS, 2));
    const words = document.createElement("span");
    words.className = "muted small";
    const percent = (Number(spread) / Number(middle)) * 100;
    words.textContent = `spread ${formatUnits(spread, QUOTE_DECIMALS, 2)} (${percent.toFixed(2)} %)`;
    box.replaceChildren(price, words);
  }
}

function short(units) {
  const text = formatUnits(units, BASE_DECIMALS);
  const [whole, fraction = ""] = text.split(".");
  const places = Math.max(0, 5 - whole.length);
  return grouped(fraction && places ? `${whole}.${fraction.slice(0, places)}` : whole);
}

function makeRows(box, tone) {
  box.replaceChildren();
  const rows = [];
  for (let index = 0; index < LEVELS; index += 1) {
    const row = { box: document.createElement("div") };
    row.box.className = "book-row";
    row.box.hidden = true;
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("class", "depth");
    drawing.setAttribute("viewBox", "0 0 100 1");
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.setAttribute("aria-hidden", "true");
    row.depth = document.createElementNS(SVG, "rect");
    row.depth.setAttribute("width", "100");
    row.depth.setAttribute("height", "1");
    drawing.append(row.depth);
    row.box.append(drawing);
    for (const name of ["price", "quantity", "sum"]) {
      row[name] = document.createElement("span");
      row.box.append(row[name]);
    }
    row.price.className = tone;
    rows.push(row);
  }
  // Asks stand upside down: the best one is at the bottom, next to the middle.
  box.append(...(tone === "down" ? [...rows].reverse() : rows).map((row) => row.box));
  return rows;
}

export function start(selector) {
  for (const box of document.querySelectorAll(selector)) {
    const book = new Book(box);
    subscribe("book", book.listing, (message) => book.take(message));
    document.addEventListener("own-orders", (event) => {
      book.own = new Set(
        event.detail
          .filter((order) => order.listing === book.listing && order.price)
          .map((order) => `${order.side === "buy" ? "bids" : "asks"} ${parseUnits(order.price, QUOTE_DECIMALS)}`),
      );
      book.schedule();
    });
  }
}
