// Changing an open order: a sheet with what may change, sent over the socket.

import { askSheet } from "./confirm.js";
import { plainDigits } from "./money.js";
import { kindWords } from "./order_words.js";
import { request } from "./socket.js";
import { toast } from "./toast.js";

function field(id, label, value, suffix) {
  const box = document.createElement("div");
  box.className = "field";
  const name = document.createElement("label");
  name.htmlFor = id;
  name.textContent = label;
  const amount = document.createElement("div");
  amount.className = "amount";
  const input = document.createElement("input");
  input.id = id;
  input.type = "text";
  input.inputMode = "decimal";
  input.autocomplete = "off";
  input.value = input.defaultValue = value;
  const unit = document.createElement("span");
  unit.className = "suffix";
  unit.textContent = suffix;
  amount.append(input, unit);
  box.append(name, amount);
  return { box, input };
}

/** What may change of this order: its name in the message, and its field. */
function fieldsOf(order, base, quote) {
  const found = [];
  if (order.quantity) {
    found.push(["quantity", field("a-quantity", "Quantity, the filled part included", order.quantity, base)]);
  }
  if (order.price) found.push(["price", field("a-price", "Price", order.price, quote)]);
  if (order.status === "untriggered" && order.terms.trigger_price && !isTrailing(order)) {
    found.push(["trigger_price", field("a-trigger", "Trigger", order.terms.trigger_price, quote)]);
  }
  return found;
}

const isTrailing = (order) => order.order_type.startsWith("trailing");

function tell(answer) {
  if (answer.type === "order") toast("The order is changed.", "good");
  else if (answer.type === "refused") toast(answer.message, "bad");
  else toast("No answer yet. The list shows the truth as soon as it is known.", "wait");
}

export async function amend(order, base, quote) {
  const fields = fieldsOf(order, base, quote);
  const note = document.createElement("p");
  note.className = "muted small";
  note.textContent =
    "It keeps its place in the queue when only the quantity shrinks; else it goes to the back.";
  const isMeant = await askSheet({
    title: `Change your ${order.side} order (${kindWords(order)})`,
    content: [...fields.map(([, each]) => each.box), note],
    action: "Change the order",
    tone: "button-main",
  });
  if (!isMeant) return;
  const message = { type: "amend_order", order_id: order.id };
  for (const [name, { input }] of fields) {
    const typed = plainDigits(input.value);
    if (typed && typed !== input.defaultValue) message[name] = typed;
  }
  if (Object.keys(message).length > 2) tell(await request(message));
}
