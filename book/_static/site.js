/* Two small services to readers who use the keyboard or a screen reader. The pages work without this file. */
"use strict";

/* What scrolls sideways can be focused, so that the arrow keys scroll it (the theme does so for code and tables). */
function markScrolling() {
  for (const box of document.querySelectorAll("div.math, .cell_output .output, .cell_output .output pre")) {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    if (scrolls && box.tabIndex !== 0) box.tabIndex = 0;
    else if (!scrolls) box.removeAttribute("tabindex");
  }
  for (const formula of document.querySelectorAll("span.math")) {
    if (formula.classList.contains("wide")) continue;
    const line = formula.parentElement.clientWidth;
    for (const part of formula.querySelectorAll(".katex-html > .base")) {
      if (line > 0 && part.getBoundingClientRect().width > line) {
        formula.classList.add("wide");
        formula.tabIndex = 0;
        break;
      }
    }
  }
}

/* The colour button says which mode it is in. */
function nameColourMode() {
  const names = { light: "light", dark: "dark", auto: "as the system" };
  const name = `Colours: ${names[document.documentElement.dataset.mode] || "as the system"}`;
  for (const button of document.querySelectorAll(".theme-switch-button")) {
    button.title = name;
    button.setAttribute("aria-label", `${name}. Change`);
  }
}

document.addEventListener("DOMContentLoaded", () => {
  /* The theme takes the focus away from its buttons when they are pressed: a reader with a keyboard would start anew. */
  const buttons = ".theme-switch-button, .search-button, .primary-toggle, .secondary-toggle";
  for (const button of document.querySelectorAll(buttons)) button.blur = () => {};
  nameColourMode();
  new MutationObserver(nameColourMode).observe(document.documentElement, { attributeFilter: ["data-mode"] });
});
window.addEventListener("load", () => {
  /* After the theme's own pass over code and tables. */
  requestAnimationFrame(() => requestAnimationFrame(markScrolling));
  let waiting;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(markScrolling, 400); });
  for (const fold of document.querySelectorAll("details")) fold.addEventListener("toggle", markScrolling);
});
