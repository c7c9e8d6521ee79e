// Asks once more before a form with data-confirm is sent. A native modal dialog keeps the
// focus inside, closes on Escape, and gives the focus back; on a phone it is a sheet.

function words(template, form) {
  const data = new FormData(form);
  return template.replace(/\{(\w+)\}/g, (_, name) => data.get(name) || "");
}

function button(text, tone, value) {
  const made = document.createElement("button");
  made.className = `button ${tone}`;
  made.value = value;
  made.textContent = text;
  return made;
}

/** A sheet with a question; `content` are the nodes between its title and its buttons. */
function build({ title, content, action, tone = "button-danger" }) {
  const dialog = document.createElement("dialog");
  dialog.className = "sheet";
  dialog.setAttribute("aria-labelledby", "sheet-title");
  dialog.setAttribute("aria-describedby", "sheet-text");
  const inside = document.createElement("form");
  inside.method = "dialog";
  inside.className = "stack";
  const head = document.createElement("h2");
  head.id = "sheet-title";
  head.textContent = title;
  const text = document.createElement("div");
  text.id = "sheet-text";
  text.className = "stack";
  text.append(...content);
  const actions = document.createElement("div");
  actions.className = "form-actions";
  const no = button("No, go back", "", "no");
  no.formNoValidate = true;
  actions.append(button(action, tone, "yes"), no);
  inside.append(head, text, actions);
  dialog.append(inside);
  // What Enter does by mistake must be harmless; a sheet with fields is meant to be filled.
  if (!text.querySelector("input")) no.autofocus = true;
  return dialog;
}

/** Show a sheet; resolves whether it was said yes to. */
export function askSheet(sheet) {
  const dialog = build(sheet);
  document.body.append(dialog);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close("no"); // beside the sheet
  });
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

export async function ask(form, submitter) {
  const text = document.createElement("p");
  text.textContent = words(form.dataset.confirmText || "", form);
  const isMeant = await askSheet({
    title: words(form.dataset.confirm, form),
    content: [text],
    action: words(form.dataset.confirmAction, form),
  });
  if (!isMeant) return;
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = "confirmed";
  field.value = "yes";
  form.append(field);
  form.requestSubmit(submitter || undefined);
}

/** Names and their words, as a list of facts. */
export function factList(pairs) {
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [name, text] of pairs) {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = text;
    list.append(dt, dd);
  }
  return list;
}

/** Whether the form may go; otherwise the question is asked. */
export function isConfirmed(form) {
  return form.dataset.confirm === undefined || form.querySelector("input[name=confirmed]") !== null;
}
