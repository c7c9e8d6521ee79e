// The order ticket: a preview in words while one types, the order over the socket,
// and an answer that says what happened. Without JavaScript the form posts itself.

import { askSheet, factList } from "./confirm.js";
import { formatUnits, grouped, parseUnits, plainDigits } from "./money.js";
import { request, subscribe } from "./socket.js";
import { check } from "./ticket_check.js";
import {
  actionWords, capital, closeWords, conditionalWords, facts, firesAbove, isConditional,
  limitWords, marketWords,
} from "./ticket_words.js";

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
    trigger: "",
    triggerBy: "last",
    trail: "",
    trailUnit: "percent",
    cash: "",
    quantity: "",
    tif: "gtc",
    until: "",
    postOnly: false,
    display: "",
    reduceOnly: false,
    takeProfit: "",
    stopLoss: "",
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
      document.addEventListener("market-state", (event) => this.takeMarket(event.detail));
      this.$watch("type", () => this.fitToType());
      document.addEventListener("book", (event) => (this.book = event.detail));
      subscribe("balances", "", (message) => this.takeBalances(message));
    },

    // Which fields the chosen type has.

    get isLimit() {
      return this.type === "limit";
    },

    get isMarket() {
      return this.type === "market";
    },

    get hasTrigger() {
      return ["stop_loss", "take_profit"].includes(this.type);
    },

    get hasTrail() {
      return this.type === "trailing_stop";
    },

    get isConditional() {
      return isConditional(this.type);
    },

    get hasPrice() {
      return this.isLimit || this.hasTrigger;
    },

    get namesCash() {
      return !this.isConditional;
    },

    get isSelling() {
      return this.side === "sell";
    },

    get canRest() {
      return !this.isMarket;
    },

    /** A part of one's cash says how much only where the price is known. */
    get hasParts() {
      return this.namesCash || this.isSelling;
    },

    get hasEnd() {
      return !this.isMarket && this.tif === "gtd";
    },

    get quantityLabel() {
      return this.namesCash ? "or quantity" : "Quantity";
    },

    get priceLabel() {
      return this.isLimit ? "Price" : "Limit price, optional";
    },

    get triggerLabel() {
      return firesAbove(this.type, this.side) ? "When the price rises to" : "When the price falls to";
    },

    /** What the new type does not have must not stay filled in behind its back. */
    fitToType() {
      if (this.isConditional) this.cash = "";
      if (this.isConditional && ["ioc", "fok"].includes(this.tif)) this.tif = "gtc";
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

    /** The order as typed: amounts in base units, null where a field holds no amount. */
    get order() {
      const cashUnits = (text) => parseUnits(plainDigits(text), 6);
      return {
        side: this.side,
        type: this.type,
        price: this.hasPrice ? cashUnits(this.price) : null,
        trigger: this.hasTrigger ? cashUnits(this.trigger) : null,
        triggerBy: this.triggerBy,
        trailPercent: this.trailUnit === "percent",
        trail: this.hasTrail ? parseUnits(plainDigits(this.trail), this.trailDecimals) : null,
        cash: this.namesCash ? cashUnits(this.cash) : null,
        quantity: parseUnits(plainDigits(this.quantity), 8),
        tif: this.tif,
        until: this.until,
        untilWords: this.until.replace("T", " "),
        display: this.isLimit ? parseUnits(plainDigits(this.display), 8) : null,
        takeProfit: this.isConditional ? null : cashUnits(this.takeProfit),
        stopLoss: this.isConditional ? null : cashUnits(this.stopLoss),
      };
    },

    get trailDecimals() {
      return this.trailUnit === "percent" ? 4 : 6;
    },

    get preview() {
      const order = this.order;
      if (!order.cash && !order.quantity) return "";
      const words = [this.ownWords(order), closeWords(order, this.data)];
      if (!words[0]) return "";
      return [...words, SESSIONS[this.data.session]].filter(Boolean).join(" ");
    },

    ownWords(order) {
      if (this.isConditional) return conditionalWords(order, this.data);
      if (this.isLimit) return limitWords(order, this.data);
      return marketWords(order, this.data, this.isSelling ? this.book.bids : this.book.asks);
    },

    /** What keeps the ticket from being sent, in words; empty when nothing does. */
    check() {
      if (!this.takes.orders) return `${this.limit}: no new orders are taken now.`;
      return check(this, this.order);
    },

    /** What does not happen at once is asked about once more, with its figures. */
    isMeant(order) {
      if (!this.isConditional && !order.takeProfit && !order.stopLoss) return true;
      return askSheet({
        title: capital(actionWords(order, this.data)),
        content: [factList(facts(order, this.data))],
        action: "Place the order",
        tone: this.buttonClass,
      });
    },

    async send(event) {
      event.preventDefault();
      if (this.isSending) return;
      this.outcome = "";
      this.orderLink = "";
      this.problem = this.check();
      if (this.problem || !(await this.isMeant(this.order))) return;
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
        order_type: this.hasTrigger && this.price ? `${this.type}_limit` : this.type,
        client_order_id: this.clientOrderId,
      };
      if (this.quantity) message.quantity = plainDigits(this.quantity);
      else message.cash = plainDigits(this.cash);
      const optional = {
        price: this.hasPrice && this.price,
        trigger_price: this.hasTrigger && this.trigger,
        [this.trailUnit === "percent" ? "trail_percent" : "trail"]: this.hasTrail && this.trail,
        display: this.isLimit && this.display,
        close_take_profit: !this.isConditional && this.takeProfit,
        close_stop_loss: !this.isConditional && this.stopLoss,
      };
      for (const [name, typed] of Object.entries(optional)) {
        if (typed) message[name] = plainDigits(typed);
      }
      if (this.isConditional) message.trigger_by = this.triggerBy;
      if (this.isLimit) message.post_only = this.postOnly;
      if (this.isSelling && this.reduceOnly) message.reduce_only = true;
      if (!this.isMarket) message.time_in_force = this.tif;
      if (this.hasEnd) message.expires_at = new Date(this.until).toISOString();
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
      const reason = order.reason || "";
      const why = JSON.parse(this.data.reasons)[reason] || reason.replaceAll("_", " ");
      const words = {
        filled: `Done: ${filled} ${this.data.base} at ${order.average_price || order.price} ${this.data.quote}.`,
        open: "Accepted: it waits in the book.",
        untriggered: "Accepted: it waits for its trigger.",
        canceled: `Canceled${why ? `: ${why}` : ""}.`,
        expired: filled === "0" ? "Nothing could be filled at once." : `Filled in part: ${filled} ${this.data.base}.`,
        refused: `Refused: ${why}.`,
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
