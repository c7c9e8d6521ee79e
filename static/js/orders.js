// The investor's own open orders of this listing, live; changed and canceled by the socket.

import { amend } from "./amend.js";
import { askSheet } from "./confirm.js";
import { grouped } from "./money.js";
import { isLive, kindWords, priceWords } from "./order_words.js";
import { request, subscribe } from "./socket.js";
import { localTime } from "./times.js";
import { toast } from "./toast.js";

const orders = new Map(); // id -> order, live ones of every listing

function cell(label, text, kind = "") {
  const td = document.createElement("td");
  td.dataset.label = label;
  td.className = kind;
  td.textContent = text;
  return td;
}

function sideCell(order) {
  const td = document.createElement("td");
  td.className = "lead";
  const side = document.createElement("span");
  side.className = order.side === "buy" ? "up" : "down";
  side.textContent = order.side === "buy" ? "Buy" : "Sell";
  td.append(side, ` ${kindWords(order)}`);
  return td;
}

async function cancel(order, button) {
  button.disabled = true;
  button.textContent = "Canceling…";
  const answer = await request({ type: "cancel_order", order_id: order.id });
  if (answer.type === "order") {
    toast("The order is canceled.", "good");
  } else if (answer.type === "refused") {
    toast(answer.message, "bad");
  } else {
    toast("No answer yet. The list shows the truth as soon as it is known.", "wait");
  }
  button.disabled = false;
  button.textContent = "Cancel";
}

function action(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button button-s";
  made.textContent = text;
  made.addEventListener("click", () => act(made));
  return made;
}

function rowOf(order, quote, base) {
  const row = document.createElement("tr");
  const last = cell("", "", "num");
  const actions = document.createElement("span");
  actions.className = "row-actions";
  actions.append(
    action("Change", () => amend(order, base, quote)),
    action("Cancel", (button) => cancel(order, button)),
  );
  last.append(actions);
  const asked = order.quantity ? `${grouped(order.quantity)} ${base}` : `${order.cash} ${quote}`;
  row.append(
    sideCell(order),
    cell("Price", priceWords(order, quote), "num"),
    cell("Filled of", `${grouped(order.filled_quantity || "0")} / ${asked}`, "num"),
    cell("Sent", localTime(order.accepted_at, "full")),
    last,
  );
  return row;
}

async function cancelAll(event) {
  const form = event.target;
  event.preventDefault();
  const { listing } = form.dataset;
  const isMeant = await askSheet({
    title: "Cancel all open orders here?",
    content: ["Those that wait for a trigger are canceled too. What is filled stays filled."],
    action: "Cancel them all",
  });
  if (!isMeant) return;
  const answer = await request({ type: "cancel_all", listing });
  if (answer.type === "refused") toast(answer.message, "bad");
  else if (answer.type === "canceled") toast("Your orders here are canceled.", "good");
  else toast("No answer yet. The list shows the truth as soon as it is known.", "wait");
}

function headRow() {
  const row = document.createElement("tr");
  for (const [text, kind] of [["Side", ""], ["Price", "num"], ["Filled of", "num"], ["Sent", ""]]) {
    const th = document.createElement("th");
    th.textContent = text;
    th.className = kind;
    row.append(th);
  }
  row.append(document.createElement("td"));
  return row;
}

function paint(box) {
  const listing = box.dataset.listing;
  const mine = [...orders.values()].filter((order) => order.listing === listing);
  const all = document.querySelector("form[data-cancel-all]");
  if (all) all.hidden = !mine.length;
  document.dispatchEvent(new CustomEvent("own-orders", { detail: [...orders.values()] }));
  if (!mine.length) {
    const empty = document.createElement("p");
    empty.className = "empty";
    empty.textContent = "No open orders here. What does not fill at once waits here.";
    box.replaceChildren(empty);
    return;
  }
  const table = document.createElement("table");
  table.className = "table table-stack";
  const head = document.createElement("thead");
  head.append(headRow());
  const body = document.createElement("tbody");
  const ticket = document.querySelector("form.ticket");
  const [quote, base] = [ticket?.dataset.quote || "", ticket?.dataset.base || ""];
  mine.sort((a, b) => (a.accepted_at < b.accepted_at ? 1 : -1));
  body.append(...mine.map((order) => rowOf(order, quote, base)));
  table.append(head, body);
  box.replaceChildren(table);
}

export function start(selector) {
  if (document.body.dataset.signedIn !== "true") return;
  const box = document.querySelector(selector);
  document.querySelector("form[data-cancel-all]")?.addEventListener("submit", cancelAll);
  subscribe("orders", "", (message) => {
    if (message.type === "snapshot") orders.clear();
    for (const order of message.orders || []) {
      if (isLive(order)) orders.set(order.id, order);
      else {
        if (orders.has(order.id) && order.status === "filled") toast("Your order is filled.", "good");
        orders.delete(order.id);
      }
    }
    paint(box);
  });
}
