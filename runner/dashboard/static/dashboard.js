/* What a page does by itself: look again, ask in a dialog, find by "/", switch colours. */
(() => {
  const EVERY = 2000; // milliseconds
  const dialog = document.getElementById("dialog");
  const lost = document.getElementById("lost");
  const root = document.documentElement;

  const look = () => {
    if (document.visibilityState === "visible" && !dialog.open) htmx.trigger(document.body, "tick");
  };
  setInterval(look, EVERY);
  document.addEventListener("visibilitychange", look);
  document.addEventListener("htmx:error", () => { lost.hidden = false; });
  document.addEventListener("htmx:after:request", (event) => {
    const ours = event.detail.ctx.text.includes('id="live"');
    lost.hidden = ours;
    if (!ours) event.preventDefault(); // started anew, it does not know this browser
  });

  // What a closed one held stays in it: its `close` event may come after the next question's answer.
  document.addEventListener("htmx:after:swap", (event) => {
    const asks = event.detail.ctx.target === dialog && dialog.childElementCount;
    if (asks && !dialog.open) dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === " " && event.target.matches?.('a[role="button"]')) {
      event.preventDefault(); // as a button does it, and not to scroll
      event.target.click();
    }
    const typing = event.target.closest?.("input, textarea, select");
    if (event.key === "/" && !typing && !dialog.open && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      document.getElementById("q").focus();
    }
  });

  const button = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  const named = () => { button.textContent = "Colours: " + (root.dataset.theme || "auto"); };
  button.hidden = false;
  named();
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
    if (next === "auto") {
      delete root.dataset.theme;
      localStorage.removeItem("theme");
    } else {
      root.dataset.theme = next;
      localStorage.setItem("theme", next);
    }
    named();
  });
})();
