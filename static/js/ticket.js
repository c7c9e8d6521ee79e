// The order ticket: a preview in words while one types, the order over the socket,
// and an answer that says what happened. Without JavaScript the form posts itself.

import { ceilDiv, formatUnits, grouped, parseUnits, plainDigits } from "./money.js";
import { request, subscribe } from "./socket.js";

const MILLION = 1000000n;
const ONE_TOKEN = 10n ** 8n;
const LOOK_AGAIN_MS = 2000;
const LOOKS_MAX = 8;
const SESSIONS = {
  weekend: "It is the weekend: the price can be far from the share's last close.",
  holiday: "New York is closed today: the price can be far from the share's last close.",
  overnight: "New York trades overnight: spreads can be wide.",
};

export function ticket() {
  return {
    side: "buy",
    type: "market",
    price: "",
    cash: "",
    quantity: "",
    tif: "gtc",
    postOnly: false,
    isSending: false,
    outcome: "",
    tone: "info",
    orderLink: "",
    problem: "",
    book: { bids: [], asks: [] },
    available: { cash: 0n, tokens: 0n },
    takes: { orders: true, market: true, buys: true },
    limit: "",

    init() {
      this.data = this.$el.dataset;
      this.form = this.$el;
      const checked = this.form.querySelector("input[name=side]:checked");
      this.side = checked ? checked.value : "buy";
      this.available = { cash: BigInt(this.data.cash), tokens: BigInt(this.data.tokens) };
      document.documentElement.classList.add("js");
      this.takes = {
        orders: this.data.takesOrders !== "no",
        market: this.data.takesMarket !== "no",
        buys: this.data.takesBuys !== "no",
      };
      this.limit = this.data.limit || "";
      this.fitToMarket();
      this.showKind();
      document.addEventListener("market-state", (event) => this.takeMarket(event.detail));
      this.$watch("type", () => this.showKind());
      document.addEventListener("book", (event) => (this.book = event.detail));
      subscribe("balances", "", (message) => this.takeBalances(message));
    },

    showKind() {
      this.form.classList.toggle("is-market", this.type === "market");
    },

    /** The listing's state has changed under the page. */
    takeMarket(market) {
      this.takes = market.takes;
      this.limit = market.title;
      this.fitToMarket();
      if (this.problem) this.problem = this.check();
    },

    // A choice that is not possible must not stay chosen: what is sent is what is seen.
    fitToMarket() {
      if (this.isLimitOnly && this.type === "market") this.type = "limit";
      if (this.isSellOnly && this.side === "buy") this.side = "sell";
    },

    get isLimitOnly() {
      return this.takes.orders && !this.takes.market;
    },

    get isSellOnly() {
      return this.data.sellOnly === "yes" || (this.takes.orders && !this.takes.buys);
    },

    get isBlocked() {
      return this.isSending || !this.takes.orders;
    },

    takeBalances(message) {
      for (const balance of message.balances || []) {
        if (balance.asset === this.data.quote) {
          this.available.cash = parseUnits(balance.available, Number(this.data.quoteDecimals));
          this.say("[data-available-cash]", balance.available);
        }
        if (balance.asset === this.data.base) {
          this.available.tokens = parseUnits(balance.available, Number(this.data.baseDecimals));
          this.say("[data-available-tokens]", balance.available);
        }
      }
      // What was missing a moment ago may have come in.
      if (this.problem) this.problem = this.check();
    },

    say(selector, digits) {
      this.form.querySelector(selector).textContent = grouped(digits);
    },

    useCash() {
      if (this.cash) this.quantity = "";
    },

    useQuantity() {
      if (this.quantity) this.cash = "";
    },

    part(event) {
      const percent = BigInt(event.target.dataset.percent);
      if (this.side === "buy") {
        this.cash = formatUnits((this.available.cash * percent) / 100n, 6);
        this.quantity = "";
      } else {
        const lot = BigInt(this.data.lot);
        const units = ((this.available.tokens * percent) / 100n / lot) * lot;
        this.quantity = formatUnits(units, 8);
        this.cash = "";
      }
    },

    get cashLabel() {
      return this.side === "buy" ? "Spend, fee included" : "Sell for about";
    },

    get buttonText() {
      if (this.isSending) return "Sending…";
      if (!this.takes.orders) return this.limit || "No new orders now";
      const verb = this.side === "buy" ? "Buy" : "Sell";
      const what = this.quantity
        ? `${this.quantity} ${this.data.base}`
        : this.cash
          ? `${this.data.base} for ${this.cash} ${this.data.quote}`
          : this.data.base;
      return `${verb} ${what}`;
    },

    get buttonClass() {
      return this.side === "buy" ? "button-buy" : "button-sell";
    },

    get outcomeClass() {
      return `notice-${this.tone}`;
    },

    /** Amounts as typed, in base units; null where a field holds no amount. */
    get units() {
      return {
        price: this.type === "limit" ? parseUnits(plainDigits(this.price), 6) : null,
        cash: parseUnits(plainDigits(this.cash), 6),
        quantity: parseUnits(plainDigits(this.quantity), 8),
      };
    },

    get preview() {
      const { price, cash, quantity } = this.units;
      if (!cash && !quantity) return "";
      if (this.type === "limit" && !price) return "";
      const words =
        this.type === "limit"
          ? this.limitWords(price, cash, quantity)
          : this.marketWords(cash, quantity);
      const session = SESSIONS[this.data.session];
      return session ? `${words} ${session}` : words;
    },

    limitWords(price, cash, quantity) {
      const { base, quote } = this.data;
      const rate = BigInt(this.data.taker);
      const tokens = quantity || this.tokensFor(cash, price, rate);
      const value = ceilDiv(tokens * price, ONE_TOKEN);
      const fee = ceilDiv(value * rate, MILLION);
      const stays = {
        gtc: "What is not filled at once rests until you cancel it.",
        ioc: "What is not filled at once is canceled.",
        fok: "It fills all at once or not at all.",
      }[this.tif];
      const better = this.side === "buy" ? "or less" : "or more";
      const total =
        this.side === "buy"
          ? `At most ${this.digits(value + fee)} ${quote} with the fee`
          : `At least ${this.digits(value - fee)} ${quote} after the fee`;
      return `${this.verb} ${formatUnits(tokens, 8)} ${base} at ${formatUnits(price, 6, 2)} ${quote} ${better} per token. ${total} (fee at most ${this.digits(fee)}). ${stays}`;
    },

    marketWords(cash, quantity) {
      const { base, quote } = this.data;
      const rate = BigInt(this.data.taker);
      const levels = this.side === "buy" ? this.book.asks : this.book.bids;
      if (!levels.length) return "Nobody offers right now. A limit order can wait for somebody.";
      const budget = cash && this.side === "buy" ? (cash * MILLION) / (MILLION + rate) : cash;
      const walk = walkBook(levels, budget, quantity);
      if (walk.isShort) return `The book holds less than that. ${this.aboutWords(walk, rate)}`;
      return this.aboutWords(walk, rate);
    },

    aboutWords(walk, rate) {
      const { base, quote } = this.data;
      const fee = ceilDiv(walk.value * rate, MILLION);
      return `${this.verb} about ${formatUnits(walk.tokens, 8)} ${base} for about ${this.digits(walk.value)} ${quote}. Fee about ${this.digits(fee)} ${quote}. Worst price ${formatUnits(walk.worst, 6, 2)} ${quote} per token.`;
    },

    get verb() {
      return this.side === "buy" ? "Buy" : "Sell";
    },

    digits(units) {
      return grouped(formatUnits(units, 6, 2));
    },

    tokensFor(cash, price, rate) {
      const lot = BigInt(this.data.lot);
      const spendable = this.side === "buy" ? (cash * MILLION) / (MILLION + rate) : cash;
      return ((spendable * ONE_TOKEN) / price / lot) * lot;
    },

    /** What keeps the ticket from being sent, in words; empty when nothing does. */
    check() {
      const { price, cash, quantity } = this.units;
      if (!this.takes.orders) return `${this.limit}: no new orders are taken now.`;
      if ((this.cash && cash === null) || (this.quantity && quantity === null)) {
        return "Write the amount in plain digits, like 12 or 12.50.";
      }
      if (!cash && !quantity) return "Enter how much.";
      if (this.side === "buy" && this.data.buying === "no") {
        return "The note above has to be settled before you can buy.";
      }
      if (this.type === "limit" && !price) return "A limit order needs a price.";
      if (this.type === "limit" && price % BigInt(this.data.tick) !== 0n) {
        return `Prices move in steps of ${formatUnits(BigInt(this.data.tick), 6)} ${this.data.quote}.`;
      }
      if (quantity && quantity % BigInt(this.data.lot) !== 0n) {
        return `Quantities move in steps of ${formatUnits(BigInt(this.data.lot), 8)} ${this.data.base}.`;
      }
      const worth = cash || (price ? (quantity * price) / ONE_TOKEN : null);
      if (worth !== null && worth < BigInt(this.data.minimum)) {
        return `The smallest order is ${this.digits(BigInt(this.data.minimum))} ${this.data.quote}.`;
      }
      if (this.side === "buy" && cash && cash > this.available.cash) {
        return `You have ${this.digits(this.available.cash)} ${this.data.quote} available.`;
      }
      if (this.side === "sell" && quantity && quantity > this.available.tokens) {
        return `You have ${formatUnits(this.available.tokens, 8)} ${this.data.base} available.`;
      }
      return "";
    },

    async send(event) {
      event.preventDefault();
      if (this.isSending) return;
      this.outcome = "";
      this.orderLink = "";
      this.problem = this.check();
      if (this.problem) return;
      this.isSending = true;
      const answer = await request(this.message());
      this.isSending = false;
      this.tell(answer);
    },

    message() {
      // The id makes the order findable when the answer is lost on the way.
      this.clientOrderId = `web-${crypto.randomUUID().slice(0, 23)}`;
      const message = {
        type: "place_order",
        listing: this.data.listing,
        side: this.side,
        order_type: this.type,
        client_order_id: this.clientOrderId,
      };
      if (this.quantity) message.quantity = plainDigits(this.quantity);
      else message.cash = plainDigits(this.cash);
      if (this.type === "limit") {
        message.price = plainDigits(this.price);
        message.time_in_force = this.tif;
        message.post_only = this.postOnly;
      }
      return message;
    },

    tell(answer) {
      if (answer.type === "order") this.tellOrder(answer.order);
      else if (answer.type === "refused" && answer.code !== "outcome_unknown") {
        this.show("bad", answer.message);
      } else if (answer.type === "offline") {
        this.show("bad", "Not sent: the connection is interrupted. It comes back by itself.");
      } else {
        this.show("wait", "Unknown: no answer came in time. Checking by its id; do not send it again.");
        if (answer.order_id) this.orderLink = `${this.data.orderUrl}${answer.order_id}/`;
        this.lookAgain(0);
      }
    },

    tellOrder(order) {
      this.orderLink = `${this.data.orderUrl}${order.id}/`;
      const filled = order.filled_quantity || "0";
      const words = {
        filled: `Done: ${filled} ${this.data.base} at ${order.average_price || order.price} ${this.data.quote}.`,
        open: "Accepted: it waits in the book.",
        canceled: `Canceled${order.reason ? `: ${order.reason}` : ""}.`,
        expired: filled === "0" ? "Nothing could be filled at once." : `Filled in part: ${filled} ${this.data.base}.`,
        refused: `Refused: ${order.reason}.`,
      };
      this.show(order.status === "refused" ? "bad" : "good", words[order.status] || order.status);
      if (order.status !== "refused") {
        this.cash = "";
        this.quantity = "";
      }
    },

    show(tone, words) {
      this.tone = tone;
      this.outcome = words;
    },

    async lookAgain(count) {
      const found = await fetch(`/orders/by-client-id/${this.clientOrderId}/`);
      if (found.ok) {
        const { url } = await found.json();
        this.show("good", "It was booked.");
        this.orderLink = url;
      } else if (count < LOOKS_MAX) {
        setTimeout(() => this.lookAgain(count + 1), LOOK_AGAIN_MS);
      } else {
        this.show("wait", "It is not there. Look at Activity before you send it again.");
      }
    },
  };
}

/** What a market order takes from the book: by budget or by quantity, both in base units. */
function walkBook(levels, budget, quantity) {
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
