// Seconds left of a quoted preview; the server judges its age, this only shows it.

export function countdown() {
  return {
    left: 0,
    init() {
      this.left = Number(this.$el.dataset.seconds);
      const timer = setInterval(() => {
        this.left -= 1;
        if (this.left <= 0) clearInterval(timer);
      }, 1000);
    },
    get isOver() {
      return this.left <= 0;
    },
    get isRunning() {
      return this.left > 0;
    },
    get words() {
      return this.left > 0
        ? `This preview holds for ${this.left} s.`
        : "The preview is too old: prices move. Nothing was bought.";
    },
  };
}
