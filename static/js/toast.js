// Short words in the corner. Refusals stay until they are read; the rest goes by itself.

const STAY_MS = 6000;

export function toast(text, tone = "info") {
  const box = document.createElement("div");
  box.className = `notice notice-${tone}`;
  box.setAttribute("role", tone === "bad" ? "alert" : "status");
  const words = document.createElement("div");
  words.textContent = text;
  box.append(words);
  document.querySelector("[data-toasts]").append(box);
  if (tone !== "bad") setTimeout(() => box.remove(), STAY_MS);
  box.addEventListener("click", () => box.remove());
}

for (const box of document.querySelectorAll("[data-toast]")) {
  box.addEventListener("click", () => box.remove());
  if (!box.classList.contains("notice-bad")) setTimeout(() => box.remove(), STAY_MS);
}
