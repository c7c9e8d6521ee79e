// Times in the reader's zone. The server wrote UTC, which stays in the title.

const STYLES = {
  full: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" },
  day: { day: "numeric", month: "short", year: "numeric" },
  hour: { hour: "2-digit", minute: "2-digit" },
  clock: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
};

export function localTime(iso, style) {
  return new Intl.DateTimeFormat("en-GB", STYLES[style] || STYLES.full).format(new Date(iso));
}

export function showLocalTimes(root) {
  for (const time of root.querySelectorAll("time[data-local]")) {
    if (time.dataset.local !== "day") {
      time.textContent = localTime(time.dateTime, time.dataset.local);
    }
  }
}
