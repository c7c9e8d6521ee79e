// Candles and volume from our own trades. Prices come as whole base units, so the
// chart's floats are only ever drawn, never traded with.

import {
  CandlestickSeries,
  HistogramSeries,
  LineSeries,
  createChart,
} from "../vendor/lightweight-charts.mjs";
import { subscribe } from "./socket.js";

const QUOTE = 1e6;
const BASE = 1e8;
const RESTING_WORDS = "Dashed: the share";
// What the axis marks: a year, a month, a day, or a time of day (TickMarkType of the library).
const MARKS = [
  { year: "numeric" },
  { month: "short" },
  { day: "numeric", month: "short" },
  { hour: "2-digit", minute: "2-digit" },
  { hour: "2-digit", minute: "2-digit", second: "2-digit" },
];
const MOMENT = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };

// The library draws UTC; the rest of the page is in the reader's zone.
function local(seconds, style) {
  return new Intl.DateTimeFormat("en-GB", style).format(new Date(seconds * 1000));
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  return {
    surface: read("--surface"),
    ink: read("--muted"),
    line: read("--line"),
    up: resolve("--up"),
    down: resolve("--down"),
  };
}

// --up names another token; the chart needs the colour itself.
function resolve(name) {
  const probe = document.createElement("span");
  probe.className = name === "--up" ? "up" : "down";
  probe.hidden = true;
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}

function layoutOf(c) {
  return {
    layout: {
      attributionLogo: false,
      background: { color: c.surface },
      textColor: c.ink,
      fontFamily: "inherit",
    },
    grid: { vertLines: { color: c.line }, horzLines: { color: c.line } },
    rightPriceScale: { borderColor: c.line },
    timeScale: {
      borderColor: c.line,
      maxBarSpacing: 28,
      timeVisible: true,
      secondsVisible: false,
      tickMarkFormatter: (seconds, kind) => local(seconds, MARKS[kind]),
    },
    localization: { timeFormatter: (seconds) => local(seconds, MOMENT) },
  };
}

class CandleChart {
  constructor(box) {
    this.box = box;
    this.legend = document.querySelector("[data-chart-legend]");
    this.chart = createChart(box, { autoSize: true, ...layoutOf(colours()) });
    const step = Number(box.dataset.tick) / QUOTE;
    this.candles = this.chart.addSeries(CandlestickSeries, {
      priceFormat: { type: "price", precision: 2, minMove: Math.max(step, 0.01) },
    });
    this.reference = this.chart.addSeries(LineSeries, {
      lineWidth: 1,
      lineStyle: 2,
      title: "Share",
      priceLineVisible: false,
      crosshairMarkerVisible: false,
      priceFormat: { type: "price", precision: 2, minMove: 0.01 },
    });
    this.volume = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.interval = "1m";
    this.paint();
  }

  paint() {
    const c = colours();
    this.colours = c;
    this.chart.applyOptions(layoutOf(c));
    this.candles.applyOptions({
      upColor: c.up,
      downColor: c.down,
      wickUpColor: c.up,
      wickDownColor: c.down,
      borderVisible: false,
    });
    this.reference.applyOptions({ color: c.ink });
    if (this.rows) this.show(this.rows);
  }

  async load(interval) {
    this.interval = interval;
    const answer = await fetch(`${this.box.dataset.source}?interval=${interval}`);
    if (!answer.ok) {
      this.say("The chart could not be loaded.");
      return;
    }
    const { candles, reference, interval_seconds: seconds } = await answer.json();
    this.seconds = seconds;
    this.reference.setData(reference.map(([time, price]) => ({ time, value: price / QUOTE })));
    this.rows = candles;
    this.show(candles);
    this.chart.timeScale().fitContent();
    this.say(candles.length ? RESTING_WORDS : "Nothing has traded in this time.");
  }

  show(rows) {
    this.candles.setData(rows.map(toCandle));
    this.volume.setData(rows.map((row) => this.toVolume(row)));
  }

  toVolume(row) {
    const [time, open, , , close, volume] = row;
    const colour = close >= open ? this.colours.up : this.colours.down;
    return { time, value: volume / BASE, color: colour.replace("rgb(", "rgba(").replace(")", ", 0.35)") };
  }

  add(price, quantity, at) {
    if (!this.rows) return;
    const start = Math.floor(at / 1000 / this.seconds) * this.seconds;
    const last = this.rows.at(-1);
    if (last && start < last[0]) return;
    if (last && start === last[0]) {
      last[2] = Math.max(last[2], price);
      last[3] = Math.min(last[3], price);
      last[4] = price;
      last[5] += quantity;
    } else {
      this.rows.push([start, price, price, price, price, quantity]);
    }
    this.candles.update(toCandle(this.rows.at(-1)));
    this.volume.update(this.toVolume(this.rows.at(-1)));
    this.say(RESTING_WORDS);
  }

  say(words) {
    if (this.legend) this.legend.textContent = words;
  }
}

function toCandle([time, open, high, low, close]) {
  return { time, open: open / QUOTE, high: high / QUOTE, low: low / QUOTE, close: close / QUOTE };
}

export function start(selector) {
  const box = document.querySelector(selector);
  const chart = new CandleChart(box);
  const buttons = document.querySelectorAll("[data-interval]");
  for (const button of buttons) {
    button.addEventListener("click", () => {
      buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
      chart.load(button.dataset.interval);
    });
  }
  chart.load("1m");
  document.addEventListener("colours", () => chart.paint());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.paint());
  subscribe("trades", box.dataset.listing, (message) => {
    if (message.type !== "update") return;
    for (const trade of message.trades || []) {
      chart.add(
        Math.round(Number(trade.price) * QUOTE),
        Math.round(Number(trade.quantity) * BASE),
        Date.parse(trade.traded_at),
      );
    }
  });
}
