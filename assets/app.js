// What the page does by itself: the theme, scrolling, and clean copies. It stands in the page's head, since Gradio's own
// hooks for scripts need eval, which the Content-Security-Policy refuses.
(() => {
  "use strict";
  const NEAR_BOTTOM_PX = 80;

  // Theme: the server leaves a mark; "system" follows the system and its changes. Paper is light.
  let isOnPaper = false;
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");
  const applyTheme = () => {
    const mark = document.querySelector("#theme-mark [class*='hearth-theme-']");
    const choice = mark ? mark.className.match(/hearth-theme-(\w+)/)[1] : "system";
    const dark = !isOnPaper && (choice === "dark" || (choice === "system" && systemIsDark.matches));
    if (document.body.classList.contains("dark") !== dark) document.body.classList.toggle("dark", dark);
  };
  systemIsDark.addEventListener("change", applyTheme);
  addEventListener("beforeprint", () => { isOnPaper = true; applyTheme(); });
  addEventListener("afterprint", () => { isOnPaper = false; applyTheme(); });

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
  // Each tab has its own place in the one page: a chat its end (or where the reader was), another tab its top.
  let chatWasOpen = true;
  let placeInChat = 0;
  const noticeTab = () => {
    if (chatIsOpen() === chatWasOpen) return;
    chatWasOpen = !chatWasOpen;
    if (!chatWasOpen) { placeInChat = lastTop; down.hidden = true; root().scrollTo({ top: 0 }); }
    else if (following) toBottom();
    else { root().scrollTo({ top: placeInChat }); down.hidden = false; }
  };

  addEventListener("scroll", () => {
    if (!chatIsOpen()) return;
    if (atBottom()) following = true;
    else if (root().scrollTop < lastTop) following = false;
    lastTop = root().scrollTop;
    down.hidden = following;
  }, { passive: true });

  // Copies: what was typed or answered, without the wrapping and the line below that the page adds.
  const OURS = /\s*(?:<div class="hearth-(?:meta|failure|file)">[\s\S]*?<\/div>|<div class="hearth-actions [\s\S]*<\/details><\/div>)/g;
  const clean = (given) => {
    const text = given.replace(/\s*<div class="hearth-actions [\s\S]*<\/details><\/div>\s*$/, "");
    const typed = text.match(/^<div class="hearth-plain">([\s\S]*)<\/div>$/);
    if (typed) return new DOMParser().parseFromString(typed[1], "text/html").documentElement.textContent;
    return text.replace(OURS, "");
  };
  if (navigator.clipboard) {
    const write = navigator.clipboard.writeText.bind(navigator.clipboard);
    navigator.clipboard.writeText = (text) => write(clean(String(text)));
  }

  const start = () => {
    document.body.append(down);
    const label = document.documentElement.lang;
    if (!label) document.documentElement.lang = "en";
    applyTheme();
    const sizes = new ResizeObserver(() => { if (following && chatIsOpen()) toBottom(); });
    let column = null;
    new MutationObserver(() => {
      applyTheme();
      noticeTab();
      const now = document.querySelector("#chat-column");
      if (now === column) return;
      column = now;
      sizes.disconnect();
      if (column) sizes.observe(column);
    }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class", "style"] });
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start(); // Gradio puts the head's scripts in once it runs
})();
