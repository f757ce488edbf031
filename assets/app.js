// What the page does by itself: the theme, scrolling, and clean copies. It stands in the page's head, since Gradio's own
// hooks for scripts need eval, which the Content-Security-Policy refuses.
(() => {
  "use strict";
  const NEAR_BOTTOM_PX = 80;

  // Theme: the server leaves a mark; "system" follows the system and its changes.
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");
  const applyTheme = () => {
    const mark = document.querySelector("#theme-mark [class*='hearth-theme-']");
    const choice = mark ? mark.className.match(/hearth-theme-(\w+)/)[1] : "system";
    const dark = choice === "dark" || (choice === "system" && systemIsDark.matches);
    if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
  };
  systemIsDark.addEventListener("change", applyTheme);

  // Scrolling: the page stays at its end while an answer grows, unless the reader went up.
  let following = true;
  const root = () => document.scrollingElement;
  const atBottom = () => root().scrollHeight - root().scrollTop - root().clientHeight < NEAR_BOTTOM_PX;
  const toBottom = () => root().scrollTo({ top: root().scrollHeight });
  const chatIsOpen = () => Boolean(document.querySelector("#chat-column")?.offsetParent);
  const down = document.createElement("button");
  down.id = "hearth-down";
  down.type = "button";
  down.textContent = "↓";
  down.hidden = true;
  down.addEventListener("click", () => { following = true; toBottom(); });

  let lastTop = 0;
  addEventListener("scroll", () => {
    if (!chatIsOpen()) return;
    if (atBottom()) following = true;
    else if (root().scrollTop < lastTop) following = false;
    lastTop = root().scrollTop;
    down.hidden = following;
  }, { passive: true });

  // Copies: what was typed or answered, without the wrapping and the line below that the page adds.
  const clean = (text) => {
    const typed = text.match(/^<div class="hearth-plain">([\s\S]*)<\/div>$/);
    if (typed) return new DOMParser().parseFromString(typed[1], "text/html").documentElement.textContent;
    return text.replace(/\s*<div class="hearth-(?:meta|failure)">[\s\S]*?<\/div>/g, "");
  };
  if (navigator.clipboard) {
    const write = navigator.clipboard.writeText.bind(navigator.clipboard);
    navigator.clipboard.writeText = (text) => write(clean(String(text)));
  }

  addEventListener("DOMContentLoaded", () => {
    document.body.append(down);
    const label = document.documentElement.lang;
    if (!label) document.documentElement.lang = "en";
    applyTheme();
    new MutationObserver(() => {
      applyTheme();
      if (following && chatIsOpen()) toBottom();
    }).observe(document.body, { childList: true, subtree: true, characterData: true, attributeFilter: ["class"], attributes: true });
  });
})();
