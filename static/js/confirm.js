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

function build(form) {
  const dialog = document.createElement("dialog");
  dialog.className = "sheet";
  dialog.setAttribute("aria-labelledby", "sheet-title");
  dialog.setAttribute("aria-describedby", "sheet-text");
  const inside = document.createElement("form");
  inside.method = "dialog";
  inside.className = "stack";
  const title = document.createElement("h2");
  title.id = "sheet-title";
  title.textContent = words(form.dataset.confirm, form);
  const text = document.createElement("p");
  text.id = "sheet-text";
  text.textContent = words(form.dataset.confirmText || "", form);
  const actions = document.createElement("div");
  actions.className = "form-actions";
  const no = button("No, go back", "", "no");
  no.autofocus = true; // what Enter does by mistake must be harmless
  actions.append(button(words(form.dataset.confirmAction, form), "button-danger", "yes"), no);
  inside.append(title, text, actions);
  dialog.append(inside);
  return dialog;
}

export function ask(form, submitter) {
  const dialog = build(form);
  document.body.append(dialog);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close("no"); // beside the sheet
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue !== "yes") return;
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "confirmed";
    field.value = "yes";
    form.append(field);
    form.requestSubmit(submitter || undefined);
  });
  dialog.showModal();
}

/** Whether the form may go; otherwise the question is asked. */
export function isConfirmed(form) {
  return form.dataset.confirm === undefined || form.querySelector("input[name=confirmed]") !== null;
}
