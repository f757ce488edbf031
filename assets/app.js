// What the page does by itself: the theme, and scrolling.
(() => {
  "use strict";
  const NEAR_BOTTOM_PX = 80;
  const FOR_GRADIO = { "pt": "pt-BR", "zh-Hans": "zh-CN", "zh-Hant": "zh-TW" };

  // Language: Gradio takes the browser's for its own words, and writes it on the page.
  const { language, direction } = window.hearth;
  const named = FOR_GRADIO[language] ?? language;
  Object.defineProperty(navigator, "language", { get: () => named });
  Object.defineProperty(navigator, "languages", { get: () => [named] });
  document.documentElement.lang = named;
  document.documentElement.dir = direction;

  // Theme: the server leaves a mark; "system" follows the system and its changes. Paper is light.
  let isOnPaper = false;
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");
  const applyTheme = () => {
    const mark = document.querySelector("#theme-mark [class*='hearth-theme-']");
    const served = mark?.className.match(/hearth-language-([\w-]+)/)?.[1] ?? language;
    if (served !== language) location.reload();
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

  document.addEventListener("hearth-chat", () => { following = true; });

  const start = () => {
    document.body.append(down);
    applyTheme();
    const sizes = new ResizeObserver(() => { if (following && chatIsOpen()) toBottom(); });
    let column = null;
    const look = () => {
      applyTheme();
      noticeTab();
      const now = document.querySelector("#chat-column");
      if (now === column) return;
      column = now;
      sizes.disconnect();
      if (column) sizes.observe(column);
    };
    let isDue = false; // once a frame: to ask where things are makes the browser lay the page out
    new MutationObserver(() => {
      if (isDue) return;
      isDue = true;
      requestAnimationFrame(() => { isDue = false; look(); });
    }).observe(document.body, { childList: true, subtree: true, attributes: true, attributeFilter: ["class", "style"] });
  };
  if (document.readyState === "loading") addEventListener("DOMContentLoaded", start);
  else start(); // Gradio puts the head's scripts in once it runs
})();
